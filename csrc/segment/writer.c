#include "segment/writer.h"

#include "base/bytes.h"
#include "codec/probe.h"
#include "codec/zstd.h"
#include "segment/frame.h"
#include "segment/offsets.h"
#include "segment/record.h"
#include "segment/root.h"

#include <stdlib.h>
#include <unistd.h>

typedef enum state { PUTTING, TAILING, DONE, ABANDONED } state;

struct writer {
    state state;
    pid_t owner;
    bool pad;
    bool is_media;    /* by the first chunk */
    bool short_chunk; /* a chunk shorter than the rest came, so it was the last */
    uint8_t header[SRM_HEADER_LEN];
    segment_keys keys;
    root_builder root;
    compressor *codec;
    offsets directory;
    uint64_t next_frame;
    uint8_t *plain; /* FRAME_PLAIN_LEN bytes: the frame being filled */
    size_t plain_len;
    uint64_t raw_total;
    /* From the first call of writer_tail: */
    layout plan;
    footer footer;
    uint8_t segment_root[SRM_DIGEST_LEN];
};

void writer_free(writer *w) {
    if (w == NULL)
        return;
    segment_keys_wipe(&w->keys);
    root_free(&w->root);
    compressor_free(w->codec);
    offsets_free(&w->directory);
    if (w->plain != NULL)
        wipe(w->plain, FRAME_PLAIN_LEN);
    free(w->plain);
    free(w);
}

srm_status writer_new(
    const srm_seal_options *options, uint8_t header[SRM_HEADER_LEN], writer **out) {
    *out = NULL;
    writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return SRM_ENOMEM;
    w->owner = getpid();
    w->pad = options->pad != 0;
    w->plain = malloc(FRAME_PLAIN_LEN);
    srm_status status = w->plain == NULL ? SRM_ENOMEM : SRM_OK;
    if (status == SRM_OK)
        status = compressor_new(options->level, &w->codec);
    if (status == SRM_OK)
        status = header_build(options, w->header, &w->keys);
    if (status == SRM_OK)
        status = root_begin(&w->root, w->header);
    if (status == SRM_OK) {
        memcpy(header, w->header, SRM_HEADER_LEN);
        *out = w; /* the caller owns it now */
        w = NULL;
    }
    writer_free(w);
    return status;
}

/* Seal the next frame and count it, whatever comes of it. */
static srm_status seal_next(writer *w, bool last, const aead_piece *pieces, size_t piece_count,
    uint8_t *out, size_t stored_len) {
    uint64_t index = w->next_frame++;
    srm_status status = frame_seal(&w->keys, index, last, pieces, piece_count, out, stored_len);
    return status == SRM_OK ? root_add(&w->root, out, stored_len, last) : status;
}

/* Seal what has been gathered, a full frame. */
static srm_status flush(writer *w, uint8_t *out, size_t *out_len) {
    aead_piece whole = {w->plain, FRAME_PLAIN_LEN};
    srm_status status = seal_next(w, false, &whole, 1, out + *out_len, SRM_FRAME_LEN);
    *out_len += SRM_FRAME_LEN;
    w->plain_len = 0;
    return status;
}

static srm_status gather(
    writer *w, const uint8_t *data, size_t len, uint8_t *out, size_t *out_len) {
    while (len > 0) {
        size_t step = min_size(len, FRAME_PLAIN_LEN - w->plain_len);
        memcpy(w->plain + w->plain_len, data, step);
        w->plain_len += step;
        data += step;
        len -= step;
        if (w->plain_len == FRAME_PLAIN_LEN) {
            srm_status status = flush(w, out, out_len);
            if (status != SRM_OK)
                return status;
        }
    }
    return SRM_OK;
}

/* A record head never crosses a frame boundary: skip what is too short for one. */
static srm_status align(writer *w, uint8_t *out, size_t *out_len) {
    size_t room = FRAME_PLAIN_LEN - w->plain_len;
    if (room >= RECORD_HEAD_LEN)
        return SRM_OK;
    memset(w->plain + w->plain_len, 0, room);
    return flush(w, out, out_len);
}

static uint64_t position(const writer *w) {
    return w->next_frame * FRAME_PLAIN_LEN + w->plain_len;
}

static srm_status put_record(
    writer *w, const record_head *head, const uint8_t *data, uint8_t *out, size_t *out_len) {
    uint8_t stored_head[RECORD_HEAD_LEN];
    record_head_store(head, stored_head);
    if (w->plain_len == 0 && head->stored_len == SRM_CHUNK_LEN) {
        /* Head and chunk are this frame, to the byte: sealed from where they lie. */
        aead_piece pieces[2] = {{stored_head, sizeof stored_head}, {data, SRM_CHUNK_LEN}};
        srm_status status = seal_next(w, false, pieces, 2, out + *out_len, SRM_FRAME_LEN);
        *out_len += SRM_FRAME_LEN;
        return status;
    }
    srm_status status = gather(w, stored_head, sizeof stored_head, out, out_len);
    return status == SRM_OK ? gather(w, data, head->stored_len, out, out_len) : status;
}

