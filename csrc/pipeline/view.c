#include "pipeline/view.h"

#include "base/bytes.h"
#include "codec/zstd.h"
#include "crypto/hash.h"
#include "pipeline/frames.h"
#include "segment/frame.h"
#include "segment/record.h"

#include <stdlib.h>

#define NONE UINT64_MAX

struct srm_view {
    frames frames;
    job_control control; /* nobody watches; it keeps where something failed */
    segment_keys keys;
    decompressor *codec;
    footer footer;
    uint8_t *directory; /* count big-endian offsets, or NULL: all chunks are raw */
    uint8_t *plain;     /* SRM_FRAME_LEN bytes: the frame opened last */
    uint64_t frame;     /* which, or NONE */
    size_t plain_len;
    uint8_t *stored; /* SRM_CHUNK_LEN bytes */
    uint8_t *raw;    /* SRM_CHUNK_LEN bytes: the chunk decompressed last */
    uint64_t chunk;  /* which, or NONE */
};

static srm_status fail(view *v, srm_place place) {
    return job_fail_at(&v->control, SRM_EDAMAGED, place, v->frame == NONE ? 0 : v->frame);
}

static srm_status open_frame(view *v, uint64_t index) {
    const uint8_t *stored = NULL;
    uint8_t digest[SRM_DIGEST_LEN];
    size_t len = 0;
    bool last = false;
    if (v->frame == index)
        return SRM_OK;
    v->frame = NONE;
    srm_status status = frames_read(&v->frames, &v->control, index, v->plain, &stored, &len, &last);
    if (status != SRM_OK)
        return status;
    status = frame_open(&v->keys, index, last, stored, len, v->plain, digest);
    if (status != SRM_OK)
        return job_fail_at(&v->control, status, SRM_AT_FRAME, index);
    v->frame = index;
    v->plain_len = len - SRM_TAG_LEN;
    return SRM_OK;
}

/* Plaintext bytes [off, off + len) of the segment, which the caller knows to be there. */
static srm_status copy_plain(view *v, uint64_t off, uint8_t *out, size_t len) {
    while (len > 0) {
        srm_status status = open_frame(v, off / FRAME_PLAIN_LEN);
        if (status != SRM_OK)
            return status;
        size_t at = (size_t)(off % FRAME_PLAIN_LEN);
        if (at >= v->plain_len)
            return fail(v, SRM_AT_RECORD);
        size_t step = min_size(len, v->plain_len - at);
        memcpy(out, v->plain + at, step);
        out += step;
        off += step;
        len -= step;
    }
    return SRM_OK;
}

/* Do the footer's claims fit each other and the frames that are there? */
static bool footer_fits(const footer *f, uint64_t plain_len) {
    uint64_t footer_off = plain_len - FOOTER_LEN;
    if (f->records_end > footer_off || footer_off - f->records_end < RECORD_HEAD_LEN ||
        f->count * (RECORD_HEAD_LEN + 1) > f->records_end)
        return false;
    if (f->directory_off == 0)
        return true;
    uint64_t record_len = RECORD_HEAD_LEN + f->directory_len;
    return record_len <= footer_off - f->records_end - RECORD_HEAD_LEN &&
           f->directory_off == footer_off - record_len;
}

static srm_status load_directory(view *v) {
    uint8_t bytes[RECORD_HEAD_LEN];
    record_head head;
    srm_status status = copy_plain(v, v->footer.directory_off, bytes, sizeof bytes);
    if (status != SRM_OK)
        return status;
    if (record_head_load(bytes, &head) != SRM_OK || head.type != RECORD_DIRECTORY ||
        head.stored_len != v->footer.directory_len)
        return fail(v, SRM_AT_DIRECTORY);
    v->directory = malloc((size_t)v->footer.directory_len);
    if (v->directory == NULL)
        return SRM_ENOMEM;
    return copy_plain(v, v->footer.directory_off + RECORD_HEAD_LEN, v->directory,
        (size_t)v->footer.directory_len);
}

static srm_status load_end(view *v) {
    const layout *l = &v->frames.layout;
    srm_status status = open_frame(v, l->frame_count - 1);
    if (status != SRM_OK)
        return status;
    if (footer_load(v->plain + v->plain_len - FOOTER_LEN, &v->footer) != SRM_OK ||
        !footer_fits(&v->footer, layout_plain_len(l)))
        return fail(v, SRM_AT_FOOTER);
    return v->footer.directory_off == 0 ? SRM_OK : load_directory(v);
}

