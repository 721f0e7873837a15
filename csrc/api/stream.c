#include "pipeline/stream.h"
#include "base/bytes.h"
#include "segment/header.h"
#include "segment/proof.h"

#define WAIT_MS_MAX 60000

static bool source_is_sound(const srm_source *source) {
    return source->fd >= 0 || source->mem != NULL || source->mem_len == 0;
}

static bool sink_is_sound(const srm_sink *sink) {
    return sink->fd >= 0 || sink->mem != NULL || sink->mem_cap == 0;
}

srm_status srm_header_parse(const uint8_t header[4096], srm_header_info *out) {
    if (out == NULL)
        return SRM_EINVAL;
    memset(out, 0, sizeof *out);
    return header == NULL ? SRM_EINVAL : header_parse(header, out);
}

srm_status srm_seal_start(
    const srm_seal_options *options, srm_source source, srm_sink sink, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (options == NULL || !source_is_sound(&source) || !sink_is_sound(&sink) ||
        (options->envelopes == NULL && options->envelopes_len > 0))
        return SRM_EINVAL;
    return stream_seal(options, source, sink, out);
}

srm_status srm_open_start(const uint8_t header[4096], const uint8_t session_key[32],
    srm_source source, srm_sink sink, uint32_t threads, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (header == NULL || session_key == NULL || !source_is_sound(&source) || !sink_is_sound(&sink))
        return SRM_EINVAL;
    return stream_open(header, session_key, source, sink, threads, out);
}

srm_status srm_scrub_start(
    const uint8_t header[4096], srm_source source, uint32_t threads, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (header == NULL || !source_is_sound(&source))
        return SRM_EINVAL;
    return stream_scrub(header, source, threads, out);
}

srm_status srm_prove_start(const uint8_t header[4096], srm_source source, uint64_t frame,
    uint32_t threads, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (header == NULL || !source_is_sound(&source) || frame >= FRAME_COUNT_MAX)
        return SRM_EINVAL;
    return stream_prove(header, source, frame, threads, out);
}

srm_status srm_job_proof(srm_job *job, uint8_t proof[848], size_t *proof_len) {
    if (proof == NULL || proof_len == NULL)
        return SRM_EINVAL;
    memset(proof, 0, SRM_PROOF_LEN_MAX);
    *proof_len = 0;
    if (job == NULL)
        return SRM_EINVAL;
    if (!job_ended(job) || job_controls(job)->proof_len == 0)
        return SRM_ESTATE;
    *proof_len = job_controls(job)->proof_len;
    memcpy(proof, job_controls(job)->proof, *proof_len);
    return SRM_OK;
}

srm_status srm_job_ids(srm_job *job, const uint8_t **ids, uint64_t *count) {
    if (ids == NULL || count == NULL)
        return SRM_EINVAL;
    *ids = NULL;
    *count = 0;
    if (job == NULL)
        return SRM_EINVAL;
    if (!job_ended(job) || job_wait(job, 0) != SRM_OK)
        return SRM_ESTATE;
    *ids = job_controls(job)->ids;
    *count = job_controls(job)->id_count;
    return SRM_OK;
}

srm_status srm_proof_check(const uint8_t *proof, size_t proof_len, const uint8_t *frame, size_t len,
    const uint8_t root[32]) {
    if ((proof == NULL && proof_len > 0) || (frame == NULL && len > 0) || root == NULL)
        return SRM_EINVAL;
    return proof_check(proof, proof_len, frame, len, root);
}

srm_status srm_job_wait(srm_job *job, int32_t timeout_ms) {
    if (job == NULL || timeout_ms < 0 || timeout_ms > WAIT_MS_MAX)
        return SRM_EINVAL;
    return job_wait(job, timeout_ms);
}

void srm_job_cancel(srm_job *job) {
    if (job != NULL)
        atomic_store(&job_controls(job)->cancelled, true);
}

void srm_job_progress(const srm_job *job, uint64_t *bytes_in, uint64_t *bytes_out) {
    *bytes_in = 0;
    *bytes_out = 0;
    if (job == NULL)
        return;
    job_control *control = job_controls((srm_job *)(uintptr_t)job);
    *bytes_in = atomic_load(&control->bytes_in);
    *bytes_out = atomic_load(&control->bytes_out);
}

srm_status srm_job_result(srm_job *job, srm_result *result, srm_failure *failure) {
    if (result == NULL || failure == NULL)
        return SRM_EINVAL;
    memset(result, 0, sizeof *result);
    memset(failure, 0, sizeof *failure);
    if (job == NULL)
        return SRM_EINVAL;
    if (!job_ended(job))
        return SRM_ESTATE;
    *result = job_controls(job)->result;
    *failure = job_controls(job)->failure;
    return SRM_OK;
}

void srm_job_free(srm_job *job) {
    job_free(job);
}
