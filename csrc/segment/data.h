/* The plaintext of data segments: chunks of a repository, and the directory that finds them.
 * Knows no key, no thread and no file.
 *
 *     data_packer_put for each chunk while data_packer_has_room says so, then data_packer_end; what
 *     comes out is to be sealed before the next call. */
#ifndef SEGMENT_DATA_H
#define SEGMENT_DATA_H

#include "crypto/aead.h"
#include "segment/layout.h"

/* A chunk as it will be stored. */
typedef struct data_chunk {
    uint8_t id[32];
    const uint8_t *stored;
    uint32_t stored_len; /* equal to raw_len if codec is CODEC_RAW, else less */
    uint32_t raw_len;    /* 1 to SRM_CHUNK_LEN */
    uint8_t codec;
} data_chunk;

/* The plaintext of one frame, as aead_seal takes it. */
typedef struct data_frame {
    uint64_t index;
    bool last;
    size_t stored_len; /* once sealed */
    aead_piece pieces[2];
    size_t piece_count;
} data_frame;

/* Of one segment. One thread at a time. */
typedef struct data_packer data_packer;

/* The caller frees *out with data_packer_free. */
SRM_MUST_USE srm_status data_packer_new(data_packer **out);
/* Wipes and frees. NULL is fine. */
void data_packer_free(data_packer *p);

/* Does a segment hold one more chunk, of stored_len bytes? An empty one always does. */
bool data_packer_has_room(const data_packer *p, uint32_t stored_len);

/* Lay out one chunk. frames, *count: up to two that this completed; their pieces lie in the packer
 * and in chunk->stored until the next call. *off: plaintext offset of the record's head.
 * SRM_EINVAL: a chunk that cannot be; SRM_ELIMIT: no room; SRM_ENOMEM. */
SRM_MUST_USE srm_status data_packer_put(
    data_packer *p, const data_chunk *chunk, data_frame frames[2], size_t *count, uint32_t *off);

/* After the last chunk, of at least one: one or two frames more. */
SRM_MUST_USE srm_status data_packer_end(data_packer *p, data_frame frames[2], size_t *count);

uint32_t data_packer_count(const data_packer *p);

/* Once all frames are sealed. */
layout data_packer_layout(const data_packer *p);

typedef struct data_entry {
    uint8_t id[32];
    uint32_t off; /* plaintext offset of the record's head */
    uint32_t stored_len;
    uint32_t raw_len;
    uint8_t codec;
} data_entry;

/* The directory, from the plaintext of the last frame: len bytes. Checks all that it and the footer
 * say of each other and of the layout, so that entries may be trusted to lie in the segment, one
 * behind the other. *entries: *count of them, at least 1; the caller frees it. SRM_EDAMAGED. */
SRM_MUST_USE srm_status data_directory(
    const uint8_t *last_plain, size_t len, const layout *l, data_entry **entries, uint32_t *count);

#endif
