/* Bytes in and out of a job: descriptors or memory, stoppable.
 *
 * Regular files are read and written at offsets, by any number of threads at once. Pipes and the
 * like only in order, by one thread at a time. Memory is used where it lies. */
#ifndef PIPELINE_IO_H
#define PIPELINE_IO_H

#include "threads/job.h"

#define LEN_UNKNOWN UINT64_MAX

typedef struct input {
    srm_source given;
    uint64_t len;    /* bytes from here to the end, or LEN_UNKNOWN: read in order */
    uint64_t base;   /* where a regular file stood */
    bool unreadable; /* open for writing alone */
} input;

void input_begin(input *s, srm_source given);

/* Where bytes [off, off + len) lie in memory, or NULL if the source is no memory. */
const uint8_t *input_memory(const input *s, uint64_t off);

/* Read exactly len bytes at off; the source's len must be known. SRM_ECHANGED: there are fewer
 * than there were. */
SRM_MUST_USE srm_status input_read_at(
    input *s, job_control *control, uint64_t off, uint8_t *out, size_t len);

/* Read the next want bytes, fewer only at the end. *got: how many. */
SRM_MUST_USE srm_status input_read_next(
    input *s, job_control *control, uint8_t *out, size_t want, size_t *got);

typedef struct output {
    srm_sink given;
    bool in_order; /* only output_write_next works */
    bool is_socket;
    uint64_t base; /* where a regular file stood */
    int own_fd;    /* our own non-blocking opening of a pipe, or -1 */
} output;

void output_begin(output *s, srm_sink given);

/* Where bytes [off, off + len) of the output lie in memory, or NULL if the sink is no memory.
 * SRM_ELIMIT: beyond its end. */
SRM_MUST_USE srm_status output_memory(
    const output *s, job_control *control, uint64_t off, size_t len, uint8_t **out);

SRM_MUST_USE srm_status output_write_at(
    output *s, job_control *control, uint64_t off, const uint8_t *data, size_t len);
SRM_MUST_USE srm_status output_write_next(
    output *s, job_control *control, const uint8_t *data, size_t len);

/* Leave a regular file's position after the len bytes written. */
void output_leave_at(const output *s, uint64_t len);
void output_end(output *s);

#endif
