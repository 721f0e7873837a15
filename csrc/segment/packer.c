#include "segment/packer.h"

#include "base/bytes.h"

void packer_begin(packer *p, const segment_keys *keys, bool pad) {
    memset(p, 0, sizeof *p);
    memcpy(p->record_tag, keys->record_tag, RECORD_TAG_LEN);
    p->pad = pad;
}

void packer_end(packer *p) {
    offsets_free(&p->directory);
    wipe(p->record_tag, sizeof p->record_tag);
}

bool packer_hungry(const packer *p) {
    return p->spare == NULL;
}

void packer_feed(packer *p, uint8_t *buffer) {
    if (p->plain == NULL)
        p->plain = buffer;
    else
        p->spare = buffer;
}

uint8_t *packer_surrender(packer *p) {
    uint8_t *buffer = p->spare != NULL ? p->spare : p->plain;
    if (p->spare != NULL)
        p->spare = NULL;
    else
        p->plain = NULL;
    return buffer;
}

/* Hand out the frame being filled and go on with the spare. */
static void hand_out(packer *p, bool last, size_t plain_len, packed_frame *frame) {
    *frame = (packed_frame){
        .index = p->next_frame++,
        .last = last,
        .stored_len = plain_len + SRM_TAG_LEN,
        .data = p->plain,
        .data_len = plain_len,
        .buffer = p->plain,
    };
    p->plain = p->spare;
    p->spare = NULL;
    p->plain_len = 0;
}

static void gather(
    packer *p, const uint8_t *data, size_t len, packed_frame *frames, size_t *count) {
    while (len > 0) {
        size_t step = min_size(len, FRAME_PLAIN_LEN - p->plain_len);
        memcpy(p->plain + p->plain_len, data, step);
        p->plain_len += step;
        data += step;
        len -= step;
        if (p->plain_len == FRAME_PLAIN_LEN)
            hand_out(p, false, FRAME_PLAIN_LEN, &frames[(*count)++]);
    }
}

/* A record head never crosses a frame boundary: skip what is too short for one. */
static void align(packer *p, packed_frame *frames, size_t *count) {
    size_t room = FRAME_PLAIN_LEN - p->plain_len;
    if (room >= RECORD_HEAD_LEN)
        return;
    memset(p->plain + p->plain_len, 0, room);
    hand_out(p, false, FRAME_PLAIN_LEN, &frames[(*count)++]);
}

static uint64_t position(const packer *p) {
    return p->next_frame * FRAME_PLAIN_LEN + p->plain_len;
}

static void put_record(packer *p, const packed_chunk *chunk, const uint8_t head[RECORD_HEAD_LEN],
    packed_frame *frames, size_t *count) {
    if (p->plain_len == 0 && chunk->stored_len == SRM_CHUNK_LEN) {
        /* Head and chunk are this frame, to the byte: it is sealed from where the chunk lies. */
        packed_frame *frame = &frames[(*count)++];
        *frame = (packed_frame){
            .index = p->next_frame++,
            .stored_len = SRM_FRAME_LEN,
            .head_len = RECORD_HEAD_LEN,
            .data = chunk->stored,
            .data_len = SRM_CHUNK_LEN,
        };
        memcpy(frame->head, head, RECORD_HEAD_LEN);
        return;
    }
    gather(p, head, RECORD_HEAD_LEN, frames, count);
    gather(p, chunk->stored, chunk->stored_len, frames, count);
}

