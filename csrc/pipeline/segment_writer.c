#include "pipeline/segment_writer.h"

#include "base/bytes.h"
#include "crypto/random.h"
#include "segment/frame.h"
#include "segment/header.h"
#include "segment/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ID_LEN 16
#define FRAMES_MOST (DATA_FRAMES_MAX + 1)

struct segment_writer {
    int folder;
    int fd;
    uint8_t id[ID_LEN];
    char name[2 * ID_LEN + 1];
    bool kept;
    uint8_t header[SRM_HEADER_LEN];
    segment_keys keys;
    data_packer *packer;
    root_builder root;
    uint8_t digests[FRAMES_MOST * SRM_DIGEST_LEN];
    srm_segment_info info; /* once ended */
};

static srm_status write_at(
    segment_writer *w, job_control *control, uint64_t off, const uint8_t *data, size_t len) {
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(w->fd, data + done, len - done, (off_t)(off + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return job_fail(control, SRM_EIO, SRM_AT_OUTPUT, n == 0 ? ENOSPC : errno);
    }
    atomic_fetch_add_explicit(&control->bytes_out, len, memory_order_relaxed);
    return SRM_OK;
}

static srm_status draw_name(segment_writer *w) {
    static const char digits[] = "0123456789abcdef";
    uint8_t random[32];
    srm_status status = random_hedged(random);
    if (status != SRM_OK)
        return status;
    memcpy(w->id, random, ID_LEN);
    for (size_t i = 0; i < ID_LEN; i++) {
        w->name[2 * i] = digits[w->id[i] >> 4];
        w->name[2 * i + 1] = digits[w->id[i] & 15];
    }
    return SRM_OK;
}

static srm_status prepare(
    segment_writer *w, const srm_seal_options *options, job_control *control) {
    srm_status status = draw_name(w);
    if (status == SRM_OK)
        status = header_build(options, w->header, &w->keys);
    if (status == SRM_OK)
        status = data_packer_new(&w->packer);
    if (status == SRM_OK)
        status = root_begin(&w->root, w->header);
    if (status != SRM_OK)
        return status;
    w->fd = openat(w->folder, w->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
    if (w->fd < 0)
        return job_fail(control, SRM_EIO, SRM_AT_OUTPUT, errno);
    return write_at(w, control, 0, w->header, SRM_HEADER_LEN);
}

srm_status segment_writer_new(
    const srm_seal_options *options, int folder, job_control *control, segment_writer **out) {
    *out = NULL;
    segment_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return SRM_ENOMEM;
    w->folder = folder;
    w->fd = -1;
    srm_status status = prepare(w, options, control);
    if (status == SRM_OK) {
        *out = w; /* the caller owns it now */
        w = NULL;
    }
    segment_writer_free(w);
    return status;
}

const uint8_t *segment_writer_id(const segment_writer *w) {
    return w->id;
}

bool segment_writer_has_room(const segment_writer *w, uint32_t stored_len) {
    return data_packer_has_room(w->packer, stored_len);
}

static srm_status write_frames(segment_writer *w, job_control *control, const data_frame *frames,
    size_t count, uint8_t *sealed) {
    for (size_t i = 0; i < count; i++) {
        const data_frame *f = &frames[i];
        if (f->index >= FRAMES_MOST)
            return SRM_ELIMIT;
        uint8_t *digest = w->digests + f->index * SRM_DIGEST_LEN;
        srm_status status = frame_seal(
            &w->keys, f->index, f->last, f->pieces, f->piece_count, sealed, f->stored_len, digest);
        if (status == SRM_OK)
            status = root_add(&w->root, digest, f->stored_len, f->last);
        if (status == SRM_OK)
            status = write_at(
                w, control, SRM_HEADER_LEN + f->index * SRM_FRAME_LEN, sealed, f->stored_len);
        if (status != SRM_OK)
            return status;
    }
    return SRM_OK;
}

srm_status segment_writer_put(segment_writer *w, job_control *control, const data_chunk *chunk,
    uint8_t *sealed, uint32_t *off) {
    data_frame frames[2];
    size_t count = 0;
    srm_status status = data_packer_put(w->packer, chunk, frames, &count, off);
    return status == SRM_OK ? write_frames(w, control, frames, count, sealed) : status;
}

static srm_status write_trailer(segment_writer *w, job_control *control) {
    uint8_t trailer[FRAMES_MOST * SRM_DIGEST_LEN + SRM_TRAILER_LEN];
    srm_status status = root_end(&w->root, w->info.root);
    if (status != SRM_OK)
        return status;
    layout l = root_layout(&w->root);
    size_t len = data_trailer_len(&l);
    w->info.length = layout_trailer_off(&l) + len;
    data_trailer_store(w->header, w->info.root, &l, w->digests, trailer);
    return write_at(w, control, layout_trailer_off(&l), trailer, len);
}

srm_status segment_writer_end(segment_writer *w, job_control *control, uint8_t *sealed) {
    data_frame frames[2];
    size_t count = 0;
    w->info = (srm_segment_info){.type = SEGMENT_DATA, .chunks = data_packer_count(w->packer)};
    memcpy(w->info.id, w->id, ID_LEN);
    srm_status status = data_packer_end(w->packer, frames, &count);
    if (status == SRM_OK)
        status = write_frames(w, control, frames, count, sealed);
    if (status == SRM_OK)
        status = write_trailer(w, control);
    if (status != SRM_OK)
        return status;
    (void)sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* only a hint */
    data_packer_free(w->packer); /* an ended segment may wait; its plaintext need not */
    w->packer = NULL;
    return SRM_OK;
}

srm_status segment_writer_sync(segment_writer *w, job_control *control, srm_segment_info *info) {
    if (fsync(w->fd) != 0)
        return job_fail(control, SRM_EIO, SRM_AT_OUTPUT, errno);
    *info = w->info;
    return SRM_OK;
}

void segment_writer_keep(segment_writer *w) {
    w->kept = true;
}

void segment_writer_free(segment_writer *w) {
    if (w == NULL)
        return;
    if (w->fd >= 0 && !w->kept)
        (void)unlinkat(w->folder, w->name, 0);
    if (w->fd >= 0)
        close(w->fd);
    data_packer_free(w->packer);
    root_free(&w->root);
    segment_keys_wipe(&w->keys);
    free(w);
}
