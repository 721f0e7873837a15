/* Every worker's segments are closed, several at a time: at the end of a session, or when all that
 * was taken in so far shall be whole. */
#include "pipeline/session.h"
#include "threads/crew.h"

#include <stdlib.h>

typedef struct closing {
    session *session;
    job_control *control;
    unsigned count;
    bool last; /* nothing can be taken in after that */

    crew crew;
    /* Under its lock: */
    unsigned begun;
    unsigned done;
} closing;

static bool close_next(void *work, unsigned worker) {
    closing *w = work;
    (void)worker;
    if (w->begun == w->count)
        return false;
    unsigned number = w->begun++;
    crew_leave(&w->crew);
    srm_status status = atomic_load(&w->control->cancelled)
                            ? SRM_ECANCELLED
                            : session_close_segments(w->session, number, w->control);
    crew_enter(&w->crew);
    w->done++;
    crew_stop(&w->crew, status);
    return true;
}

static bool is_done(const void *work) {
    const closing *w = work;
    return w->done == w->count;
}

static srm_status close_body(void *argument, job_control *control) {
    closing *w = argument;
    w->control = control;
    srm_status status = crew_run(&w->crew, w->count, close_next, is_done, w);
    if (status != SRM_OK)
        status = job_fail(control, status, SRM_AT_NONE, 0);
    session_leave(w->session, status, w->last);
    return status;
}

static void close_release(void *argument) {
    closing *w = argument;
    crew_end(&w->crew);
    free(w);
}

srm_status session_close(session *s, bool last, srm_job **out) {
    *out = NULL;
    srm_status status = session_enter(s);
    if (status != SRM_OK)
        return status;
    closing *w = calloc(1, sizeof *w);
    if (w == NULL) {
        session_forget(s);
        return SRM_ENOMEM;
    }
    crew_begin(&w->crew);
    w->session = s;
    w->last = last;
    w->count = session_worker_count(s);
    status = job_start(close_body, close_release, w, out);
    if (status != SRM_OK) {
        close_release(w);
        session_forget(s);
    }
    return status;
}
