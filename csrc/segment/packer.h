/* Chunks, in order, laid out as the plaintexts of frames. Knows no key and no thread.
 *
 *     packer_put for each chunk, then packer_tail until it says done; what comes out is to be
 *     sealed. Before each call the packer must be fed buffers until it is no longer hungry. */
#ifndef SEGMENT_PACKER_H
#define SEGMENT_PACKER_H

#include "segment/header.h"
#include "segment/offsets.h"
#include "segment/record.h"

/* A chunk as it will be stored. */
typedef struct packed_chunk {
    const uint8_t *stored;
    size_t stored_len; /* equal to raw_len: raw */
    size_t raw_len;    /* SRM_CHUNK_LEN, or less for the last */
} packed_chunk;

/* The plaintext of one frame: head, then data. */
typedef struct packed_frame {
    uint64_t index;
    bool last;
    size_t stored_len; /* once sealed */
    uint8_t head[RECORD_HEAD_LEN];
    size_t head_len; /* 0, or RECORD_HEAD_LEN: data is then a whole raw chunk, where it lay */
    const uint8_t *data;
    size_t data_len;
    uint8_t *buffer; /* what the packer was fed and now hands back, or NULL */
} packed_frame;

/* One thread at a time. */
typedef struct packer {
    uint8_t record_tag[RECORD_TAG_LEN];
    bool pad;
    bool short_chunk; /* a chunk shorter than the rest came, so it was the last */
    bool tailing;
    offsets directory;
    uint64_t next_frame;
    uint8_t *plain; /* the frame being filled */
    size_t plain_len;
    uint8_t *spare;
    uint64_t raw_total;
    /* From the first call of packer_tail: */
    layout plan;
    footer footer;
} packer;

void packer_begin(packer *p, const segment_keys *keys, bool pad);
/* Frees nothing it was fed: packer_surrender gives that back. */
void packer_end(packer *p);

bool packer_hungry(const packer *p);
/* buffer: FRAME_PLAIN_LEN bytes or more, the packer's until it hands it back. */
void packer_feed(packer *p, uint8_t *buffer);
/* One buffer the packer still holds, or NULL. */
uint8_t *packer_surrender(packer *p);

/* Lay out one chunk; it must stay until the frames that name it were sealed.
 * frames, *count: up to two that this completed. SRM_ELIMIT, SRM_ENOMEM, SRM_EINVAL. */
SRM_MUST_USE srm_status packer_put(
    packer *p, const packed_chunk *chunk, packed_frame frames[2], size_t *count);

/* After the last chunk: *count 0 or 1 frames more; *done once the last frame came. */
SRM_MUST_USE srm_status packer_tail(packer *p, packed_frame *frame, size_t *count, bool *done);

#endif
