/* Where chunks are: read-only table files, and what changed since in memory.
 *
 * A chunk is known by the first 16 bytes of its id; whoever reads it checks the rest. Any number
 * of threads may find, claim, put and remove at once, and name segments; tables are added, and
 * the index saved and freed, while no other thread uses it. */
#ifndef INDEX_TABLE_H
#define INDEX_TABLE_H

#include "strongroom.h"

#include <stdbool.h>

#define INDEX_ID_LEN 16
#define INDEX_NOTE_LEN 64

typedef struct srm_index chunk_index;

/* The caller frees *out with index_free. */
SRM_MUST_USE srm_status index_new(chunk_index **out);
/* NULL is fine. */
void index_free(chunk_index *x);

/* As srm_index_add_table. */
SRM_MUST_USE srm_status index_add_table(chunk_index *x, int fd);

/* The number of a segment, which it gets if it has none. */
SRM_MUST_USE srm_status index_segment(
    chunk_index *x, const uint8_t id[SRM_SESSION_ID_LEN], uint32_t *number);
/* SRM_ENOTFOUND: there is none of that number, or it was dropped. */
SRM_MUST_USE srm_status index_segment_id(
    const chunk_index *x, uint32_t number, uint8_t id[SRM_SESSION_ID_LEN]);
/* Numbers given so far, those of dropped segments included. */
uint32_t index_segment_count(const chunk_index *x);
/* Its chunks are no longer found there; should it come again, it gets another number. */
void index_drop_segment(chunk_index *x, uint32_t number);

/* Add a chunk or say where else it is. SRM_EINVAL: no such segment, or lengths that no chunk has.
 */
SRM_MUST_USE srm_status index_put(
    chunk_index *x, const uint8_t id[SRM_DIGEST_LEN], const srm_location *at);
/* What a segment's directory says. It counts unless the chunk is known to be in a segment of a
 * higher number, or, if it is a mere find, in any. As index_put. */
SRM_MUST_USE srm_status index_learn(
    chunk_index *x, const uint8_t id[SRM_DIGEST_LEN], const srm_location *at, bool mere_find);
/* Forget a chunk, or give up a claim. */
SRM_MUST_USE srm_status index_remove(chunk_index *x, const uint8_t id[SRM_DIGEST_LEN]);
/* Where it is. A chunk that is only claimed is nowhere yet. */
bool index_find(const chunk_index *x, const uint8_t id[SRM_DIGEST_LEN], srm_location *at);
/* The length of each chunk, or 0. */
void index_find_all(const chunk_index *x, const uint8_t *ids, uint64_t count, uint32_t *raw_lens);

/* *mine: the chunk is nowhere and nobody else has claimed it, so the caller is to store and put
 * it, or to remove it again. */
SRM_MUST_USE srm_status index_claim(chunk_index *x, const uint8_t id[SRM_DIGEST_LEN], bool *mine);

/* Chunks, at least as many as can be found. */
uint64_t index_count(const chunk_index *x);

/* As srm_index_save and srm_index_note. */
SRM_MUST_USE srm_status index_save(
    const chunk_index *x, int fd, const uint8_t note[INDEX_NOTE_LEN], bool fresh_only);
SRM_MUST_USE srm_status index_note(int fd, uint8_t note[INDEX_NOTE_LEN]);

#endif
