/* Several threads that work on one thing side by side, and end together. */
#ifndef THREADS_CREW_H
#define THREADS_CREW_H

#include "strongroom.h"

/* How many threads a job should have: asked, or (0) as many as there are processors this process
 * may run on; at most work_count, the number of pieces the work falls into; at least 1. */
unsigned crew_size(uint32_t asked, uint64_t work_count);

/* Run body(shared, worker) on count threads, worker being 0 to count - 1, and return when all
 * have. Worker 0 is the calling thread. Where the system gives fewer threads, those do the work:
 * body must not count on the others. */
void crew_run(unsigned count, void (*body)(void *shared, unsigned worker), void *shared);

#endif
