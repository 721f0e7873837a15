#include "pipeline/frames.h"

#include "base/bytes.h"
#include "segment/header.h"
#include "segment/root.h"

#include <stdlib.h>

/* What must be in hand to know that a frame is not the last. */
static size_t ahead_most(const frames *f) {
    return SRM_FRAME_LEN + (f->is_data ? DATA_DIGESTS_LEN_MAX : 0) + SRM_TRAILER_LEN + 1;
}

static srm_status take_trailer(const frames *f) {
    return trailer_has_magic(f->trailer) ? SRM_OK : SRM_EDAMAGED;
}

/* From the length of frames and trailer. */
static srm_status find_layout(const frames *f, uint64_t len, layout *out) {
    if (f->is_data)
        return layout_of_data(len, out);
    return len < SRM_TRAILER_LEN ? SRM_EDAMAGED : layout_of_length(len - SRM_TRAILER_LEN, out);
}

static size_t digests_len(const frames *f) {
    return f->is_data ? (size_t)f->layout.frame_count * SRM_DIGEST_LEN : 0;
}

static srm_status read_trailer(frames *f, job_control *control) {
    uint64_t off = f->source.len - SRM_TRAILER_LEN;
    size_t len = digests_len(f);
    srm_status status = SRM_OK;
    if (len > 0)
        status = input_read_at(&f->source, control, off - len, f->digests, len);
    if (status == SRM_OK)
        status = input_read_at(&f->source, control, off, f->trailer, SRM_TRAILER_LEN);
    return status == SRM_OK ? take_trailer(f) : status;
}

srm_status frames_begin(frames *f, job_control *control, srm_source given, unsigned segment_type) {
    f->is_data = segment_type == SEGMENT_DATA;
    input_begin(&f->source, given);
    if (f->source.len == LEN_UNKNOWN) {
        f->layout.frame_count = LEN_UNKNOWN;
        f->ahead = malloc(ahead_most(f));
        return f->ahead == NULL ? SRM_ENOMEM : SRM_OK;
    }
    srm_status status = find_layout(f, f->source.len, &f->layout);
    return status == SRM_OK ? read_trailer(f, control) : status;
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
        &f->source, control, f->ahead + f->ahead_len, ahead_most(f) - f->ahead_len, &got);
    f->ahead_len += got;
    if (status != SRM_OK || f->ahead_len == ahead_most(f))
        return status;
    layout all;
    status = find_layout(f, index * SRM_FRAME_LEN + f->ahead_len, &all);
    if (status != SRM_OK || all.frame_count != index + 1)
        return status == SRM_OK ? SRM_EDAMAGED : status;
    f->layout = all;
    memcpy(f->digests, f->ahead + all.last_len, digests_len(f));
    memcpy(f->trailer, f->ahead + all.last_len + digests_len(f), SRM_TRAILER_LEN);
    return take_trailer(f);
}

srm_status frames_read(frames *f, job_control *control, uint64_t index, uint8_t *buffer,
    const uint8_t **stored, size_t *len, bool *last) {
    srm_status status = SRM_OK;
    if (f->source.len == LEN_UNKNOWN) {
        if (index >= (f->is_data ? DATA_FRAMES_MAX + 1 : FRAME_COUNT_MAX))
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
