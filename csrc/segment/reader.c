#include "segment/reader.h"

#include "base/bytes.h"
#include "codec/zstd.h"
#include "segment/frame.h"
#include "segment/record.h"
#include "segment/root.h"

#include <stdlib.h>

/* What the next plaintext byte belongs to. */
typedef enum state {
    AT_HEAD,
    IN_RAW,
    IN_ZSTD,
    IN_PADDING,
    IN_DIRECTORY_HEAD,
    IN_DIRECTORY,
    AT_FOOTER,
    COMPLETE,
    FAILED,
} state;

struct reader {
    state state;
    srm_place place;
    uint8_t header[SRM_HEADER_LEN];
    segment_keys keys;
    root_builder root;
    uint64_t frame_count; /* fed so far */
    bool last;            /* the frame in hand is the last */
    uint8_t *plain;       /* FRAME_PLAIN_LEN bytes: the frame in hand */
    size_t plain_len;
    size_t plain_pos;
    /* The record in hand: */
    record_head head;
    uint32_t record_left; /* stored bytes still to come */
    uint8_t *stored;      /* SRM_CHUNK_LEN bytes: a compressed record that spans frames */
    uint8_t *raw;         /* SRM_CHUNK_LEN bytes */
    decompressor *codec;
    /* What the footer will have to agree with: */
    uint64_t count;
    uint64_t raw_total;
    uint64_t records_end;
    uint64_t directory_off;
    bool any_zstd;
    bool short_chunk;
    sha256 seen_offsets;                 /* over the heads as they came */
    sha256 stored_offsets;               /* over the directory */
    uint8_t head_bytes[RECORD_HEAD_LEN]; /* the directory's head, which may cross a boundary */
    size_t head_have;
    uint8_t segment_root[SRM_DIGEST_LEN];
};

void reader_free(reader *r) {
    if (r == NULL)
        return;
    uint8_t *const buffers[] = {r->plain, r->stored, r->raw};
    const size_t lens[] = {FRAME_PLAIN_LEN, SRM_CHUNK_LEN, SRM_CHUNK_LEN};
    for (size_t i = 0; i < 3; i++) {
        if (buffers[i] != NULL)
            wipe(buffers[i], lens[i]);
        free(buffers[i]);
    }
    segment_keys_wipe(&r->keys);
    root_free(&r->root);
    decompressor_free(r->codec);
    sha256_free(&r->seen_offsets);
    sha256_free(&r->stored_offsets);
    free(r);
}

static srm_status prepare(reader *r, const uint8_t session_key[SRM_KEY_LEN]) {
    r->plain = malloc(FRAME_PLAIN_LEN);
    r->stored = malloc(SRM_CHUNK_LEN);
    r->raw = malloc(SRM_CHUNK_LEN);
    if (r->plain == NULL || r->stored == NULL || r->raw == NULL)
        return SRM_ENOMEM;
    srm_status status = decompressor_new(&r->codec);
    if (status == SRM_OK)
        status = header_unlock(r->header, session_key, &r->keys);
    if (status == SRM_OK)
        status = root_begin(&r->root, r->header);
    if (status == SRM_OK)
        status = sha256_begin(&r->seen_offsets);
    if (status == SRM_OK)
        status = sha256_begin(&r->stored_offsets);
    return status;
}

srm_status reader_new(
    const uint8_t header[SRM_HEADER_LEN], const uint8_t session_key[SRM_KEY_LEN], reader **out) {
    *out = NULL;
    reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return SRM_ENOMEM;
    memcpy(r->header, header, sizeof r->header);
    srm_status status = prepare(r, session_key);
    if (status == SRM_OK) {
        *out = r; /* the caller owns it now */
        r = NULL;
    }
    reader_free(r);
    return status;
}

srm_place reader_place(const reader *r, uint64_t *frame) {
    *frame = r->frame_count == 0 ? 0 : r->frame_count - 1;
    return r->place;
}

static srm_status fail(reader *r, srm_place place, srm_status status) {
    r->place = place;
    r->state = FAILED;
    return status;
}

srm_status reader_feed(reader *r, const uint8_t *stored, size_t len, bool last) {
    if (r->state == FAILED || r->last || r->plain_pos != r->plain_len)
        return SRM_ESTATE;
    r->plain_len = 0;
    r->plain_pos = 0;
    uint64_t index = r->frame_count++;
    srm_status status = frame_open(&r->keys, index, last, stored, len, r->plain);
    if (status == SRM_OK)
        status = root_add(&r->root, stored, len, last);
    if (status != SRM_OK)
        return fail(r, SRM_AT_FRAME, status);
    r->last = last;
    r->plain_len = len - SRM_TAG_LEN;
    return SRM_OK;
}

static uint64_t position(const reader *r) {
    return (r->frame_count - 1) * FRAME_PLAIN_LEN + r->plain_pos;
}

/* Bytes of the frame in hand that are still to be read and do not belong to the footer. */
static size_t available(const reader *r) {
    return r->plain_len - (r->last ? FOOTER_LEN : 0) - r->plain_pos;
}

