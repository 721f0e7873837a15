/* Stored frames cut from an input that follows a header. Only at the end of the input does it
 * show which frame is the last: a frame is not the last while more than a trailer follows it. */
#ifndef PIPELINE_FRAMES_H
#define PIPELINE_FRAMES_H

#include "pipeline/io.h"

typedef struct frames {
    input in;
    uint8_t *buffer;
    size_t have; /* bytes in the buffer */
    size_t used; /* bytes of it that the last call handed out */
} frames;

SRM_MUST_USE srm_status frames_begin(frames *f, srm_source source);

/* The next frame, in the window's memory until the next call. With the last one comes
 * *trailer, else NULL. SRM_EDAMAGED: the input was cut off, or goes on after the trailer. */
SRM_MUST_USE srm_status frames_next(
    frames *f, job_control *control, const uint8_t **stored, size_t *len, const uint8_t **trailer);

/* Also for one that was only zeroed. */
void frames_free(frames *f);

#endif
