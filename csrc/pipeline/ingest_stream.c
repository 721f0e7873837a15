/* One source taken into a session: a pipe is read in order, by one worker at a time; all of them
 * take in what was read. */
#include "base/bytes.h"
#include "codec/probe.h"
#include "pipeline/id_list.h"
#include "pipeline/io.h"
#include "pipeline/session.h"
#include "threads/crew.h"

#include <stdlib.h>

typedef struct intake {
    session *session;
    job_control *control;
    input source;
    srm_file_result *result;
    unsigned worker_count;

    crew crew;
    /* Under its lock: */
    uint64_t next;        /* chunk */
    uint64_t chunk_count; /* LEN_UNKNOWN until the end of a pipe */
    bool reading;         /* a role: the next bytes of a pipe */
    bool is_media;        /* once the first chunk was read */
    unsigned in_hand;
    id_list ids;
    uint64_t size;
    uint64_t new_len;
} intake;

/* Read chunk `index`. *raw_len 0: there is none. Has the lock when it is called and when it
 * returns, not in between. */
static srm_status read_chunk(
    intake *w, session_worker *me, uint64_t index, const uint8_t **raw, size_t *raw_len) {
    const bool in_order = w->source.len == LEN_UNKNOWN;
    uint64_t off = index * SRM_CHUNK_LEN;
    uint8_t *buffer = session_worker_buffer(me);
    srm_status status;
    *raw_len = SRM_CHUNK_LEN;
    if (!in_order && w->source.len - off < SRM_CHUNK_LEN)
        *raw_len = (size_t)(w->source.len - off);
    const uint8_t *memory = input_memory(&w->source, off);
    *raw = memory != NULL ? memory : buffer;
    w->reading = in_order || index == 0; /* the first chunk says what all of them are */
    crew_leave(&w->crew);
    if (in_order)
        status = input_read_next(&w->source, w->control, buffer, SRM_CHUNK_LEN, raw_len);
    else if (memory == NULL)
        status = input_read_at(&w->source, w->control, off, buffer, *raw_len);
    else
        status = atomic_load(&w->control->cancelled) ? SRM_ECANCELLED : SRM_OK;
    bool is_media = status == SRM_OK && index == 0 && probe_is_media(*raw, *raw_len);
    crew_enter(&w->crew);
    w->reading = false;
    w->is_media = w->is_media || is_media;
    if (in_order && *raw_len < SRM_CHUNK_LEN)
        w->chunk_count = index + (*raw_len > 0);
    return status;
}

/* Has the lock when it is called and when it returns, not in between. */
static srm_status take_chunk(intake *w, session_worker *me) {
    const uint8_t *raw = NULL;
    size_t raw_len = 0;
    uint8_t id[SRM_DIGEST_LEN];
    uint64_t new_len = 0;
    uint64_t index = w->next++;
    w->in_hand++;
    srm_status status = id_list_reserve(&w->ids, w->next);
    if (status == SRM_OK)
        status = read_chunk(w, me, index, &raw, &raw_len);
    if (status != SRM_OK || raw_len == 0) {
        w->in_hand--;
        return status;
    }
    bool is_media = w->is_media;
    w->size += raw_len;
    session_expect(w->session, raw_len);
    crew_tell(&w->crew); /* another may read on */
    crew_leave(&w->crew);
    if (w->source.given.fd < 0)
        atomic_fetch_add_explicit(&w->control->bytes_in, raw_len, memory_order_relaxed);
    status = session_take_chunk(w->session, me, w->control, raw, raw_len, is_media, id, &new_len);
    crew_enter(&w->crew);
    w->in_hand--;
    w->new_len += new_len;
    memcpy(w->ids.ids + index * SRM_DIGEST_LEN, id, sizeof id);
    return status;
}

static bool do_next(void *work, unsigned number) {
    intake *w = work;
    if (w->reading || w->next >= w->chunk_count || !session_admits(w->session, number))
        return false;
    session_worker *me = session_worker_at(w->session, number);
    crew_stop(&w->crew, me == NULL ? SRM_ENOMEM : take_chunk(w, me));
    return true;
}

static bool is_done(const void *work) {
    const intake *w = work;
    return w->next >= w->chunk_count && w->in_hand == 0;
}

static srm_status intake_body(void *argument, job_control *control) {
    intake *w = argument;
    w->control = control;
    srm_status status = crew_run(&w->crew, w->worker_count, do_next, is_done, w);
    if (status == SRM_OK) {
        *w->result =
            (srm_file_result){.size = w->size, .id_count = w->chunk_count, .new_len = w->new_len};
        w->ids.count = w->chunk_count;
        control->ids = id_list_surrender(&w->ids, &control->id_count);
    } else {
        status = job_fail(control, status, SRM_AT_NONE, 0);
    }
    session_leave(w->session, status, false);
    return status;
}

static void intake_release(void *argument) {
    intake *w = argument;
    id_list_free(&w->ids);
    crew_end(&w->crew);
    free(w);
}

srm_status session_stream(session *s, srm_source source, srm_file_result *result, srm_job **out) {
    *out = NULL;
    srm_status status = session_enter(s);
    if (status != SRM_OK)
        return status;
    intake *w = calloc(1, sizeof *w);
    if (w == NULL) {
        session_forget(s);
        return SRM_ENOMEM;
    }
    crew_begin(&w->crew);
    input_begin(&w->source, source);
    w->session = s;
    w->result = result;
    w->chunk_count = w->source.len == LEN_UNKNOWN
                         ? LEN_UNKNOWN
                         : w->source.len / SRM_CHUNK_LEN + (w->source.len % SRM_CHUNK_LEN != 0);
    w->worker_count = crew_size(session_worker_count(s), w->chunk_count);
    status = job_start(intake_body, intake_release, w, out);
    if (status != SRM_OK) {
        intake_release(w);
        session_forget(s);
    }
    return status;
}