static srm_status put_chunk(
    writer *w, const uint8_t *raw, size_t raw_len, uint8_t *out, size_t *out_len) {
    const uint8_t *stored = NULL;
    size_t stored_len = 0;
    if (w->directory.count == 0)
        w->is_media = probe_is_media(raw, raw_len);
    srm_status status = compressor_try(w->codec, raw, raw_len, w->is_media, &stored, &stored_len);
    if (status != SRM_OK)
        return status;
    record_head head = {.type = RECORD_DATA, .codec = CODEC_ZSTD, .raw_len = (uint32_t)raw_len};
    if (stored == NULL) {
        head.codec = CODEC_RAW;
        stored = raw;
        stored_len = raw_len;
    }
    head.stored_len = (uint32_t)stored_len;
    memcpy(head.id, w->keys.record_tag, RECORD_TAG_LEN);
    store_be64(head.id + RECORD_TAG_LEN, w->directory.count);
    status = align(w, out, out_len);
    if (status == SRM_OK)
        status = offsets_add(&w->directory, position(w), head.codec == CODEC_RAW);
    if (status == SRM_OK)
        status = put_record(w, &head, stored, out, out_len);
    w->raw_total += raw_len;
    w->short_chunk = raw_len < SRM_CHUNK_LEN;
    return status;
}

/* A handle may be used if nothing went wrong and no fork copied its counters. */
static bool usable(const writer *w, state expected) {
    return w->state == expected && w->owner == getpid();
}

srm_status writer_put(
    writer *w, const uint8_t *raw, size_t raw_len, uint8_t *out, size_t *out_len) {
    *out_len = 0;
    if (!usable(w, PUTTING))
        return SRM_ESTATE;
    srm_status status = SRM_EINVAL;
    if (raw_len > 0 && raw_len <= SRM_CHUNK_LEN && !w->short_chunk)
        status = put_chunk(w, raw, raw_len, out, out_len);
    if (status != SRM_OK) {
        *out_len = 0;
        w->state = ABANDONED;
    }
    return status;
}

/* End record, and the plan of everything after it. */
static srm_status begin_tail(writer *w, uint8_t *out, size_t *out_len) {
    srm_status status = align(w, out, out_len);
    if (status != SRM_OK)
        return status;
    uint64_t directory_len = offsets_len(&w->directory);
    uint64_t directory_record = directory_len == 0 ? 0 : RECORD_HEAD_LEN + directory_len;
    uint64_t records_end = position(w);
    uint64_t plain_len = records_end + RECORD_HEAD_LEN + directory_record + FOOTER_LEN;
    status = layout_plan(plain_len, w->pad, &w->plan);
    if (status != SRM_OK)
        return status;
    w->footer = (footer){
        .records_end = records_end,
        .directory_len = directory_len,
        .count = w->directory.count,
        .raw_total = w->raw_total,
    };
    if (directory_len > 0)
        w->footer.directory_off = layout_plain_len(&w->plan) - FOOTER_LEN - directory_record;
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
static void fill_tail(writer *w, size_t frame_plain_len) {
    uint64_t frame_off = w->next_frame * FRAME_PLAIN_LEN;
    uint64_t off = frame_off + w->plain_len;
    uint8_t *dst = w->plain + w->plain_len;
    size_t len = frame_plain_len - w->plain_len;
    uint8_t head[RECORD_HEAD_LEN];
    uint8_t foot[FOOTER_LEN];
    memset(dst, 0, len); /* the end record's head is all zeros too */
    if (w->footer.directory_len > 0) {
        record_head directory = {
            .type = RECORD_DIRECTORY,
            .stored_len = (uint32_t)w->footer.directory_len,
            .raw_len = (uint32_t)w->footer.directory_len,
        };
        record_head_store(&directory, head);
        overlay(dst, off, len, head, w->footer.directory_off, sizeof head);
        overlay(dst, off, len, w->directory.entries, w->footer.directory_off + RECORD_HEAD_LEN,
            w->footer.directory_len);
    }
    footer_store(&w->footer, foot);
    overlay(dst, off, len, foot, layout_plain_len(&w->plan) - FOOTER_LEN, sizeof foot);
    w->plain_len = frame_plain_len;
}

static srm_status tail_step(writer *w, uint8_t *out, size_t *out_len, bool *done) {
    srm_status status = SRM_OK;
    if (w->state == PUTTING) {
        w->state = TAILING;
        status = begin_tail(w, out, out_len);
        if (status != SRM_OK || *out_len > 0)
            return status;
    }
    if (w->next_frame == w->plan.frame_count) {
        trailer_store(w->header, w->segment_root, &w->plan, out);
        *out_len = SRM_TRAILER_LEN;
        *done = true;
        w->state = DONE;
        return SRM_OK;
    }
    bool last = w->next_frame + 1 == w->plan.frame_count;
    size_t stored_len = last ? w->plan.last_len : SRM_FRAME_LEN;
    fill_tail(w, stored_len - SRM_TAG_LEN);
    aead_piece whole = {w->plain, w->plain_len};
    status = seal_next(w, last, &whole, 1, out, stored_len);
    *out_len = stored_len;
    w->plain_len = 0;
    if (status == SRM_OK && last)
        status = root_end(&w->root, w->segment_root);
    return status;
}

srm_status writer_tail(writer *w, uint8_t *out, size_t *out_len, bool *done) {
    *out_len = 0;
    *done = false;
    if (!usable(w, PUTTING) && !usable(w, TAILING))
        return SRM_ESTATE;
    srm_status status = tail_step(w, out, out_len, done);
    if (status != SRM_OK) {
        *out_len = 0;
        w->state = ABANDONED;
    }
    return status;
}

void writer_result(const writer *w, srm_result *out) {
    memset(out, 0, sizeof *out);
    if (w->state != DONE)
        return;
    memcpy(out->root, w->segment_root, sizeof out->root);
    out->frames = w->plan.frame_count;
    out->raw_len = w->raw_total;
    out->stored_len = layout_trailer_off(&w->plan) + SRM_TRAILER_LEN;
}
