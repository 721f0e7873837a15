#include "segment/layout.h"

static unsigned floor_log2(uint64_t value) {
    return 63u - (unsigned)__builtin_clzll(value);
}

uint64_t layout_padme(uint64_t len) {
    if (len < 2)
        return len;
    unsigned exponent = floor_log2(len);
    unsigned kept_bits = floor_log2(exponent | 1) + 1;
    if (kept_bits >= exponent)
        return len;
    uint64_t mask = ((uint64_t)1 << (exponent - kept_bits)) - 1;
    return (len + mask) & ~mask;
}

_Static_assert(DATA_DIGESTS_LEN_MAX < LAST_FRAME_UNIT, "layout_of_data");

static uint64_t ceil_div(uint64_t value, uint64_t unit) {
    return value / unit + (value % unit != 0);
}

srm_status layout_plan(uint64_t plain_len, bool pad, layout *out) {
    const uint64_t longest = FRAME_COUNT_MAX * SRM_FRAME_LEN;
    out->frame_count = 0;
    out->last_len = 0;
    if (plain_len > FRAME_COUNT_MAX * FRAME_PLAIN_LEN)
        return SRM_ELIMIT;
    uint64_t needed = plain_len + SRM_TAG_LEN * ceil_div(plain_len, FRAME_PLAIN_LEN);
    uint64_t padded = pad ? layout_padme(needed) : needed;
    uint64_t frames_len = LAST_FRAME_UNIT * ceil_div(padded, LAST_FRAME_UNIT);
    if (frames_len > longest)
        frames_len = longest;
    return layout_of_length(frames_len, out);
}

srm_status layout_of_length(uint64_t frames_len, layout *out) {
    out->frame_count = 0;
    out->last_len = 0;
    if (frames_len == 0 || frames_len % LAST_FRAME_UNIT != 0 ||
        frames_len > FRAME_COUNT_MAX * SRM_FRAME_LEN)
        return SRM_EDAMAGED;
    out->frame_count = ceil_div(frames_len, SRM_FRAME_LEN);
    out->last_len = (uint32_t)(frames_len - (out->frame_count - 1) * SRM_FRAME_LEN);
    return SRM_OK;
}

srm_status layout_of_data(uint64_t len, layout *out) {
    const uint64_t longest =
        (DATA_FRAMES_MAX + 1) * (uint64_t)SRM_FRAME_LEN + DATA_DIGESTS_LEN_MAX + SRM_TRAILER_LEN;
    out->frame_count = 0;
    out->last_len = 0;
    if (len < SRM_TRAILER_LEN || len > longest)
        return SRM_EDAMAGED;
    /* Frames are multiples of a unit that all digests together are shorter than. */
    uint64_t digests_len = (len - SRM_TRAILER_LEN) % LAST_FRAME_UNIT;
    layout l;
    srm_status status = layout_of_length(len - SRM_TRAILER_LEN - digests_len, &l);
    if (status != SRM_OK || l.frame_count * SRM_DIGEST_LEN != digests_len ||
        (l.last_len & (l.last_len - 1)) != 0)
        return SRM_EDAMAGED;
    *out = l;
    return SRM_OK;
}

uint64_t layout_plain_len(const layout *l) {
    return (l->frame_count - 1) * FRAME_PLAIN_LEN + l->last_len - SRM_TAG_LEN;
}

uint64_t layout_trailer_off(const layout *l) {
    return SRM_HEADER_LEN + (l->frame_count - 1) * SRM_FRAME_LEN + l->last_len;
}
