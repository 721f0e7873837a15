#include "pipeline/frames.h"

#include "base/bytes.h"
#include "segment/root.h"

#include <stdlib.h>

#define WINDOW_LEN ((size_t)(SRM_FRAME_LEN + SRM_TRAILER_LEN + 1))

void frames_free(frames *f) {
    free(f->buffer); /* ciphertext only: nothing to wipe */
    f->buffer = NULL;
}

srm_status frames_begin(frames *f, srm_source source) {
    memset(f, 0, sizeof *f);
    input_begin(&f->in, source);
    f->buffer = malloc(WINDOW_LEN);
    return f->buffer == NULL ? SRM_ENOMEM : SRM_OK;
}

srm_status frames_next(
    frames *f, job_control *control, const uint8_t **stored, size_t *len, const uint8_t **trailer) {
    *stored = f->buffer;
    *len = 0;
    *trailer = NULL;
    size_t got = 0;
    f->have -= f->used;
    memmove(f->buffer, f->buffer + f->used, f->have);
    f->used = 0;
    srm_status status =
        input_read(&f->in, control, f->buffer + f->have, WINDOW_LEN - f->have, &got);
    if (status != SRM_OK)
        return status;
    f->have += got;
    if (f->have == WINDOW_LEN) {
        *len = f->used = SRM_FRAME_LEN;
        return SRM_OK;
    }
    layout l;
    if (f->have < SRM_TRAILER_LEN || layout_of_length(f->have - SRM_TRAILER_LEN, &l) != SRM_OK ||
        !trailer_has_magic(f->buffer + f->have - SRM_TRAILER_LEN))
        return job_fail(control, SRM_EDAMAGED, SRM_AT_TRAILER, 0);
    *len = f->have - SRM_TRAILER_LEN;
    *trailer = f->buffer + *len;
    f->used = f->have;
    return SRM_OK;
}