static srm_status begin_chunk(reader *r, uint64_t off) {
    uint8_t entry[OFFSET_LEN];
    const record_head *head = &r->head;
    if (!equal_secret(head->id, r->keys.record_tag, RECORD_TAG_LEN) ||
        load_be64(head->id + RECORD_TAG_LEN) != r->count || r->short_chunk ||
        r->count == CHUNK_COUNT_MAX)
        return fail(r, SRM_AT_RECORD, SRM_EDAMAGED);
    store_be64(entry, off);
    srm_status status = sha256_add(&r->seen_offsets, entry, sizeof entry);
    if (status != SRM_OK)
        return fail(r, SRM_AT_RECORD, status);
    r->count++;
    r->raw_total += head->raw_len;
    r->short_chunk = head->raw_len < SRM_CHUNK_LEN;
    r->record_left = head->stored_len;
    r->any_zstd = r->any_zstd || head->codec == CODEC_ZSTD;
    r->state = head->codec == CODEC_RAW ? IN_RAW : IN_ZSTD;
    return SRM_OK;
}

static srm_status read_head(reader *r) {
    size_t room = r->plain_len - r->plain_pos;
    const uint8_t *at = r->plain + r->plain_pos;
    if (room < RECORD_HEAD_LEN && !r->last) {
        r->plain_pos = r->plain_len;
        return zero_run(at, room) == room ? SRM_OK : fail(r, SRM_AT_PADDING, SRM_EDAMAGED);
    }
    if (available(r) < RECORD_HEAD_LEN || record_head_load(at, &r->head) != SRM_OK)
        return fail(r, SRM_AT_RECORD, SRM_EDAMAGED);
    uint64_t off = position(r);
    r->plain_pos += RECORD_HEAD_LEN;
    if (r->head.type == RECORD_DATA)
        return begin_chunk(r, off);
    if (r->head.type != RECORD_END)
        return fail(r, SRM_AT_RECORD, SRM_EDAMAGED);
    r->records_end = off;
    r->state = IN_PADDING;
    return SRM_OK;
}

/* Raw data leaves as it comes: its frame's tag has verified. */
static void take_raw(reader *r, const uint8_t **data, size_t *len) {
    *data = r->plain + r->plain_pos;
    *len = min_size(r->record_left, available(r));
    r->plain_pos += *len;
    r->record_left -= (uint32_t)*len;
    if (r->record_left == 0)
        r->state = AT_HEAD;
}

/* Compressed data leaves as a whole chunk. */
static srm_status take_zstd(reader *r, const uint8_t **data, size_t *len) {
    size_t step = min_size(r->record_left, available(r));
    size_t have = r->head.stored_len - r->record_left;
    const uint8_t *stored = r->plain + r->plain_pos;
    if (step < r->head.stored_len) {
        memcpy(r->stored + have, stored, step);
        stored = r->stored;
    }
    r->plain_pos += step;
    r->record_left -= (uint32_t)step;
    if (r->record_left > 0)
        return SRM_OK;
    srm_status status =
        decompressor_run(r->codec, stored, r->head.stored_len, r->raw, r->head.raw_len);
    if (status != SRM_OK)
        return fail(r, SRM_AT_RECORD, status);
    *data = r->raw;
    *len = r->head.raw_len;
    r->state = AT_HEAD;
    return SRM_OK;
}

static void skip_padding(reader *r) {
    size_t room = available(r);
    size_t zeros = zero_run(r->plain + r->plain_pos, room);
    r->plain_pos += zeros;
    if (zeros < room) {
        r->directory_off = position(r);
        r->state = IN_DIRECTORY_HEAD;
    } else if (r->last) {
        r->state = AT_FOOTER;
    }
}

static srm_status read_directory_head(reader *r) {
    size_t step = min_size(RECORD_HEAD_LEN - r->head_have, available(r));
    memcpy(r->head_bytes + r->head_have, r->plain + r->plain_pos, step);
    r->head_have += step;
    r->plain_pos += step;
    if (r->head_have < RECORD_HEAD_LEN)
        return SRM_OK;
    if (record_head_load(r->head_bytes, &r->head) != SRM_OK || r->head.type != RECORD_DIRECTORY ||
        !r->any_zstd || r->head.stored_len != r->count * OFFSET_LEN)
        return fail(r, SRM_AT_DIRECTORY, SRM_EDAMAGED);
    r->record_left = r->head.stored_len;
    r->state = IN_DIRECTORY;
    return SRM_OK;
}

static srm_status read_directory(reader *r) {
    size_t step = min_size(r->record_left, available(r));
    srm_status status = sha256_add(&r->stored_offsets, r->plain + r->plain_pos, step);
    r->plain_pos += step;
    r->record_left -= (uint32_t)step;
    if (status == SRM_OK && r->record_left == 0) {
        r->state = AT_FOOTER;
        if (!r->last || available(r) > 0)
            status = SRM_EDAMAGED;
    }
    return status == SRM_OK ? SRM_OK : fail(r, SRM_AT_DIRECTORY, status);
}

