#include "threads/crew.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct shift {
    crew *crew;
    crew_step step;
    crew_done done;
    void *work;
} shift;

typedef struct member {
    pthread_t thread;
    const shift *shift;
    unsigned worker;
} member;

void crew_begin(crew *c) {
    c->status = SRM_OK;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
}

void crew_end(crew *c) {
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
}

unsigned crew_size(uint32_t asked, uint64_t work_count) {
    uint64_t count = asked;
    if (asked == 0) {
        cpu_set_t allowed;
        if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
            count = (uint64_t)CPU_COUNT(&allowed);
        else /* there may be more of them than the set has room for */
            count = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    }
    if (count > work_count)
        count = work_count;
    if (count > SRM_THREADS_MAX)
        count = SRM_THREADS_MAX;
    return count == 0 ? 1 : (unsigned)count;
}

void crew_leave(crew *c) {
    pthread_mutex_unlock(&c->lock);
}

void crew_enter(crew *c) {
    pthread_mutex_lock(&c->lock);
}

void crew_wait(crew *c) {
    pthread_cond_wait(&c->changed, &c->lock);
}

void crew_tell(crew *c) {
    pthread_cond_broadcast(&c->changed);
}

srm_status crew_await_turn(crew *c, const uint64_t *turn, uint64_t mine) {
    while (*turn != mine && c->status == SRM_OK)
        crew_wait(c);
    return c->status;
}

void crew_stop(crew *c, srm_status status) {
    if (c->status == SRM_OK)
        c->status = status;
}

static void take_steps(const shift *s, unsigned worker) {
    crew_enter(s->crew);
    while (s->crew->status == SRM_OK && !s->done(s->work)) {
        if (s->step(s->work, worker))
            crew_tell(s->crew);
        else if (s->crew->status == SRM_OK)
            crew_wait(s->crew);
    }
    crew_tell(s->crew);
    crew_leave(s->crew);
}

static void *run(void *argument) {
    member *m = argument;
    take_steps(m->shift, m->worker);
    return NULL;
}

srm_status crew_run(crew *c, unsigned count, crew_step step, crew_done done, void *work) {
    const shift s = {.crew = c, .step = step, .done = done, .work = work};
    member *others = count > 1 ? calloc(count - 1, sizeof *others) : NULL;
    unsigned started = 0;
    while (others != NULL && started < count - 1) {
        member *m = &others[started];
        *m = (member){.shift = &s, .worker = started + 1};
        if (pthread_create(&m->thread, NULL, run, m) != 0)
            break;
        started++;
    }
    take_steps(&s, 0);
    for (unsigned i = 0; i < started; i++)
        pthread_join(others[i].thread, NULL);
    free(others);
    return c->status;
}
