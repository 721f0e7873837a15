/* The plaintext of opened segments, a frame at a time, and the chunks in it. Its author holds the
 * keys and may be hostile. One thread at a time. */
#ifndef PIPELINE_READER_H
#define PIPELINE_READER_H

#include "codec/zstd.h"
#include "pipeline/segments.h"
#include "segment/record.h"
#include "threads/job.h"

typedef struct reader {
    job_control *control;
    const opened_segment *segment;
    const segment_keys *keys;
    uint8_t *digests;          /* 32 bytes for each frame, filled as they are opened; or NULL */
    uint64_t frame;            /* in hand, or READER_NONE */
    srm_failure failure;       /* of the frame or chunk asked for last */
    srm_failure frame_failure; /* of the frame in hand */
    size_t plain_len;
    uint8_t *plain;  /* SRM_FRAME_LEN bytes */
    uint8_t *joined; /* SRM_CHUNK_LEN bytes: stored data that spans frames */
    uint8_t *raw;    /* SRM_CHUNK_LEN bytes, decompressed */
    decompressor *codec;
} reader;

#define READER_NONE UINT64_MAX

void reader_begin(reader *r, job_control *control);
/* Wipes and frees. Also for one that was only zeroed. */
void reader_end(reader *r);

/* Read from another segment; keys are this thread's. digests: see above. */
void reader_turn(reader *r, const opened_segment *s, const segment_keys *keys, uint8_t *digests);

/* Have this frame in hand. What failed is in failure; asked for again, it fails the same way. */
SRM_MUST_USE srm_status reader_frame(reader *r, uint64_t index);

/* The head of a record at plaintext offset off, and where its stored data lie until the next call;
 * afterwards the frame in hand is the one in which they end. */
SRM_MUST_USE srm_status reader_record(
    reader *r, uint64_t off, record_head *head, const uint8_t **stored);

/* The chunk of a data record, once its id was recomputed from it. */
SRM_MUST_USE srm_status reader_chunk(reader *r, const uint8_t chunk_key[SRM_KEY_LEN], uint64_t off,
    record_head *head, const uint8_t **raw);

#endif
