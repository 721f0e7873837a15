/* Something done to each of many segments, on all cores, a segment a worker. */
#ifndef PIPELINE_EACH_H
#define PIPELINE_EACH_H

#include "pipeline/reader.h"
#include "threads/crew.h"

typedef struct each each;

/* Visit segment `number` of those given. What is wrong with it goes into status, which says already
 * what opening it showed; only what fails the job is returned. */
typedef srm_status (*each_visit)(
    each *e, reader *r, const opened_segment *s, uint64_t number, srm_segment_status *status);

/* The first member of the work, which is allocated with malloc and of which it becomes the owner.
 */
struct each {
    segments *segments;
    const uint8_t *ids; /* SEGMENT_ID_LEN bytes each */
    uint64_t count;
    srm_segment_status *statuses;
    uint32_t threads;
    each_visit visit;
    job_control *control;
    unsigned worker_count;
    reader *readers;

    crew crew;
    uint64_t next; /* under its lock */
};

/* Frees the work, also when it fails. */
SRM_MUST_USE srm_status each_start(each *e, srm_job **out);

/* What failed first is what a status names. */
void each_note(srm_segment_status *status, const srm_failure *failure);

#endif
