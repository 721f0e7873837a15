/* One piece of work on a thread of its own, which others watch and may stop. */
#ifndef THREADS_JOB_H
#define THREADS_JOB_H

#include "strongroom.h"

#include <stdatomic.h>
#include <stdbool.h>

/* What the work and its watchers share. */
typedef struct job_control {
    atomic_bool cancelled;
    atomic_uint_fast64_t bytes_in;
    atomic_uint_fast64_t bytes_out;
    atomic_bool failed; /* the first to set it writes failure */
    /* Read once the work has ended: */
    srm_failure failure;
    srm_result result;
    uint8_t proof[SRM_PROOF_LEN_MAX];
    size_t proof_len;
    uint8_t *ids; /* id_count of SRM_DIGEST_LEN bytes; the job frees them */
    uint64_t id_count;
} job_control;

/* Note what failed, if nothing failed before, and return status. Any thread of the work. */
srm_status job_fail(job_control *control, srm_status status, srm_place place, int os_error);
/* The same for what failed at one frame. */
srm_status job_fail_at(job_control *control, srm_status status, srm_place place, uint64_t frame);

/* Does the work; its status is the job's. It must look at control->cancelled often. */
typedef srm_status (*job_body)(void *work, job_control *control);
typedef void (*job_release)(void *work);

/* Run body(work) on a new thread that no signal reaches; release(work) when the job is freed.
 * On any error the work stays the caller's. */
SRM_MUST_USE srm_status job_start(job_body body, job_release release, void *work, srm_job **out);

SRM_MUST_USE srm_status job_wait(srm_job *job, int32_t timeout_ms);
job_control *job_controls(srm_job *job);
bool job_ended(srm_job *job);
void job_free(srm_job *job);

#endif
