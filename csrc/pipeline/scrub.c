#include "base/bytes.h"
#include "pipeline/frames.h"
#include "pipeline/stream.h"
#include "segment/root.h"

#include <stdlib.h>

typedef struct scrub_work {
    frames frames;
    root_builder root;
    uint8_t header[SRM_HEADER_LEN];
} scrub_work;

static void scrub_release(void *argument) {
    scrub_work *work = argument;
    frames_free(&work->frames);
    root_free(&work->root);
    free(work);
}

static srm_status scrub_body(void *argument, job_control *control) {
    scrub_work *work = argument;
    const uint8_t *stored = NULL;
    const uint8_t *trailer = NULL;
    uint8_t root[SRM_DIGEST_LEN];
    size_t len = 0;
    srm_status status = SRM_OK;
    while (status == SRM_OK && trailer == NULL) {
        control->failure.frame = work->root.tree.leaf_count;
        status = frames_next(&work->frames, control, &stored, &len, &trailer);
        if (status == SRM_OK)
            status = root_add(&work->root, stored, len, trailer != NULL);
    }
    layout l = root_layout(&work->root);
    if (status == SRM_OK)
        status = root_end(&work->root, root);
    if (status == SRM_OK)
        status = trailer_check(trailer, work->header, root, &l);
    if (status != SRM_OK)
        return control->failure.status != SRM_OK ? status
                                                 : job_fail(control, status, SRM_AT_ROOT, 0);
    memcpy(control->result.root, root, sizeof root);
    control->result.frames = l.frame_count;
    control->result.stored_len = layout_trailer_off(&l) + SRM_TRAILER_LEN;
    return SRM_OK;
}

srm_status stream_scrub(const uint8_t header[SRM_HEADER_LEN], srm_source source, srm_job **out) {
    *out = NULL;
    scrub_work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return SRM_ENOMEM;
    memcpy(work->header, header, SRM_HEADER_LEN);
    srm_status status = frames_begin(&work->frames, source);
    if (status == SRM_OK)
        status = root_begin(&work->root, header);
    if (status == SRM_OK)
        status = job_start(scrub_body, scrub_release, work, out);
    if (status != SRM_OK)
        scrub_release(work);
    return status;
}
