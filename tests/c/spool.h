/* What a session put into its folder, read back without it. */
#ifndef TESTS_SPOOL_H
#define TESTS_SPOOL_H

#include "support.h"

#define CHUNK_KEY_BYTE 0x44 /* of test_session_options */

/* Fixed keys, as test_options has them. */
srm_session_options test_session_options(int32_t level, uint32_t threads, int folder);

/* A folder of its own, and, at the end, all below it gone. */
int folder_make(char path[64]);
void folder_remove(const char *path, int fd);
size_t folder_count(const char *path);
void folder_put(int fd, const char *name, const uint8_t *data, size_t len);

/* One chunk found in a segment. */
typedef struct found_chunk {
    uint8_t id[SRM_DIGEST_LEN];
    uint8_t *raw;
    uint32_t raw_len;
    uint8_t codec;
} found_chunk;

typedef struct library {
    found_chunk *chunks;
    size_t count;
    uint64_t stored_len; /* of segments, in all */
} library;

/* Add all chunks of a segment, after checking every byte of it against what is said of it. */
void library_add(library *l, int folder, const srm_segment_info *info);
const found_chunk *library_find(const library *l, const uint8_t id[SRM_DIGEST_LEN]);
void library_free(library *l);

#endif
