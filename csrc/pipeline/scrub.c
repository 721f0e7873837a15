/* Rebuilding a root without a key, on all cores: each worker reads and hashes the next frame. */
#include "base/bytes.h"
#include "pipeline/frames.h"
#include "pipeline/leaves.h"
#include "pipeline/stream.h"
#include "segment/header.h"
#include "threads/crew.h"

#include <stdlib.h>

typedef struct scrub_work {
    frames frames;
    job_control *control;
    srm_source source;
    uint32_t threads;
    uint64_t proven; /* the frame to prove, or LEN_UNKNOWN */
    prover prover;
    unsigned type;
    uint8_t header[SRM_HEADER_LEN];
    unsigned worker_count;
    uint8_t **buffers; /* SRM_FRAME_LEN bytes for each worker */

    crew crew;
    /* Under its lock: */
    uint64_t next_read;
    bool reading; /* a role: the next bytes of a pipe */
    leaves leaves;
    uint8_t digests[DATA_DIGESTS_LEN_MAX]; /* of a data segment's frames, as they are */
} scrub_work;

static bool may_read(const scrub_work *w) {
    return !w->reading && w->next_read < w->frames.layout.frame_count &&
           leaves_room(&w->leaves, w->next_read);
}

/* Has the lock when it is called and when it returns, not in between. */
static void hash_next(scrub_work *w, uint8_t *buffer) {
    const uint8_t *stored = NULL;
    uint8_t digest[SRM_DIGEST_LEN];
    size_t len = 0;
    bool last = false;
    uint64_t index = w->next_read++;
    bool piped = w->frames.source.len == LEN_UNKNOWN;
    w->reading = piped;
    crew_leave(&w->crew);
    srm_status status = frames_read(&w->frames, w->control, index, buffer, &stored, &len, &last);
    if (piped) {
        crew_enter(&w->crew);
        w->reading = false;
        crew_tell(&w->crew);
        crew_leave(&w->crew);
    }
    if (status == SRM_OK)
        blake3_digest(stored, len, digest);
    if (status == SRM_EDAMAGED)
        status = job_fail(w->control, status, SRM_AT_TRAILER, 0);
    crew_enter(&w->crew);
    if (status == SRM_OK && w->frames.is_data)
        memcpy(w->digests + index * SRM_DIGEST_LEN, digest, sizeof digest);
    if (status == SRM_OK)
        status = leaves_put(&w->leaves, index, digest, len, last);
    crew_stop(&w->crew, status);
}

/* The last digests may still be on their way; crew_run waits for them. */
static bool is_done(const void *work) {
    const scrub_work *w = work;
    return !w->reading && w->next_read >= w->frames.layout.frame_count;
}

static bool do_next(void *work, unsigned number) {
    scrub_work *w = work;
    if (!may_read(w))
        return false;
    hash_next(w, w->buffers[number]);
    return true;
}

static srm_status prepare(scrub_work *w) {
    srm_status status = frames_begin(&w->frames, w->control, w->source, w->type);
    if (status == SRM_EDAMAGED)
        return job_fail(w->control, status, SRM_AT_TRAILER, 0);
    if (status != SRM_OK)
        return status;
    w->worker_count = crew_size(w->threads, w->frames.layout.frame_count);
    status = leaves_begin(&w->leaves, w->header, 4 * w->worker_count);
    if (status == SRM_OK && w->proven != LEN_UNKNOWN) {
        if (w->proven >= w->frames.layout.frame_count || w->frames.source.len == LEN_UNKNOWN)
            return SRM_EINVAL;
        w->leaves.prover = &w->prover;
        status = prover_begin(&w->prover, w->frames.layout.frame_count, w->proven);
    }
    w->buffers = calloc(w->worker_count, sizeof *w->buffers);
    if (w->buffers == NULL)
        return SRM_ENOMEM;
    for (unsigned i = 0; status == SRM_OK && w->source.fd >= 0 && i < w->worker_count; i++) {
        w->buffers[i] = malloc(SRM_FRAME_LEN);
        status = w->buffers[i] == NULL ? SRM_ENOMEM : SRM_OK;
    }
    return status;
}

