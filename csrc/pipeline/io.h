/* Bytes in and out of a job: descriptors or memory, in order, stoppable. */
#ifndef PIPELINE_IO_H
#define PIPELINE_IO_H

#include "threads/job.h"

typedef struct input {
    srm_source source;
    size_t mem_pos;
    bool stalls; /* a pipe or the like: wait in steps, so that cancelling works */
} input;

typedef struct output {
    srm_sink sink;
    size_t mem_len;
    int own_fd; /* our own non-blocking opening of a pipe, or -1 */
    bool stalls;
} output;

void input_begin(input *in, srm_source source);

/* Read want bytes, fewer only at the end of the input. *got: how many. */
SRM_MUST_USE srm_status input_read(
    input *in, job_control *control, uint8_t *out, size_t want, size_t *got);

void output_begin(output *out, srm_sink sink);
SRM_MUST_USE srm_status output_write(
    output *out, job_control *control, const uint8_t *data, size_t len);
void output_end(output *out);

#endif
