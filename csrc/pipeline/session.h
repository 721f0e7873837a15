/* What a backup session keeps from job to job: for every worker its buffers and the data segments
 * it has open, so that taking in a chunk needs no lock but the index's. */
#ifndef PIPELINE_SESSION_H
#define PIPELINE_SESSION_H

#include "index/table.h"
#include "pipeline/segment_writer.h"

typedef struct srm_session session;

/* A worker's own; of one thread at a time. */
typedef struct session_worker session_worker;

SRM_MUST_USE srm_status session_begin(
    const srm_session_options *options, chunk_index *index, session **out);
SRM_MUST_USE srm_status session_take_segments(
    session *s, srm_segment_info *out, size_t cap, size_t *count);
void session_free(session *s);

/* The jobs. As the public functions that are named alike. */
SRM_MUST_USE srm_status session_files(session *s, int dir_fd, const char *paths, uint64_t count,
    srm_file_result *results, srm_job **out);
SRM_MUST_USE srm_status session_chunks(
    session *s, const uint8_t *memory, const uint64_t *ends, uint64_t count, srm_job **out);
SRM_MUST_USE srm_status session_stream(
    session *s, srm_source source, srm_file_result *result, srm_job **out);
SRM_MUST_USE srm_status session_close(session *s, bool last, srm_job **out);

/* For jobs. A job enters before it starts (SRM_ESTATE: it may not), and leaves with what became
 * of it, or, if it did not start, forgets that it entered. A job that was cancelled between two
 * chunks leaves the session as it was. */
SRM_MUST_USE srm_status session_enter(session *s);
void session_leave(session *s, srm_status status, bool last);
void session_forget(session *s);

/* How many workers a job may have, each numbered below that. */
unsigned session_worker_count(const session *s);

/* Under the lock of the one job that runs: so much more is there to be taken in. Workers are
 * admitted only as that grows, so that little input does not end up in many segments. */
void session_expect(session *s, uint64_t len);
bool session_admits(const session *s, unsigned number);

/* Worker `number`, its buffers ready. NULL: no memory. Needs no lock. */
session_worker *session_worker_at(session *s, unsigned number);
/* SRM_CHUNK_LEN bytes to read into. */
uint8_t *session_worker_buffer(session_worker *me);

/* Take in one chunk, 1 to SRM_CHUNK_LEN bytes: its id, and, if nobody has it, into a segment.
 * A chunk in the worker's own buffer may be ciphertext once this returns, whatever it returns.
 * *stored_len grows by what that added. Needs no lock. */
SRM_MUST_USE srm_status session_take_chunk(session *s, session_worker *me, job_control *control,
    const uint8_t *raw, size_t raw_len, bool is_media, uint8_t id[SRM_DIGEST_LEN],
    uint64_t *stored_len);

/* Close the segments of worker `number`, if it has any. Needs no lock. */
SRM_MUST_USE srm_status session_close_segments(session *s, unsigned number, job_control *control);

#endif
