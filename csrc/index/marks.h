/* Which places of an index's tables are needed: a bit each, in memory that the caller zeroed. What
 * changed since the tables were written has none: save the index and open it anew. */
#ifndef INDEX_MARKS_H
#define INDEX_MARKS_H

#include "index/table.h"

/* Bits that marks have. */
uint64_t index_mark_count(const chunk_index *x);

/* As srm_index_mark, srm_index_marked and srm_index_tally. Any thread, but marks are for one. */
void index_mark(
    const chunk_index *x, const uint8_t *ids, uint64_t count, uint8_t *marks, uint8_t *found);
void index_marked(
    const chunk_index *x, const uint8_t *ids, uint64_t count, const uint8_t *marks, uint8_t *out);
void index_tally(const chunk_index *x, const uint8_t *marks, uint64_t *lens, uint32_t len_count);

#endif
