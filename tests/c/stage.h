/* A session over folders of its own, and what went into it read back. */
#ifndef TESTS_STAGE_H
#define TESTS_STAGE_H

#include "check.h"
#include "spool.h"

#include <stdatomic.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define STAGE_FILES 600
#define STAGE_LEN (6 * CHUNK + 12345)

/* Calls of pread, pwrite and fsync until one fails; below 0: none does. The linker puts our own in
 * front of those of the core, which do only half of what is asked for. */
extern atomic_long stage_reads_left;
extern atomic_long stage_writes_left;
extern atomic_long stage_syncs_left;

/* So many threads have to come to a pread from there on before any goes on. If half a minute
 * passes, it is 0 again: they did not meet. Before, further workers may not have been admitted yet.
 */
#define STAGE_MEET_OFF (30 << 20)
extern atomic_uint stage_meeting;
extern atomic_uint stage_came;

/* While stage_facts runs. */
extern uint8_t *stage_raw;  /* STAGE_LEN bytes of noise */
extern uint8_t *stage_text; /* as long */
extern uint32_t stage_threads;

typedef struct stage {
    char in_path[64];
    char out_path[64];
    int in;
    int out;
    srm_index *index;
    srm_session *session;
    char paths[STAGE_FILES * 64];
    size_t paths_len;
    uint64_t count;
    srm_file_result results[STAGE_FILES];
    library stored;
} stage;

void stage_begin(stage *s, int32_t level);
void stage_end(stage *s);

void stage_name_file(stage *s, const char *name);
void stage_add_file(stage *s, const char *name, const uint8_t *data, size_t len);

srm_job *stage_start_files(stage *s);
/* Take the named files in; their ids, for the caller to free. */
uint8_t *stage_take_files(stage *s, uint64_t *id_count);
/* Take what is complete into the library; how many segments that were. */
size_t stage_collect(stage *s);
size_t stage_finish(stage *s);

/* Do the chunks named make these bytes? */
void stage_check_content(
    const stage *s, const uint8_t *ids, uint64_t count, const uint8_t *data, size_t len);
void stage_check_file(
    const stage *s, uint64_t i, const uint8_t *ids, const uint8_t *data, size_t len);

/* What main returns: the facts with one thread and with three. */
int stage_facts(const fact *facts, size_t fact_count);

#endif
