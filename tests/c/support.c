#include "support.h"

#include "base/bytes.h"
#include "check.h"

void *must_alloc(size_t len) {
    void *memory = malloc(len > 0 ? len : 1);
    CHECK(memory != NULL);
    return memory;
}

void fill_noise(uint8_t *out, size_t len, uint64_t seed) {
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t at = 0; at < len; at += sizeof x) {
        x ^= x << 13; /* Marsaglia's xorshift64 */
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(out + at, &x, min_size(sizeof x, len - at));
    }
}

void fill_text(uint8_t *out, size_t len) {
    static const char *const words[8] = {
        "frame ", "record ", "trailer ", "of ", "the ", "sealed ", "room ", "and\n"};
    size_t at = 0;
    for (uint32_t x = 1; at < len; x = x * 1664525u + 1013904223u) {
        const char *word = words[x >> 29];
        size_t step = min_size(strlen(word), len - at);
        memcpy(out + at, word, step);
        at += step;
    }
}

srm_seal_options test_options(int32_t level, int32_t pad) {
    static const uint8_t owner[116] = {1, 0, 0, 112};
    srm_seal_options options = {.type = 1,
        .level = level,
        .pad = pad,
        .threads = 1,
        .envelopes = owner,
        .envelopes_len = sizeof owner};
    memset(options.repo_id, 0x11, sizeof options.repo_id);
    memset(options.session_id, 0x22, sizeof options.session_id);
    memset(options.session_key, 0x33, sizeof options.session_key);
    return options;
}

srm_source from_memory(const uint8_t *data, size_t len) {
    return (srm_source){.fd = -1, .mem = data, .mem_len = len};
}

srm_sink to_memory(uint8_t *data, size_t cap) {
    return (srm_sink){.fd = -1, .mem = data, .mem_cap = cap};
}

srm_source from_fd(int fd) {
    return (srm_source){.fd = fd};
}

srm_sink to_fd(int fd) {
    return (srm_sink){.fd = fd};
}

outcome settle(srm_job *job) {
    static const srm_result nothing = {0};
    outcome end = {0};
    end.status = srm_job_wait(job, 60000);
    CHECK(end.status != SRM_RUNNING);
    CHECK_STATUS(SRM_OK, srm_job_result(job, &end.result, &end.failure));
    CHECK_STATUS(end.status, (srm_status)end.failure.status);
    if (end.status != SRM_OK)
        CHECK(memcmp(&end.result, &nothing, sizeof nothing) == 0);
    srm_job_progress(job, &end.bytes_in, &end.bytes_out);
    srm_job_free(job);
    return end;
}

void segment_seal(const srm_seal_options *options, const uint8_t *raw, size_t raw_len, segment *s) {
    const size_t cap = raw_len + raw_len / 8 + 4 * (size_t)SRM_FRAME_LEN;
    srm_job *job = NULL;
    *s = (segment){.bytes = must_alloc(cap)};
    CHECK_STATUS(
        SRM_OK, srm_seal_start(options, from_memory(raw, raw_len), to_memory(s->bytes, cap), &job));
    outcome end = settle(job);
    CHECK_STATUS(SRM_OK, end.status);
    CHECK(end.bytes_in == raw_len && end.bytes_out == end.result.stored_len);
    CHECK(end.result.raw_len == raw_len && end.result.stored_len <= cap);
    s->result = end.result;
    s->len = (size_t)end.result.stored_len;
}

void segment_free(segment *s) {
    free(s->bytes);
    *s = (segment){0};
}

srm_source segment_source(const segment *s) {
    return from_memory(s->bytes + SRM_HEADER_LEN, s->len - SRM_HEADER_LEN);
}

srm_status segment_open(const segment *s, const uint8_t session_key[SRM_KEY_LEN], uint32_t threads,
    uint8_t *raw, size_t raw_cap, size_t *raw_len) {
    srm_job *job = NULL;
    *raw_len = 0;
    srm_status status = srm_open_start(
        s->bytes, session_key, segment_source(s), to_memory(raw, raw_cap), threads, &job);
    CHECK((status == SRM_OK) == (job != NULL));
    if (status != SRM_OK)
        return status;
    outcome end = settle(job);
    *raw_len = (size_t)end.bytes_out;
    CHECK(end.status != SRM_OK ||
          (end.result.raw_len == *raw_len && end.result.stored_len == s->len));
    CHECK(end.status != SRM_OK || memcmp(end.result.root, s->result.root, SRM_DIGEST_LEN) == 0);
    return end.status;
}
