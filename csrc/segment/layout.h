/* Sizes and places inside a segment (docs/FORMAT.md). */
#ifndef SEGMENT_LAYOUT_H
#define SEGMENT_LAYOUT_H

#include "strongroom.h"

#include <stdbool.h>

#define FRAME_LOG2 20
#define FRAME_COUNT_MAX ((uint64_t)1 << 24)
#define FRAME_PLAIN_LEN ((size_t)(SRM_FRAME_LEN - SRM_TAG_LEN))
#define LAST_FRAME_UNIT 4096 /* the last frame's length is a multiple of this */
#define CHUNK_COUNT_MAX ((uint64_t)1 << 24)
#define RECORD_HEAD_LEN 48
#define FOOTER_LEN 64
#define OFFSET_LEN 8 /* one directory entry of a stream */

/* Data segments: */
#define DATA_FRAMES_MAX 64 /* full ones, before the last */
#define DATA_ENTRY_LEN 48  /* one directory entry */
/* As many as have their directory, and an end record, in one last frame. */
#define DATA_CHUNKS_MAX                                                                            \
    ((uint32_t)((FRAME_PLAIN_LEN - 2 * RECORD_HEAD_LEN - FOOTER_LEN) / DATA_ENTRY_LEN))
#define DATA_DIGESTS_LEN_MAX ((size_t)((DATA_FRAMES_MAX + 1) * SRM_DIGEST_LEN))

/* An incompressible chunk and its head fill exactly one frame. */
_Static_assert(RECORD_HEAD_LEN + SRM_CHUNK_LEN == SRM_FRAME_LEN - SRM_TAG_LEN, "raw chunks");
_Static_assert(SRM_FRAME_LEN == 1 << FRAME_LOG2, "frames");

/* How many frames a segment has, and how long the last one is as stored. */
typedef struct layout {
    uint64_t frame_count;
    uint32_t last_len;
} layout;

/* Padme (Nikitin et al., PETS 2019): round up so that only the top few bits of a length show.
 * Costs at most 12 % of a small length, falling; 3.1 % from 2^20 up. */
uint64_t layout_padme(uint64_t len);

/* Frames enough for plain_len plaintext bytes, footer included. SRM_ELIMIT: too many. */
SRM_MUST_USE srm_status layout_plan(uint64_t plain_len, bool pad, layout *out);

/* The layout of a segment that stores frames_len bytes of frames. SRM_EDAMAGED: none does. */
SRM_MUST_USE srm_status layout_of_length(uint64_t frames_len, layout *out);

/* The layout of a data segment that is len bytes long without its header: frames, their digests,
 * trailer. SRM_EDAMAGED: none is. */
SRM_MUST_USE srm_status layout_of_data(uint64_t len, layout *out);

/* Bytes of plaintext in all frames. */
uint64_t layout_plain_len(const layout *l);

/* Where the trailer begins, from the segment's first byte. */
uint64_t layout_trailer_off(const layout *l);

#endif
