/* Chunks to and from single zstd frames (RFC 8878), and the decision not to. */
#ifndef CODEC_ZSTD_H
#define CODEC_ZSTD_H

#include "strongroom.h"

#include <stdbool.h>

/* One thread at a time. */
typedef struct compressor compressor;
typedef struct decompressor decompressor;

/* level: 0 (compress nothing) to SRM_LEVEL_MAX. */
SRM_MUST_USE srm_status compressor_new(int level, compressor **out);
void compressor_free(compressor *c);

/* Bytes that compressor_try may write. */
size_t compressor_bound(void);

/* Compress raw (1 to SRM_CHUNK_LEN bytes) into stored (compressor_bound() bytes) if that saves at
 * least 3 %; checks that the result decompresses to raw before it says so. is_media: see
 * probe_chunk. *stored_len: 0 if raw is to be stored as it is. SRM_ECODEC: the check failed. */
SRM_MUST_USE srm_status compressor_try(compressor *c, const uint8_t *raw, size_t raw_len,
    bool is_media, uint8_t *stored, size_t *stored_len);

SRM_MUST_USE srm_status decompressor_new(decompressor **out);
void decompressor_free(decompressor *d);

/* Open one stored chunk into raw, whose length the record states. SRM_EDAMAGED unless stored is
 * one zstd frame and nothing else, states its content size as raw_len and no dictionary, and
 * needs a window of at most 2^20 bytes. */
SRM_MUST_USE srm_status decompressor_run(
    decompressor *d, const uint8_t *stored, size_t stored_len, uint8_t *raw, size_t raw_len);

#endif
