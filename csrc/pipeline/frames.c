#include "pipeline/frames.h"

#include "base/bytes.h"
#include "segment/root.h"

#include <stdlib.h>

/* What must be in hand to know that a frame is not the last. */
#define AHEAD_LEN ((size_t)(SRM_FRAME_LEN + SRM_TRAILER_LEN + 1))

static srm_status take_trailer(const frames *f) {
    return trailer_has_magic(f->trailer) ? SRM_OK : SRM_EDAMAGED;
}

static srm_status find_layout(uint64_t len, layout *out) {
    return len < SRM_TRAILER_LEN ? SRM_EDAMAGED : layout_of_length(len - SRM_TRAILER_LEN, out);
}

srm_status frames_begin(frames *f, job_control *control, srm_source given) {
    input_begin(&f->source, given);
    if (f->source.len == LEN_UNKNOWN) {
        f->layout.frame_count = LEN_UNKNOWN;
        f->ahead = malloc(AHEAD_LEN);
        return f->ahead == NULL ? SRM_ENOMEM : SRM_OK;
    }
    srm_status status = find_layout(f->source.len, &f->layout);
    if (status == SRM_OK)
        status = input_read_at(
            &f->source, control, f->source.len - SRM_TRAILER_LEN, f->trailer, SRM_TRAILER_LEN);
    return status == SRM_OK ? take_trailer(f) : status;
}

static srm_status read_known(frames *f, job_control *control, uint64_t index, uint8_t *buffer,
    const uint8_t **stored, size_t len) {
    uint64_t off = index * SRM_FRAME_LEN;
    *stored = input_memory(&f->source, off);
    if (*stored == NULL) {
        *stored = buffer;
        return input_read_at(&f->source, control, off, buffer, len);
    }
    atomic_fetch_add(&control->bytes_in, len);
    return atomic_load(&control->cancelled) ? SRM_ECANCELLED : SRM_OK;
}

static srm_status read_ahead(frames *f, job_control *control, uint64_t index) {
    size_t got = 0;
    srm_status status = input_read_next(
        &f->source, control, f->ahead + f->ahead_len, AHEAD_LEN - f->ahead_len, &got);
    f->ahead_len += got;
    if (status != SRM_OK || f->ahead_len == AHEAD_LEN)
        return status;
    layout last;
    status = find_layout(f->ahead_len, &last);
    if (status != SRM_OK)
        return status;
    f->layout = (layout){.frame_count = index + 1, .last_len = last.last_len};
    memcpy(f->trailer, f->ahead + last.last_len, SRM_TRAILER_LEN);
    return take_trailer(f);
}

srm_status frames_read(frames *f, job_control *control, uint64_t index, uint8_t *buffer,
    const uint8_t **stored, size_t *len, bool *last) {
    srm_status status = SRM_OK;
    if (f->source.len == LEN_UNKNOWN) {
        if (index >= FRAME_COUNT_MAX)
            return SRM_EDAMAGED;
        status = read_ahead(f, control, index);
        if (status != SRM_OK)
            return status;
    }
    *last = index + 1 == f->layout.frame_count;
    *len = *last ? f->layout.last_len : SRM_FRAME_LEN;
    if (f->source.len != LEN_UNKNOWN)
        return read_known(f, control, index, buffer, stored, *len);
    memcpy(buffer, f->ahead, *len);
    f->ahead_len -= *len;
    memmove(f->ahead, f->ahead + *len, f->ahead_len);
    *stored = buffer;
    return SRM_OK;
}

void frames_free(frames *f) {
    free(f->ahead); /* ciphertext only: nothing to wipe */
    f->ahead = NULL;
}
