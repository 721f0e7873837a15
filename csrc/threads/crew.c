#include "threads/crew.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

typedef struct member {
    pthread_t thread;
    void (*body)(void *shared, unsigned worker);
    void *shared;
    unsigned worker;
} member;

unsigned crew_size(uint32_t asked, uint64_t work_count) {
    uint64_t count = asked;
    if (asked == 0) {
        cpu_set_t allowed;
        count =
            sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? (uint64_t)CPU_COUNT(&allowed) : 1;
    }
    if (count > work_count)
        count = work_count;
    if (count > SRM_THREADS_MAX)
        count = SRM_THREADS_MAX;
    return count == 0 ? 1 : (unsigned)count;
}

static void *run(void *argument) {
    member *m = argument;
    m->body(m->shared, m->worker);
    return NULL;
}

void crew_run(unsigned count, void (*body)(void *shared, unsigned worker), void *shared) {
    member *others = count > 1 ? calloc(count - 1, sizeof *others) : NULL;
    unsigned started = 0;
    while (others != NULL && started < count - 1) {
        member *m = &others[started];
        *m = (member){.body = body, .shared = shared, .worker = started + 1};
        if (pthread_create(&m->thread, NULL, run, m) != 0)
            break;
        started++;
    }
    body(shared, 0);
    for (unsigned i = 0; i < started; i++)
        pthread_join(others[i].thread, NULL);
    free(others);
}
