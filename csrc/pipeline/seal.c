#include "base/bytes.h"
#include "pipeline/io.h"
#include "pipeline/stream.h"
#include "segment/writer.h"

#include <stdlib.h>

typedef struct seal_work {
    input in;
    output out;
    writer *writer;
    uint8_t header[SRM_HEADER_LEN];
    uint8_t *raw;    /* SRM_CHUNK_LEN bytes */
    uint8_t *stored; /* WRITER_OUT_LEN bytes */
} seal_work;

static void seal_release(void *argument) {
    seal_work *work = argument;
    if (work->raw != NULL)
        wipe(work->raw, SRM_CHUNK_LEN);
    output_end(&work->out);
    writer_free(work->writer);
    free(work->raw);
    free(work->stored);
    free(work);
}

static srm_status seal_chunks(seal_work *work, job_control *control) {
    size_t raw_len = SRM_CHUNK_LEN;
    while (raw_len == SRM_CHUNK_LEN) {
        size_t stored_len = 0;
        srm_status status = input_read(&work->in, control, work->raw, SRM_CHUNK_LEN, &raw_len);
        if (status == SRM_OK && raw_len > 0)
            status = writer_put(work->writer, work->raw, raw_len, work->stored, &stored_len);
        if (status == SRM_OK)
            status = output_write(&work->out, control, work->stored, stored_len);
        if (status != SRM_OK)
            return status;
    }
    return SRM_OK;
}

static srm_status seal_body(void *argument, job_control *control) {
    seal_work *work = argument;
    srm_status status = output_write(&work->out, control, work->header, SRM_HEADER_LEN);
    if (status == SRM_OK)
        status = seal_chunks(work, control);
    bool done = false;
    while (status == SRM_OK && !done) {
        size_t stored_len = 0;
        status = writer_tail(work->writer, work->stored, &stored_len, &done);
        if (status == SRM_OK)
            status = output_write(&work->out, control, work->stored, stored_len);
    }
    if (status == SRM_OK)
        writer_result(work->writer, &control->result);
    else if (control->failure.status == SRM_OK)
        status = job_fail(control, status, SRM_AT_NONE, 0);
    return status;
}

srm_status stream_seal(
    const srm_seal_options *options, srm_source source, srm_sink sink, srm_job **out) {
    *out = NULL;
    seal_work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return SRM_ENOMEM;
    input_begin(&work->in, source);
    output_begin(&work->out, sink);
    work->raw = malloc(SRM_CHUNK_LEN);
    work->stored = malloc(WRITER_OUT_LEN);
    srm_status status = work->raw == NULL || work->stored == NULL ? SRM_ENOMEM : SRM_OK;
    if (status == SRM_OK)
        status = writer_new(options, work->header, &work->writer);
    if (status == SRM_OK)
        status = job_start(seal_body, seal_release, work, out);
    if (status != SRM_OK)
        seal_release(work);
    return status;
}
