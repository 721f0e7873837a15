/* Chunks that lie in memory, one behind the other, taken into a session: those that a repack
 * carries over. */
#include "codec/probe.h"
#include "pipeline/id_list.h"
#include "pipeline/session.h"
#include "threads/crew.h"

#include <stdlib.h>

#define CLAIM_MOST 64 /* chunks at once: the lock is not taken for each */

typedef struct carrying {
    session *session;
    job_control *control;
    const uint8_t *memory;
    const uint64_t *ends;
    uint64_t count;
    unsigned worker_count;

    crew crew;
    /* Under its lock: */
    uint64_t next;
    uint64_t done;
    id_list ids; /* each worker writes those of the chunks it has claimed */
} carrying;

static srm_status take_one(carrying *w, session_worker *me, uint64_t index, uint64_t *stored_len) {
    uint64_t off = index == 0 ? 0 : w->ends[index - 1];
    const uint8_t *raw = w->memory + off;
    size_t len = (size_t)(w->ends[index] - off);
    if (atomic_load_explicit(&w->control->cancelled, memory_order_relaxed))
        return SRM_ECANCELLED;
    srm_status status = session_take_chunk(w->session, me, w->control, raw, len,
        probe_is_media(raw, len), w->ids.ids + index * SRM_DIGEST_LEN, stored_len);
    if (status == SRM_OK)
        atomic_fetch_add_explicit(&w->control->bytes_in, len, memory_order_relaxed);
    return status;
}

/* Has the lock when it is called and when it returns, not in between. */
static srm_status take_claim(carrying *w, session_worker *me) {
    uint64_t fair = (w->count - w->next) / (2 * (uint64_t)w->worker_count) + 1;
    uint64_t first = w->next;
    uint64_t end = first + (fair < CLAIM_MOST ? fair : CLAIM_MOST);
    uint64_t stored_len = 0;
    srm_status status = SRM_OK;
    w->next = end;
    crew_leave(&w->crew);
    for (uint64_t i = first; status == SRM_OK && i < end; i++)
        status = take_one(w, me, i, &stored_len);
    crew_enter(&w->crew);
    w->done += end - first;
    session_expect(w->session, w->ends[end - 1] - (first == 0 ? 0 : w->ends[first - 1]));
    return status;
}

static bool do_next(void *work, unsigned number) {
    carrying *w = work;
    if (w->next == w->count || !session_admits(w->session, number))
        return false;
    session_worker *me = session_worker_at(w->session, number);
    crew_stop(&w->crew, me == NULL ? SRM_ENOMEM : take_claim(w, me));
    return true;
}

static bool is_done(const void *work) {
    const carrying *w = work;
    return w->done == w->count;
}

static srm_status carry_body(void *argument, job_control *control) {
    carrying *w = argument;
    w->control = control;
    srm_status status = id_list_reserve(&w->ids, w->count);
    if (status == SRM_OK)
        status = crew_run(&w->crew, w->worker_count, do_next, is_done, w);
    if (status == SRM_OK) {
        w->ids.count = w->count;
        control->ids = id_list_surrender(&w->ids, &control->id_count);
    } else {
        status = job_fail(control, status, SRM_AT_NONE, 0);
    }
    session_leave(w->session, status, false);
    return status;
}

static void carry_release(void *argument) {
    carrying *w = argument;
    id_list_free(&w->ids);
    crew_end(&w->crew);
    free(w);
}

srm_status session_chunks(
    session *s, const uint8_t *memory, const uint64_t *ends, uint64_t count, srm_job **out) {
    *out = NULL;
    srm_status status = session_enter(s);
    if (status != SRM_OK)
        return status;
    carrying *w = calloc(1, sizeof *w);
    if (w == NULL) {
        session_forget(s);
        return SRM_ENOMEM;
    }
    crew_begin(&w->crew);
    w->session = s;
    w->memory = memory;
    w->ends = ends;
    w->count = count;
    w->worker_count = crew_size(session_worker_count(s), count);
    status = job_start(carry_body, carry_release, w, out);
    if (status != SRM_OK) {
        carry_release(w);
        session_forget(s);
    }
    return status;
}
