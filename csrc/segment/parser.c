#include "segment/parser.h"

#include "base/bytes.h"
#include "crypto/hash.h"

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

struct parser {
    state state;
    srm_place place;
    uint8_t record_tag[RECORD_TAG_LEN];
    uint64_t frame_count; /* seen so far */
    bool last;            /* the frame in hand is the last */
    const uint8_t *plain; /* the frame in hand */
    const uint8_t *chunk; /* its whole raw chunk, if that lies elsewhere than after its head */
    size_t plain_len;
    size_t plain_pos;
    /* The record in hand: */
    record_head head;
    uint32_t record_left; /* stored bytes still to come */
    uint8_t *spare;       /* SRM_CHUNK_LEN bytes: a compressed record that spans frames */
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
};

void parser_free(parser *p) {
    if (p == NULL)
        return;
    sha256_free(&p->seen_offsets);
    sha256_free(&p->stored_offsets);
    wipe(p, sizeof *p);
    free(p);
}

srm_status parser_new(const segment_keys *keys, parser **out) {
    *out = NULL;
    parser *p = calloc(1, sizeof *p);
    if (p == NULL)
        return SRM_ENOMEM;
    memcpy(p->record_tag, keys->record_tag, RECORD_TAG_LEN);
    srm_status status = sha256_begin(&p->seen_offsets);
    if (status == SRM_OK)
        status = sha256_begin(&p->stored_offsets);
    if (status == SRM_OK) {
        *out = p; /* the caller owns it now */
        p = NULL;
    }
    parser_free(p);
    return status;
}

bool parser_hungry(const parser *p) {
    return p->spare == NULL;
}

void parser_feed(parser *p, uint8_t *buffer) {
    p->spare = buffer;
}

uint8_t *parser_surrender(parser *p) {
    uint8_t *buffer = p->spare;
    p->spare = NULL;
    return buffer;
}

bool parser_complete(const parser *p) {
    return p->state == COMPLETE;
}

uint64_t parser_raw_total(const parser *p) {
    return p->raw_total;
}

srm_place parser_place(const parser *p) {
    return p->place;
}

static srm_status fail(parser *p, srm_place place, srm_status status) {
    p->place = place;
    p->state = FAILED;
    return status;
}

bool parser_is_whole_chunk(const parser *p, const uint8_t head[RECORD_HEAD_LEN], uint64_t *index) {
    record_head h;
    if (record_head_load(head, &h) != SRM_OK || h.type != RECORD_DATA || h.codec != CODEC_RAW ||
        h.raw_len != SRM_CHUNK_LEN || !equal_secret(h.id, p->record_tag, RECORD_TAG_LEN))
        return false;
    *index = load_be64(h.id + RECORD_TAG_LEN);
    return true;
}

/* chunk: see struct parser, or NULL. */
static srm_status take_frame(
    parser *p, const uint8_t *plain, size_t len, bool last, const uint8_t *chunk) {
    uint64_t index;
    if (p->state == FAILED || p->last || p->plain_pos != p->plain_len)
        return SRM_ESTATE;
    if (last && len < FOOTER_LEN)
        return fail(p, SRM_AT_FOOTER, SRM_EDAMAGED);
    /* A reader that has put such a chunk where it belongs cannot read it as anything else. So that
     * all readers agree, none does. */
    if (!last && len == FRAME_PLAIN_LEN && p->state != AT_HEAD &&
        parser_is_whole_chunk(p, plain, &index))
        return fail(p, SRM_AT_RECORD, SRM_EDAMAGED);
    p->frame_count++;
    p->plain = plain;
    p->chunk = chunk;
    p->plain_len = len;
    p->plain_pos = 0;
    p->last = last;
    return SRM_OK;
}

srm_status parser_frame(parser *p, const uint8_t *plain, size_t len, bool last) {
    return take_frame(p, plain, len, last, NULL);
}

srm_status parser_whole_chunk(
    parser *p, const uint8_t head[RECORD_HEAD_LEN], const uint8_t *chunk) {
    return take_frame(p, head, FRAME_PLAIN_LEN, false, chunk);
}

