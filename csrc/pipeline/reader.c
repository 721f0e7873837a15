#include "pipeline/reader.h"

#include "base/bytes.h"
#include "crypto/hash.h"
#include "segment/frame.h"

#include <stdlib.h>

void reader_begin(reader *r, job_control *control) {
    memset(r, 0, sizeof *r);
    r->control = control;
    r->frame = READER_NONE;
}

void reader_end(reader *r) {
    wipe_free(r->plain, SRM_FRAME_LEN);
    wipe_free(r->joined, SRM_CHUNK_LEN);
    wipe_free(r->raw, SRM_CHUNK_LEN);
    decompressor_free(r->codec);
    memset(r, 0, sizeof *r);
}

void reader_turn(reader *r, const opened_segment *s, const segment_keys *keys, uint8_t *digests) {
    r->segment = s;
    r->keys = keys;
    r->digests = digests;
    r->frame = READER_NONE;
}

static srm_status fail(reader *r, srm_status status, srm_place place) {
    r->failure =
        (srm_failure){.status = (int32_t)status, .place = (int32_t)place, .frame = r->frame};
    return status;
}

/* Most readers never need all of theirs. */
static srm_status have(uint8_t **buffer, size_t len) {
    if (*buffer == NULL)
        *buffer = malloc(len);
    return *buffer == NULL ? SRM_ENOMEM : SRM_OK;
}

static srm_status open_frame(reader *r, uint64_t index) {
    const opened_segment *s = r->segment;
    const bool last = index + 1 == s->layout.frame_count;
    const size_t len = last ? s->layout.last_len : SRM_FRAME_LEN;
    uint8_t *digest = r->digests == NULL ? NULL : r->digests + index * SRM_DIGEST_LEN;
    if (atomic_load_explicit(&r->control->cancelled, memory_order_relaxed))
        return fail(r, SRM_ECANCELLED, SRM_AT_NONE);
    if (index >= s->layout.frame_count)
        return fail(r, SRM_EDAMAGED, SRM_AT_RECORD);
    if (len == 0)
        return fail(r, SRM_EDAMAGED, SRM_AT_FRAME);
    srm_status status = have(&r->plain, SRM_FRAME_LEN);
    if (status != SRM_OK)
        return fail(r, status, SRM_AT_NONE);
    status =
        opened_segment_read(s, SRM_HEADER_LEN + index * SRM_FRAME_LEN, r->plain, len, &r->failure);
    if (status != SRM_OK)
        return status;
    atomic_fetch_add_explicit(&r->control->bytes_in, len, memory_order_relaxed);
    status = frame_open(r->keys, index, last, r->plain, len, r->plain, digest);
    if (status != SRM_OK)
        return fail(r, status, SRM_AT_FRAME);
    r->plain_len = len - SRM_TAG_LEN;
    return SRM_OK;
}

srm_status reader_frame(reader *r, uint64_t index) {
    if (r->frame != index) {
        r->frame = index;
        r->plain_len = 0;
        memset(&r->failure, 0, sizeof r->failure);
        (void)open_frame(r, index);
        r->failure.frame = index;
        r->frame_failure = r->failure;
    }
    r->failure = r->frame_failure;
    return (srm_status)r->failure.status;
}

srm_status reader_record(reader *r, uint64_t off, record_head *head, const uint8_t **stored) {
    *stored = NULL;
    srm_status status = reader_frame(r, off / FRAME_PLAIN_LEN);
    if (status != SRM_OK)
        return status;
    size_t at = (size_t)(off % FRAME_PLAIN_LEN);
    if (at > r->plain_len || r->plain_len - at < RECORD_HEAD_LEN ||
        record_head_load(r->plain + at, head) != SRM_OK || head->stored_len > SRM_CHUNK_LEN)
        return fail(r, SRM_EDAMAGED, SRM_AT_RECORD);
    at += RECORD_HEAD_LEN;
    size_t here = min_size(head->stored_len, r->plain_len - at);
    size_t rest = head->stored_len - here;
    *stored = r->plain + at;
    if (rest == 0)
        return SRM_OK;
    *stored = NULL;
    status = have(&r->joined, SRM_CHUNK_LEN);
    if (status != SRM_OK)
        return fail(r, status, SRM_AT_NONE);
    memcpy(r->joined, r->plain + at, here);
    status = reader_frame(r, r->frame + 1);
    if (status != SRM_OK)
        return status;
    if (rest > r->plain_len)
        return fail(r, SRM_EDAMAGED, SRM_AT_RECORD);
    memcpy(r->joined + here, r->plain, rest);
    *stored = r->joined;
    return SRM_OK;
}

static srm_status decompress(reader *r, const record_head *head, const uint8_t *stored) {
    srm_status status = have(&r->raw, SRM_CHUNK_LEN);
    if (status == SRM_OK && r->codec == NULL)
        status = decompressor_new(&r->codec);
    if (status == SRM_OK)
        status = decompressor_run(r->codec, stored, head->stored_len, r->raw, head->raw_len);
    return status;
}

srm_status reader_chunk(reader *r, const uint8_t chunk_key[SRM_KEY_LEN], uint64_t off,
    record_head *head, const uint8_t **raw) {
    const uint8_t *data = NULL;
    uint8_t id[SRM_DIGEST_LEN];
    *raw = NULL;
    srm_status status = reader_record(r, off, head, &data);
    if (status != SRM_OK)
        return status;
    if (head->type != RECORD_DATA)
        return fail(r, SRM_EDAMAGED, SRM_AT_RECORD);
    if (head->codec == CODEC_ZSTD) {
        status = decompress(r, head, data);
        if (status != SRM_OK)
            return fail(r, status, SRM_AT_RECORD);
        data = r->raw;
    }
    blake3_keyed(chunk_key, data, head->raw_len, id);
    if (!equal_secret(id, head->id, sizeof id))
        return fail(r, SRM_EDAMAGED, SRM_AT_RECORD);
    *raw = data;
    return SRM_OK;
}
