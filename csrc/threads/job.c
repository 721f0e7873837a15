#include "threads/job.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct srm_job {
    job_body body;
    job_release release;
    void *work;
    pid_t owner;
    pthread_t thread;
    job_control control;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock: */
    bool ended;
    srm_status status;
};

static srm_status note(job_control *control, srm_failure failure) {
    if (!atomic_exchange(&control->failed, true))
        control->failure = failure;
    return (srm_status)failure.status;
}

srm_status job_fail(job_control *control, srm_status status, srm_place place, int os_error) {
    return note(control,
        (srm_failure){.status = (int32_t)status, .place = (int32_t)place, .os_error = os_error});
}

srm_status job_fail_at(job_control *control, srm_status status, srm_place place, uint64_t frame) {
    return note(
        control, (srm_failure){.status = (int32_t)status, .place = (int32_t)place, .frame = frame});
}

static void *run(void *argument) {
    srm_job *job = argument;
    srm_status status = job->body(job->work, &job->control);
    if (status != SRM_OK && atomic_load(&job->control.failed))
        status = (srm_status)job->control.failure.status; /* of several, what failed first */
    pthread_mutex_lock(&job->lock);
    job->status = status;
    job->ended = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
    return NULL;
}

static bool make_lock(srm_job *job) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&job->changed, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    if (ok && pthread_mutex_init(&job->lock, NULL) != 0) {
        pthread_cond_destroy(&job->changed);
        ok = false;
    }
    return ok;
}

static void drop_lock(srm_job *job) {
    pthread_mutex_destroy(&job->lock);
    pthread_cond_destroy(&job->changed);
}

srm_status job_start(job_body body, job_release release, void *work, srm_job **out) {
    *out = NULL;
    srm_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return SRM_ENOMEM;
    job->body = body;
    job->release = release;
    job->work = work;
    job->owner = getpid();
    if (!make_lock(job)) {
        free(job);
        return SRM_ENOMEM;
    }
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&job->thread, NULL, run, job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        drop_lock(job);
        free(job);
        return SRM_ENOMEM;
    }
    *out = job;
    return SRM_OK;
}

static struct timespec deadline(int32_t timeout_ms) {
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

srm_status job_wait(srm_job *job, int32_t timeout_ms) {
    if (job->owner != getpid())
        return SRM_ESTATE; /* the thread stayed with the parent */
    struct timespec until = deadline(timeout_ms);
    pthread_mutex_lock(&job->lock);
    int waited = 0;
    while (!job->ended && waited == 0)
        waited = pthread_cond_timedwait(&job->changed, &job->lock, &until);
    srm_status status = job->ended ? job->status : SRM_RUNNING;
    pthread_mutex_unlock(&job->lock);
    return status;
}

job_control *job_controls(srm_job *job) {
    return &job->control;
}

bool job_ended(srm_job *job) {
    return job->owner == getpid() && job_wait(job, 0) != SRM_RUNNING;
}

void job_free(srm_job *job) {
    if (job == NULL || job->owner != getpid())
        return; /* a child's copy: its thread does not exist, its lock may be held for ever */
    atomic_store(&job->control.cancelled, true);
    pthread_join(job->thread, NULL);
    job->release(job->work);
    free(job->control.ids);
    drop_lock(job);
    free(job);
}