static uint64_t position(const parser *p) {
    return (p->frame_count - 1) * FRAME_PLAIN_LEN + p->plain_pos;
}

/* Bytes of the frame in hand that are still to be read and do not belong to the footer. */
static size_t available(const parser *p) {
    return p->plain_len - (p->last ? FOOTER_LEN : 0) - p->plain_pos;
}

static srm_status begin_chunk(parser *p, uint64_t off) {
    uint8_t entry[OFFSET_LEN];
    const record_head *head = &p->head;
    if (!equal_secret(head->id, p->record_tag, RECORD_TAG_LEN) ||
        load_be64(head->id + RECORD_TAG_LEN) != p->count || p->short_chunk ||
        p->count == CHUNK_COUNT_MAX)
        return fail(p, SRM_AT_RECORD, SRM_EDAMAGED);
    store_be64(entry, off);
    srm_status status = sha256_add(&p->seen_offsets, entry, sizeof entry);
    if (status != SRM_OK)
        return fail(p, SRM_AT_RECORD, status);
    p->count++;
    p->raw_total += head->raw_len;
    p->short_chunk = head->raw_len < SRM_CHUNK_LEN;
    p->record_left = head->stored_len;
    p->any_zstd = p->any_zstd || head->codec == CODEC_ZSTD;
    p->state = head->codec == CODEC_RAW ? IN_RAW : IN_ZSTD;
    return SRM_OK;
}

static srm_status read_head(parser *p) {
    size_t room = p->plain_len - p->plain_pos;
    const uint8_t *at = p->plain + p->plain_pos;
    if (room < RECORD_HEAD_LEN && !p->last) {
        p->plain_pos = p->plain_len;
        return zero_run(at, room) == room ? SRM_OK : fail(p, SRM_AT_PADDING, SRM_EDAMAGED);
    }
    if (available(p) < RECORD_HEAD_LEN || record_head_load(at, &p->head) != SRM_OK)
        return fail(p, SRM_AT_RECORD, SRM_EDAMAGED);
    uint64_t off = position(p);
    p->plain_pos += RECORD_HEAD_LEN;
    if (p->head.type == RECORD_DATA)
        return begin_chunk(p, off);
    if (p->head.type != RECORD_END)
        return fail(p, SRM_AT_RECORD, SRM_EDAMAGED);
    p->records_end = off;
    p->state = IN_PADDING;
    return SRM_OK;
}

/* Raw data leaves as it comes: its frame's tag has verified. */
static void take_raw(parser *p, parsed_piece *piece) {
    size_t done = p->head.raw_len - p->record_left;
    piece->data = p->chunk != NULL ? p->chunk : p->plain + p->plain_pos;
    piece->len = min_size(p->record_left, available(p));
    piece->raw_len = piece->len;
    piece->raw_off = p->raw_total - p->head.raw_len + done;
    p->plain_pos += piece->len;
    p->record_left -= (uint32_t)piece->len;
    if (p->record_left == 0)
        p->state = AT_HEAD;
}

/* Compressed data leaves as a whole chunk. */
static void take_zstd(parser *p, parsed_piece *piece) {
    size_t step = min_size(p->record_left, available(p));
    size_t have = p->head.stored_len - p->record_left;
    bool whole = step == p->head.stored_len;
    if (!whole)
        memcpy(p->spare + have, p->plain + p->plain_pos, step);
    p->record_left -= (uint32_t)step;
    if (p->record_left == 0) {
        piece->zstd = true;
        piece->data = whole ? p->plain + p->plain_pos : p->spare;
        piece->len = p->head.stored_len;
        piece->raw_len = p->head.raw_len;
        piece->raw_off = p->raw_total - p->head.raw_len;
        piece->buffer = whole ? NULL : parser_surrender(p);
        p->state = AT_HEAD;
    }
    p->plain_pos += step;
}

static void skip_padding(parser *p) {
    size_t room = available(p);
    size_t zeros = zero_run(p->plain + p->plain_pos, room);
    p->plain_pos += zeros;
    if (zeros < room) {
        p->directory_off = position(p);
        p->state = IN_DIRECTORY_HEAD;
    } else if (p->last) {
        p->state = AT_FOOTER;
    }
}

