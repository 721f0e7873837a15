/* Several threads that do one job between them, step by step, under one lock. */
#ifndef THREADS_CREW_H
#define THREADS_CREW_H

#include "strongroom.h"

#include <pthread.h>
#include <stdbool.h>

typedef struct crew {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    srm_status status; /* under lock: the first failure */
} crew;

void crew_begin(crew *c);
void crew_end(crew *c);

/* How many threads a job should have: asked, or (0) as many as there are processors this process
 * may run on; at most work_count, the number of pieces the work falls into; at least 1. */
unsigned crew_size(uint32_t asked, uint64_t work_count);

/* Do whatever is next, if anything is: false if not. Has the lock when it is called and when it
 * returns; leaves it for what takes long. worker: 0 to count - 1. */
typedef bool (*crew_step)(void *work, unsigned worker);
/* Is all done? Has the lock. */
typedef bool (*crew_done)(const void *work);

/* Take steps on count threads, the caller's among them, until all is done or something failed;
 * return once all threads have ended. Where the system gives fewer threads, those do it all. */
SRM_MUST_USE srm_status crew_run(
    crew *c, unsigned count, crew_step step, crew_done done, void *work);

/* For steps: give up the lock, and take it again. */
void crew_leave(crew *c);
void crew_enter(crew *c);
/* With the lock: wait until something has changed, or say that it has. */
void crew_wait(crew *c);
void crew_tell(crew *c);
/* With the lock: wait until *turn is mine. SRM_OK, or what something else failed of. */
SRM_MUST_USE srm_status crew_await_turn(crew *c, const uint64_t *turn, uint64_t mine);
/* With the lock: end with this status, unless something else failed before. SRM_OK does nothing. */
void crew_stop(crew *c, srm_status status);

#endif