/* Where the head of a chunk stands; checks that the chunk is the one meant and in its place. */
static srm_status find_chunk(view *v, uint64_t index, uint64_t *off, record_head *head) {
    uint8_t bytes[RECORD_HEAD_LEN];
    uint64_t left = v->footer.raw_total - index * SRM_CHUNK_LEN;
    *off = v->directory != NULL ? load_be64(v->directory + index * OFFSET_LEN)
                                : index * FRAME_PLAIN_LEN;
    if (*off >= v->footer.records_end || FRAME_PLAIN_LEN - *off % FRAME_PLAIN_LEN < RECORD_HEAD_LEN)
        return fail(v, SRM_AT_DIRECTORY);
    srm_status status = copy_plain(v, *off, bytes, sizeof bytes);
    if (status != SRM_OK)
        return status;
    if (record_head_load(bytes, head) != SRM_OK || head->type != RECORD_DATA ||
        !equal_secret(head->id, v->keys.record_tag, RECORD_TAG_LEN) ||
        load_be64(head->id + RECORD_TAG_LEN) != index ||
        head->raw_len != (left < SRM_CHUNK_LEN ? left : SRM_CHUNK_LEN) ||
        v->footer.records_end - *off < (uint64_t)RECORD_HEAD_LEN + head->stored_len)
        return fail(v, SRM_AT_RECORD);
    *off += RECORD_HEAD_LEN;
    return SRM_OK;
}

/* Up to len bytes from one chunk. */
static srm_status read_chunk(view *v, uint64_t off, uint8_t *out, size_t len, size_t *got) {
    uint64_t index = off / SRM_CHUNK_LEN;
    size_t at = (size_t)(off % SRM_CHUNK_LEN);
    uint64_t stored_off;
    record_head head;
    if (v->chunk == index) {
        uint64_t left = v->footer.raw_total - off;
        *got = min_size(len, min_size(SRM_CHUNK_LEN - at, left < len ? (size_t)left : len));
        memcpy(out, v->raw + at, *got);
        return SRM_OK;
    }
    srm_status status = find_chunk(v, index, &stored_off, &head);
    if (status != SRM_OK)
        return status;
    *got = min_size(len, head.raw_len - at);
    if (head.codec == CODEC_RAW)
        return copy_plain(v, stored_off + at, out, *got);
    v->chunk = NONE;
    status = copy_plain(v, stored_off, v->stored, head.stored_len);
    if (status != SRM_OK)
        return status;
    status = decompressor_run(v->codec, v->stored, head.stored_len, v->raw, head.raw_len);
    if (status != SRM_OK)
        return status == SRM_EDAMAGED ? fail(v, SRM_AT_RECORD) : status;
    v->chunk = index;
    memcpy(out, v->raw + at, *got);
    return SRM_OK;
}

/* Each call reports its own failure. */
static void begin(view *v) {
    atomic_store(&v->control.failed, false);
    memset(&v->control.failure, 0, sizeof v->control.failure);
}

static void report(view *v, srm_status status, srm_failure *failure) {
    *failure = v->control.failure;
    failure->status = (int32_t)status;
}

srm_status view_read(
    view *v, uint64_t off, uint8_t *out, size_t len, size_t *got, srm_failure *failure) {
    srm_status status = SRM_OK;
    *got = 0;
    begin(v);
    while (status == SRM_OK && *got < len && off + *got < v->footer.raw_total) {
        size_t step = 0;
        status = read_chunk(v, off + *got, out + *got, len - *got, &step);
        *got += step;
    }
    if (status != SRM_OK) {
        wipe(out, *got);
        *got = 0;
    }
    report(v, status, failure);
    return status;
}

uint64_t view_len(const view *v) {
    return v->footer.raw_total;
}

static srm_status prepare(view *v, const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], srm_source source) {
    v->frame = NONE;
    v->chunk = NONE;
    srm_status status = header_unlock_stream(header, session_key, &v->keys);
    if (status != SRM_OK)
        return job_fail_at(&v->control, status, SRM_AT_HEADER, 0);
    status = frames_begin(&v->frames, &v->control, source, v->keys.type);
    if (status == SRM_EDAMAGED)
        return job_fail_at(&v->control, status, SRM_AT_TRAILER, 0);
    if (status == SRM_OK && v->frames.source.len == LEN_UNKNOWN)
        status = SRM_EINVAL; /* a pipe has no places */
    if (status == SRM_OK)
        status = decompressor_new(&v->codec);
    if (status != SRM_OK)
        return status;
    v->plain = malloc(SRM_FRAME_LEN);
    v->stored = malloc(SRM_CHUNK_LEN);
    v->raw = malloc(SRM_CHUNK_LEN);
    if (v->plain == NULL || v->stored == NULL || v->raw == NULL)
        return SRM_ENOMEM;
    return load_end(v);
}

srm_status view_open(const uint8_t header[SRM_HEADER_LEN], const uint8_t session_key[SRM_KEY_LEN],
    srm_source source, view **out, srm_failure *failure) {
    *out = NULL;
    *failure = (srm_failure){.status = SRM_ENOMEM};
    view *v = calloc(1, sizeof *v);
    if (v == NULL)
        return SRM_ENOMEM;
    srm_status status = prepare(v, header, session_key, source);
    report(v, status, failure);
    if (status == SRM_OK) {
        *out = v; /* the caller owns it now */
        v = NULL;
    }
    view_free(v);
    return status;
}

void view_free(view *v) {
    if (v == NULL)
        return;
    wipe_free(v->plain, SRM_FRAME_LEN);
    wipe_free(v->stored, SRM_CHUNK_LEN);
    wipe_free(v->raw, SRM_CHUNK_LEN);
    free(v->directory);
    decompressor_free(v->codec);
    frames_free(&v->frames);
    segment_keys_wipe(&v->keys);
    free(v);
}
