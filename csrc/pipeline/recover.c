#include "pipeline/recover.h"

/* What looks like a head in a frame and is none costs a hash. More than these no accident makes,
 * and the author may be hostile. */
#define DECOYS_MAX 64

/* Cheaply: most bytes are not where a head begins. */
static bool may_be_head(const reader *r, size_t at) {
    record_head head;
    const uint8_t *bytes = r->plain + at;
    return r->plain_len - at >= RECORD_HEAD_LEN && bytes[0] == RECORD_DATA &&
           bytes[1] <= CODEC_ZSTD && record_head_load(bytes, &head) == SRM_OK;
}

static uint64_t next_frame(uint64_t at) {
    return (at / FRAME_PLAIN_LEN + 1) * FRAME_PLAIN_LEN;
}

/* One frame, from *at on; *at: where the next record may begin. */
static srm_status search_frame(reader *r, const uint8_t chunk_key[SRM_KEY_LEN], chunk_index *index,
    uint32_t number, uint64_t *at, uint32_t *count) {
    const uint64_t frame = *at / FRAME_PLAIN_LEN;
    for (unsigned decoys = 0; *at / FRAME_PLAIN_LEN == frame && decoys < DECOYS_MAX;) {
        record_head head;
        const uint8_t *raw = NULL;
        srm_status status = reader_frame(r, frame);
        if (status != SRM_OK)
            return status;
        size_t in_frame = (size_t)(*at % FRAME_PLAIN_LEN);
        while (in_frame < r->plain_len && !may_be_head(r, in_frame))
            in_frame++;
        *at = frame * FRAME_PLAIN_LEN + in_frame;
        if (in_frame >= r->plain_len)
            break;
        status = reader_chunk(r, chunk_key, *at, &head, &raw);
        if (status == SRM_OK) {
            const srm_location place = {.segment = number,
                .off = (uint32_t)*at,
                .stored_len = head.stored_len,
                .raw_len = head.raw_len};
            status = index_learn(index, head.id, &place, true);
            *at += RECORD_HEAD_LEN + head.stored_len;
            ++*count;
        } else {
            ++*at;
            decoys++;
        }
        if (status != SRM_OK && !concerns_one(status))
            return status;
    }
    if (*at / FRAME_PLAIN_LEN == frame)
        *at = next_frame(*at);
    return SRM_OK;
}

srm_status recover_chunks(reader *r, const uint8_t chunk_key[SRM_KEY_LEN], chunk_index *index,
    uint32_t number, uint32_t *count) {
    *count = 0;
    for (uint64_t at = 0; at / FRAME_PLAIN_LEN < r->segment->layout.frame_count;) {
        srm_status status = search_frame(r, chunk_key, index, number, &at, count);
        if (status == SRM_OK)
            continue;
        if (!concerns_one(status))
            return status;
        at = next_frame(at);
    }
    return SRM_OK;
}
