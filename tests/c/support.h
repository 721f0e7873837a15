/* What the test programs share: contents to seal, and whole streams in memory. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include "segment/layout.h"

/* Never NULL; the caller frees it. */
void *must_alloc(size_t len);

/* The same noise for the same seed. */
void fill_noise(uint8_t *out, size_t len, uint64_t seed);
void fill_text(uint8_t *out, size_t len);

/* Options with fixed key and ids, one thread, and an owner envelope whose body is all zeros:
 * enough for the core, which never opens one. */
srm_seal_options test_options(int32_t level, int32_t pad);

srm_source from_memory(const uint8_t *data, size_t len);
srm_sink to_memory(uint8_t *data, size_t cap);
srm_source from_fd(int fd);
srm_sink to_fd(int fd);

/* What became of a job. */
typedef struct outcome {
    srm_status status;
    srm_result result; /* zero unless status is SRM_OK */
    srm_failure failure;
    uint64_t bytes_in;
    uint64_t bytes_out;
} outcome;

/* Wait for a job and free it, after checking that what it says of its end fits together. */
outcome settle(srm_job *job);

/* A segment in memory: header, frames, trailer. */
typedef struct segment {
    uint8_t *bytes;
    size_t len;
    srm_result result;
} segment;

void segment_seal(const srm_seal_options *options, const uint8_t *raw, size_t raw_len, segment *s);
void segment_free(segment *s);

/* What follows the header. */
srm_source segment_source(const segment *s);

/* Open a whole segment into raw: raw_cap bytes. *raw_len: how many came, also of a failed one.
 * Gives the status of whatever failed first. */
srm_status segment_open(const segment *s, const uint8_t session_key[SRM_KEY_LEN], uint32_t threads,
    uint8_t *raw, size_t raw_cap, size_t *raw_len);

#endif