srm_status packer_put(packer *p, const packed_chunk *chunk, packed_frame frames[2], size_t *count) {
    *count = 0;
    if (packer_hungry(p) || p->tailing || p->short_chunk || chunk->raw_len == 0 ||
        chunk->raw_len > SRM_CHUNK_LEN || chunk->stored_len > chunk->raw_len)
        return SRM_EINVAL;
    bool raw = chunk->stored_len == chunk->raw_len;
    record_head head = {
        .type = RECORD_DATA,
        .codec = raw ? CODEC_RAW : CODEC_ZSTD,
        .stored_len = (uint32_t)chunk->stored_len,
        .raw_len = (uint32_t)chunk->raw_len,
    };
    memcpy(head.id, p->record_tag, RECORD_TAG_LEN);
    store_be64(head.id + RECORD_TAG_LEN, p->directory.count);
    uint8_t stored_head[RECORD_HEAD_LEN];
    record_head_store(&head, stored_head);
    align(p, frames, count);
    srm_status status = offsets_add(&p->directory, position(p), raw);
    if (status != SRM_OK)
        return status;
    if (p->next_frame >= FRAME_COUNT_MAX)
        return SRM_ELIMIT;
    put_record(p, chunk, stored_head, frames, count);
    p->raw_total += chunk->raw_len;
    p->short_chunk = chunk->raw_len < SRM_CHUNK_LEN;
    return SRM_OK;
}

/* The end record, and the plan of everything after it. */
static srm_status plan_tail(packer *p) {
    uint64_t directory_len = offsets_len(&p->directory);
    uint64_t directory_record = directory_len == 0 ? 0 : RECORD_HEAD_LEN + directory_len;
    uint64_t records_end = position(p);
    uint64_t plain_len = records_end + RECORD_HEAD_LEN + directory_record + FOOTER_LEN;
    srm_status status = layout_plan(plain_len, p->pad, &p->plan);
    if (status != SRM_OK)
        return status;
    p->footer = (footer){
        .records_end = records_end,
        .directory_len = directory_len,
        .count = p->directory.count,
        .raw_total = p->raw_total,
    };
    if (directory_len > 0)
        p->footer.directory_off = layout_plain_len(&p->plan) - FOOTER_LEN - directory_record;
    return SRM_OK;
}

/* Lay the part of src that stands at plaintext offset src_off over dst, which stands at dst_off. */
static void overlay(uint8_t *dst, uint64_t dst_off, size_t dst_len, const uint8_t *src,
    uint64_t src_off, uint64_t src_len) {
    uint64_t from = src_off > dst_off ? src_off : dst_off;
    uint64_t src_end = src_off + src_len;
    uint64_t dst_end = dst_off + dst_len;
    uint64_t to = src_end < dst_end ? src_end : dst_end;
    if (from < to)
        memcpy(dst + (from - dst_off), src + (from - src_off), (size_t)(to - from));
}

/* Fill the frame in hand up to frame_plain_len: end record, zeros, directory, footer, as they
 * fall into it. */
static void fill_tail(packer *p, size_t frame_plain_len) {
    uint64_t off = position(p);
    uint8_t *dst = p->plain + p->plain_len;
    size_t len = frame_plain_len - p->plain_len;
    memset(dst, 0, len); /* the end record's head is all zeros too */
    if (p->footer.directory_len > 0) {
        uint8_t head[RECORD_HEAD_LEN];
        record_head directory = {
            .type = RECORD_DIRECTORY,
            .stored_len = (uint32_t)p->footer.directory_len,
            .raw_len = (uint32_t)p->footer.directory_len,
        };
        record_head_store(&directory, head);
        overlay(dst, off, len, head, p->footer.directory_off, sizeof head);
        overlay(dst, off, len, p->directory.entries, p->footer.directory_off + RECORD_HEAD_LEN,
            p->footer.directory_len);
    }
    uint8_t foot[FOOTER_LEN];
    footer_store(&p->footer, foot);
    overlay(dst, off, len, foot, layout_plain_len(&p->plan) - FOOTER_LEN, sizeof foot);
}

srm_status packer_tail(packer *p, packed_frame *frame, size_t *count, bool *done) {
    *count = 0;
    *done = false;
    if (packer_hungry(p))
        return SRM_EINVAL;
    if (!p->tailing) {
        p->tailing = true;
        align(p, frame, count);
        srm_status status = plan_tail(p);
        if (status != SRM_OK || *count > 0)
            return status;
    }
    bool last = p->next_frame + 1 == p->plan.frame_count;
    size_t plain_len = last ? p->plan.last_len - SRM_TAG_LEN : FRAME_PLAIN_LEN;
    fill_tail(p, plain_len);
    hand_out(p, last, plain_len, frame);
    *count = 1;
    *done = last;
    return SRM_OK;
}
