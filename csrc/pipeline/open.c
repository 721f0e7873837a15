#include "pipeline/frames.h"
#include "pipeline/stream.h"
#include "segment/reader.h"

#include <stdlib.h>

typedef struct open_work {
    frames frames;
    output out;
    reader *reader;
} open_work;

static void open_release(void *argument) {
    open_work *work = argument;
    frames_free(&work->frames);
    output_end(&work->out);
    reader_free(work->reader);
    free(work);
}

/* Open one frame and pass on all that comes out of it. */
static srm_status open_frame(
    open_work *work, job_control *control, const uint8_t *stored, size_t len, bool last) {
    const uint8_t *data = NULL;
    size_t data_len = 0;
    srm_status status = reader_feed(work->reader, stored, len, last);
    while (status == SRM_OK) {
        status = reader_next(work->reader, &data, &data_len);
        if (status != SRM_OK || data_len == 0)
            break;
        status = output_write(&work->out, control, data, data_len);
    }
    return status;
}

static srm_status open_body(void *argument, job_control *control) {
    open_work *work = argument;
    const uint8_t *stored = NULL;
    const uint8_t *trailer = NULL;
    size_t len = 0;
    srm_status status = SRM_OK;
    while (status == SRM_OK && trailer == NULL) {
        status = frames_next(&work->frames, control, &stored, &len, &trailer);
        if (status == SRM_OK)
            status = open_frame(work, control, stored, len, trailer != NULL);
    }
    if (status == SRM_OK)
        status = reader_end(work->reader, trailer);
    if (status == SRM_OK) {
        reader_result(work->reader, &control->result);
        return SRM_OK;
    }
    uint64_t frame = 0;
    srm_place place = reader_place(work->reader, &frame);
    control->failure.frame = frame;
    return control->failure.status != SRM_OK ? status : job_fail(control, status, place, 0);
}

srm_status stream_open(const uint8_t header[SRM_HEADER_LEN], const uint8_t session_key[SRM_KEY_LEN],
    srm_source source, srm_sink sink, srm_job **out) {
    *out = NULL;
    open_work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return SRM_ENOMEM;
    output_begin(&work->out, sink);
    srm_status status = frames_begin(&work->frames, source);
    if (status == SRM_OK)
        status = reader_new(header, session_key, &work->reader);
    if (status == SRM_OK)
        status = job_start(open_body, open_release, work, out);
    if (status != SRM_OK)
        open_release(work);
    return status;
}
