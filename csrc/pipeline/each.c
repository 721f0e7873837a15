#include "pipeline/each.h"

#include <stdlib.h>
#include <string.h>

void each_note(srm_segment_status *status, const srm_failure *failure) {
    if (status->status != SRM_OK)
        return;
    status->status = failure->status;
    status->place = failure->place;
    status->os_error = failure->os_error;
    status->frame = failure->frame;
}

static srm_status visit(each *e, reader *r, uint64_t number) {
    srm_segment_status *status = &e->statuses[number];
    opened_segment s;
    srm_failure failure;
    status->status = SRM_OK;
    srm_status opened = segments_open(e->segments, e->ids + number * SEGMENT_ID_LEN, &s, &failure);
    if (opened != SRM_OK) {
        each_note(status, &failure);
        return concerns_one(opened) ? SRM_OK : opened;
    }
    status->length = s.length;
    if (!s.whole)
        each_note(status, &(srm_failure){.status = SRM_EDAMAGED,
                              .place = SRM_AT_TRAILER,
                              .frame = s.layout.frame_count - 1});
    srm_status result = e->visit(e, r, &s, number, status);
    atomic_fetch_add_explicit(&e->control->bytes_out, s.length, memory_order_relaxed);
    opened_segment_close(&s);
    if (result != SRM_OK)
        status->status = (int32_t)result;
    return result;
}

static bool is_done(const void *work) {
    const each *e = work;
    return e->next == e->count;
}

static bool do_next(void *work, unsigned worker) {
    each *e = work;
    const uint64_t number = e->next++;
    crew_leave(&e->crew);
    srm_status status = visit(e, &e->readers[worker], number);
    crew_enter(&e->crew);
    crew_stop(&e->crew, status);
    return true;
}

static srm_status each_body(void *argument, job_control *control) {
    each *e = argument;
    e->control = control;
    for (uint64_t i = 0; i < e->count; i++)
        e->statuses[i] = (srm_segment_status){.status = SRM_ECANCELLED};
    e->worker_count = crew_size(e->threads, e->count);
    e->readers = calloc(e->worker_count, sizeof *e->readers);
    srm_status status = e->readers == NULL ? SRM_ENOMEM : SRM_OK;
    for (unsigned i = 0; status == SRM_OK && i < e->worker_count; i++)
        reader_begin(&e->readers[i], control);
    if (status == SRM_OK)
        status = crew_run(&e->crew, e->worker_count, do_next, is_done, e);
    return status == SRM_OK ? SRM_OK : job_fail(control, status, SRM_AT_NONE, 0);
}

static void each_release(void *argument) {
    each *e = argument;
    for (unsigned i = 0; e->readers != NULL && i < e->worker_count; i++)
        reader_end(&e->readers[i]);
    free(e->readers);
    crew_end(&e->crew);
    free(e);
}

srm_status each_start(each *e, srm_job **out) {
    crew_begin(&e->crew);
    srm_status status = job_start(each_body, each_release, e, out);
    if (status != SRM_OK)
        each_release(e);
    return status;
}
