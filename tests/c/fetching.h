/* Three segments of chunks in a repository, loaded and fetched in ways that check the outcome. */
#ifndef TESTS_FETCHING_H
#define TESTS_FETCHING_H

#include "check.h"
#include "repository.h"

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define WHOLE_COUNT 5
#define PACKED_COUNT 40
#define SMALL_COUNT 3
#define CHUNK_COUNT (WHOLE_COUNT + PACKED_COUNT + SMALL_COUNT)
enum { WHOLE = 1, PACKED = 2, SMALL = 3 }; /* names of segments */

/* While fetching_facts runs. */
extern repository fetching_repo;
extern uint8_t *fetching_raw; /* of all chunks, one after another */
extern size_t fetching_raw_len;
extern chunk fetching_chunks[CHUNK_COUNT];
extern size_t fetching_offs[CHUNK_COUNT]; /* in fetching_raw */
extern stored_segment fetching_stored[4];

extern const uint8_t fetching_ids[3 * 16]; /* of the segments */

/* Write all three segments, again where they were harmed. */
void fetching_put_all(void);

srm_index *fetching_new_index(void);
void fetching_load(srm_segments *g, srm_index *index, srm_segment_status statuses[3]);
/* The one segment of three that may be harmed. */
void fetching_check_loaded(
    const srm_segment_status statuses[3], unsigned name, srm_status status, srm_place place);

srm_want fetching_want_of(size_t i);
void fetching_all_wants(srm_want wants[CHUNK_COUNT]);
outcome fetching_fetch(srm_segments *g, srm_index *index, srm_want *wants, size_t count,
    const int32_t *fds, uint32_t fd_count, uint8_t *mem, size_t mem_len, uint32_t threads);
/* Fetch everything. harmed says of each chunk how it is to fail; nothing of such a one comes out.
 */
void fetching_check_fetch(
    srm_segments *g, srm_index *index, const srm_status harmed[CHUNK_COUNT], uint32_t threads);
void fetching_fetch_all(srm_segments *g, srm_index *index);
void fetching_harm(srm_status harmed[CHUNK_COUNT], size_t from, size_t to, srm_status status);

/* What main returns. */
int fetching_facts(const fact *facts, size_t fact_count);

#endif
