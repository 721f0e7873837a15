/* What the test programs share: contents to seal, and whole streams in memory. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include "segment/reader.h"
#include "segment/writer.h"

/* Never NULL; the caller frees it. */
void *must_alloc(size_t len);

/* The same noise for the same seed. */
void fill_noise(uint8_t *out, size_t len, uint64_t seed);
void fill_text(uint8_t *out, size_t len);

/* Options with fixed key and ids, and an owner envelope whose body is all zeros: enough for the
 * core, which never opens one. */
srm_seal_options test_options(int32_t level, int32_t pad);

/* A segment in memory: header, frames, trailer. */
typedef struct segment {
    uint8_t *bytes;
    size_t len;
    srm_result result;
} segment;

void segment_seal(const srm_seal_options *options, const uint8_t *raw, size_t raw_len, segment *s);
void segment_free(segment *s);

/* Read a whole segment. raw: raw_cap bytes. Gives the first status that was not SRM_OK, after
 * checking that the reader then refuses everything. */
srm_status segment_open(const segment *s, const uint8_t session_key[SRM_KEY_LEN], uint8_t *raw,
    size_t raw_cap, size_t *raw_len);

#endif