static srm_status compare_offsets(reader *r) {
    uint8_t seen[SRM_DIGEST_LEN];
    uint8_t stored[SRM_DIGEST_LEN];
    srm_status status = sha256_end(&r->seen_offsets, seen);
    if (status == SRM_OK)
        status = sha256_end(&r->stored_offsets, stored);
    if (status != SRM_OK)
        return status;
    if (r->any_zstd != (r->directory_off != 0))
        return SRM_EDAMAGED;
    if (r->any_zstd && !equal_secret(seen, stored, sizeof seen))
        return SRM_EDAMAGED;
    return SRM_OK;
}

static srm_status read_footer(reader *r) {
    footer f;
    srm_status status = compare_offsets(r);
    if (status != SRM_OK)
        return fail(r, SRM_AT_DIRECTORY, status);
    uint64_t directory_len = r->any_zstd ? r->count * OFFSET_LEN : 0;
    if (footer_load(r->plain + r->plain_pos, &f) != SRM_OK || f.records_end != r->records_end ||
        f.directory_off != r->directory_off || f.directory_len != directory_len ||
        f.count != r->count || f.raw_total != r->raw_total)
        return fail(r, SRM_AT_FOOTER, SRM_EDAMAGED);
    r->plain_pos = r->plain_len;
    r->state = COMPLETE;
    return SRM_OK;
}

static srm_status step(reader *r, const uint8_t **data, size_t *len) {
    switch (r->state) {
    case AT_HEAD:
        return read_head(r);
    case IN_RAW:
        take_raw(r, data, len);
        return SRM_OK;
    case IN_ZSTD:
        return take_zstd(r, data, len);
    case IN_PADDING:
        skip_padding(r);
        return SRM_OK;
    case IN_DIRECTORY_HEAD:
        return read_directory_head(r);
    case IN_DIRECTORY:
        return read_directory(r);
    case AT_FOOTER:
        return read_footer(r);
    case COMPLETE:
    case FAILED:
        break;
    }
    return SRM_ESTATE;
}

srm_status reader_next(reader *r, const uint8_t **data, size_t *len) {
    *data = NULL;
    *len = 0;
    if (r->state == FAILED)
        return SRM_ESTATE;
    while (*len == 0 && r->plain_pos < r->plain_len) {
        /* Only the footer itself may stand in the last frame's last bytes. */
        if (r->last && available(r) == 0 && r->state != AT_FOOTER && r->state != IN_PADDING)
            return fail(r, SRM_AT_FOOTER, SRM_EDAMAGED);
        srm_status status = step(r, data, len);
        if (status != SRM_OK) {
            *data = NULL;
            *len = 0;
            return status;
        }
    }
    return SRM_OK;
}

srm_status reader_end(reader *r, const uint8_t trailer[SRM_TRAILER_LEN]) {
    if (r->state != COMPLETE)
        return SRM_ESTATE;
    layout l = root_layout(&r->root);
    srm_status status = root_end(&r->root, r->segment_root);
    if (status == SRM_OK)
        status = trailer_check(trailer, r->header, r->segment_root, &l);
    return status == SRM_OK ? SRM_OK : fail(r, SRM_AT_TRAILER, status);
}

void reader_result(const reader *r, srm_result *out) {
    memset(out, 0, sizeof *out);
    if (r->state != COMPLETE)
        return;
    layout l = root_layout(&r->root);
    memcpy(out->root, r->segment_root, sizeof out->root);
    out->frames = l.frame_count;
    out->raw_len = r->raw_total;
    out->stored_len = layout_trailer_off(&l) + SRM_TRAILER_LEN;
}

/* Could frames this many hold what the footer claims? A chunk takes a head and a byte at least. */
static bool footer_is_plausible(const footer *f, uint64_t plain_len) {
    return f->records_end < plain_len && f->count * (RECORD_HEAD_LEN + 1) <= f->records_end;
}

srm_status reader_raw_len(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], uint64_t last_index, const uint8_t *stored, size_t len,
    uint64_t *raw_len) {
    *raw_len = 0;
    segment_keys keys;
    footer f;
    srm_status status = header_unlock(header, session_key, &keys);
    if (status != SRM_OK)
        return status;
    uint8_t *plain = malloc(FRAME_PLAIN_LEN);
    status = plain == NULL ? SRM_ENOMEM : frame_open(&keys, last_index, true, stored, len, plain);
    if (status == SRM_OK) {
        status = footer_load(plain + len - SRM_TAG_LEN - FOOTER_LEN, &f);
        wipe(plain, len - SRM_TAG_LEN);
    }
    layout l = {.frame_count = last_index + 1, .last_len = (uint32_t)len};
    if (status == SRM_OK && !footer_is_plausible(&f, layout_plain_len(&l)))
        status = SRM_EDAMAGED;
    if (status == SRM_OK)
        *raw_len = f.raw_total;
    free(plain);
    segment_keys_wipe(&keys);
    return status;
}