/* Digests beside a root that they make say which frame it is that changed. */
static srm_status name_frame(scrub_work *w, const layout *l) {
    uint8_t stated[SRM_DIGEST_LEN];
    srm_status status = root_of_digests(w->header, l, w->frames.digests, stated);
    if (status == SRM_OK)
        status = trailer_check(w->frames.trailer, w->header, stated, l);
    for (uint64_t i = 0; status == SRM_OK && i < l->frame_count; i++)
        if (memcmp(w->digests + i * SRM_DIGEST_LEN, w->frames.digests + i * SRM_DIGEST_LEN,
                SRM_DIGEST_LEN) != 0)
            return job_fail_at(w->control, SRM_EDAMAGED, SRM_AT_FRAME, i);
    return status;
}

static srm_status compare(scrub_work *w) {
    srm_result *result = &w->control->result;
    layout l = root_layout(&w->leaves.root);
    srm_status status = root_end(&w->leaves.root, result->root);
    if (status == SRM_OK)
        status = trailer_check(w->frames.trailer, w->header, result->root, &l);
    if (w->frames.is_data && (status == SRM_OK || status == SRM_EDAMAGED)) {
        bool whole = status == SRM_OK;
        status = name_frame(w, &l);
        if (whole && status == SRM_EDAMAGED)
            status = job_fail(w->control, status, SRM_AT_TRAILER, 0);
        else if (!whole && status == SRM_OK)
            status = SRM_EDAMAGED;
    }
    result->frames = l.frame_count;
    result->stored_len = layout_trailer_off(&l);
    result->stored_len += w->frames.is_data ? data_trailer_len(&l) : SRM_TRAILER_LEN;
    return status;
}

static srm_status scrub_body(void *argument, job_control *control) {
    scrub_work *w = argument;
    w->control = control;
    srm_status status = prepare(w);
    if (status == SRM_OK)
        status = crew_run(&w->crew, w->worker_count, do_next, is_done, w);
    if (status == SRM_OK)
        status = compare(w);
    if (status == SRM_OK && w->proven != LEN_UNKNOWN)
        control->proof_len = proof_store(&w->prover, &w->leaves.root, control->proof);
    if (status == SRM_OK)
        return SRM_OK;
    memset(&control->result, 0, sizeof control->result);
    return job_fail(control, status, SRM_AT_ROOT, 0);
}

static void scrub_release(void *argument) {
    scrub_work *w = argument;
    for (unsigned i = 0; w->buffers != NULL && i < w->worker_count; i++)
        free(w->buffers[i]);
    free(w->buffers);
    frames_free(&w->frames);
    leaves_free(&w->leaves);
    prover_free(&w->prover);
    crew_end(&w->crew);
    free(w);
}

static srm_status start(const uint8_t header[SRM_HEADER_LEN], srm_source source, uint64_t proven,
    uint32_t threads, srm_job **out) {
    srm_header_info info;
    *out = NULL;
    srm_status status = header_parse(header, &info);
    if (status != SRM_OK)
        return status;
    scrub_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return SRM_ENOMEM;
    crew_begin(&w->crew);
    memcpy(w->header, header, SRM_HEADER_LEN);
    w->type = info.type;
    w->source = source;
    w->proven = proven;
    w->threads = threads;
    status = job_start(scrub_body, scrub_release, w, out);
    if (status != SRM_OK)
        scrub_release(w);
    return status;
}

srm_status stream_scrub(
    const uint8_t header[SRM_HEADER_LEN], srm_source source, uint32_t threads, srm_job **out) {
    return start(header, source, LEN_UNKNOWN, threads, out);
}

srm_status stream_prove(const uint8_t header[SRM_HEADER_LEN], srm_source source, uint64_t frame,
    uint32_t threads, srm_job **out) {
    return start(header, source, frame, threads, out);
}
