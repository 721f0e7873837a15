/* A segment's frames in a source, header taken off. Where the length is known, so is every frame's
 * place. On a pipe a frame is not the last while more than a trailer follows it. */
#ifndef PIPELINE_FRAMES_H
#define PIPELINE_FRAMES_H

#include "pipeline/io.h"
#include "segment/layout.h"

typedef struct frames {
    input source;
    bool is_data;  /* digests stand before the trailer */
    layout layout; /* frame_count LEN_UNKNOWN on a pipe, until its end */
    uint8_t digests[DATA_DIGESTS_LEN_MAX];
    uint8_t trailer[SRM_TRAILER_LEN];
    uint8_t *ahead; /* a pipe's next bytes */
    size_t ahead_len;
} frames;

/* Reads the trailer where that can be done at once. SRM_EDAMAGED, from here and below, always
 * means that the input was cut off or goes on after its end. It is not noted with job_fail: on a
 * pipe damage found before comes first. */
SRM_MUST_USE srm_status frames_begin(
    frames *f, job_control *control, srm_source source, unsigned segment_type);

/* Frame `index`, of *len bytes: in memory, or read into buffer (SRM_FRAME_LEN bytes). On a pipe
 * frames are asked for in order, by one thread at a time. After the last came, the trailer is here.
 */
SRM_MUST_USE srm_status frames_read(frames *f, job_control *control, uint64_t index,
    uint8_t *buffer, const uint8_t **stored, size_t *len, bool *last);

/* Also for one that was only zeroed. */
void frames_free(frames *f);

#endif
