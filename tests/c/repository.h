/* Data segments in a folder, made as a repository's are, or altered by who holds the keys. */
#ifndef TESTS_REPOSITORY_H
#define TESTS_REPOSITORY_H

#include "segment/data.h"
#include "support.h"

/* A folder that is gone after. */
typedef struct repository {
    char path[64];
    int folder_fd;
    uint8_t repo_id[SRM_REPO_ID_LEN];
    uint8_t wrap_key[SRM_KEY_LEN];
    uint8_t chunk_key[SRM_KEY_LEN];
} repository;

void repository_begin(repository *r);
void repository_end(repository *r);
/* With its keys; the caller frees it. */
srm_segments *repository_segments(const repository *r);

typedef struct chunk {
    const uint8_t *raw;
    uint32_t raw_len;
    uint8_t id[32]; /* filled by repository_put */
    uint32_t off;   /* filled by repository_put */
} chunk;

/* Changes a frame's plaintext before it is sealed. */
typedef void (*alteration)(const data_frame *frame, uint8_t *plain, size_t len, void *how);

typedef struct stored_segment {
    uint8_t id[16];
    uint8_t root[32];
    uint64_t length;
    layout layout;
} stored_segment;

/* Write one segment, whose id is 16 bytes `name`. level 0: all chunks raw. alter may be NULL. */
void repository_put(const repository *r, uint8_t name, chunk *chunks, size_t chunk_count, int level,
    alteration alter, void *how, stored_segment *out);

/* The file of a segment, open for reading and writing. */
int repository_open(const repository *r, uint8_t name);
void repository_remove(const repository *r, uint8_t name);
/* Turn over a bit of a file's byte. */
void repository_flip(const repository *r, uint8_t name, uint64_t off);
void repository_cut(const repository *r, uint8_t name, uint64_t length);
/* Give each the other's name. */
void repository_swap(const repository *r, uint8_t a, uint8_t b);

#endif