static srm_status read_directory_head(parser *p) {
    size_t step = min_size(RECORD_HEAD_LEN - p->head_have, available(p));
    memcpy(p->head_bytes + p->head_have, p->plain + p->plain_pos, step);
    p->head_have += step;
    p->plain_pos += step;
    if (p->head_have < RECORD_HEAD_LEN)
        return SRM_OK;
    if (record_head_load(p->head_bytes, &p->head) != SRM_OK || p->head.type != RECORD_DIRECTORY ||
        !p->any_zstd || p->head.stored_len != p->count * OFFSET_LEN)
        return fail(p, SRM_AT_DIRECTORY, SRM_EDAMAGED);
    p->record_left = p->head.stored_len;
    p->state = IN_DIRECTORY;
    return SRM_OK;
}

static srm_status read_directory(parser *p) {
    size_t step = min_size(p->record_left, available(p));
    srm_status status = sha256_add(&p->stored_offsets, p->plain + p->plain_pos, step);
    p->plain_pos += step;
    p->record_left -= (uint32_t)step;
    if (status == SRM_OK && p->record_left == 0) {
        p->state = AT_FOOTER;
        if (!p->last || available(p) > 0)
            status = SRM_EDAMAGED;
    }
    return status == SRM_OK ? SRM_OK : fail(p, SRM_AT_DIRECTORY, status);
}

static srm_status compare_offsets(parser *p) {
    uint8_t seen[SRM_DIGEST_LEN];
    uint8_t stored[SRM_DIGEST_LEN];
    srm_status status = sha256_end(&p->seen_offsets, seen);
    if (status == SRM_OK)
        status = sha256_end(&p->stored_offsets, stored);
    if (status != SRM_OK)
        return status;
    if (p->any_zstd != (p->directory_off != 0))
        return SRM_EDAMAGED;
    if (p->any_zstd && !equal_secret(seen, stored, sizeof seen))
        return SRM_EDAMAGED;
    return SRM_OK;
}

static srm_status read_footer(parser *p) {
    footer f;
    srm_status status = compare_offsets(p);
    if (status != SRM_OK)
        return fail(p, SRM_AT_DIRECTORY, status);
    uint64_t directory_len = p->any_zstd ? p->count * OFFSET_LEN : 0;
    if (footer_load(p->plain + p->plain_pos, &f) != SRM_OK || f.records_end != p->records_end ||
        f.directory_off != p->directory_off || f.directory_len != directory_len ||
        f.count != p->count || f.raw_total != p->raw_total)
        return fail(p, SRM_AT_FOOTER, SRM_EDAMAGED);
    p->plain_pos = p->plain_len;
    p->state = COMPLETE;
    return SRM_OK;
}

static srm_status step(parser *p, parsed_piece *piece) {
    switch (p->state) {
    case AT_HEAD:
        return read_head(p);
    case IN_RAW:
        take_raw(p, piece);
        return SRM_OK;
    case IN_ZSTD:
        take_zstd(p, piece);
        return SRM_OK;
    case IN_PADDING:
        skip_padding(p);
        return SRM_OK;
    case IN_DIRECTORY_HEAD:
        return read_directory_head(p);
    case IN_DIRECTORY:
        return read_directory(p);
    case AT_FOOTER:
        return read_footer(p);
    case COMPLETE:
    case FAILED:
        break;
    }
    return SRM_ESTATE;
}

srm_status parser_next(parser *p, parsed_piece *piece) {
    memset(piece, 0, sizeof *piece);
    if (p->state == FAILED || parser_hungry(p))
        return SRM_ESTATE;
    while (piece->len == 0 && p->plain_pos < p->plain_len) {
        /* Only the footer itself may stand in the last frame's last bytes. */
        if (p->last && available(p) == 0 && p->state != AT_FOOTER && p->state != IN_PADDING)
            return fail(p, SRM_AT_FOOTER, SRM_EDAMAGED);
        srm_status status = step(p, piece);
        if (status != SRM_OK)
            return status;
    }
    return SRM_OK;
}
