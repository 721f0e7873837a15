/* One stream, any number of threads, and many streams at once. */
#include "base/bytes.h"
#include "check.h"
#include "passes.h"

#include <sys/wait.h>
#include <unistd.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define RAW_LEN (9 * CHUNK + 4321)
#define CAP (RAW_LEN + 4 * (size_t)SRM_FRAME_LEN)
#define MANY 200
#define SMALL_LEN (CHUNK + 99)
#define SMALL_CAP (3 * (size_t)SRM_FRAME_LEN)

static const uint32_t COUNTS[] = {1, 2, 3, 8, 64};
#define COUNT_COUNT (sizeof COUNTS / sizeof COUNTS[0])

static uint8_t *raw;    /* RAW_LEN bytes: text and noise, so that records cross frames */
static uint8_t *stored; /* CAP bytes */
static uint8_t *opened; /* CAP bytes */

static pass sealing(uint32_t threads, way in, way out) {
    return (pass){.verb = SEAL,
        .threads = threads,
        .level = 1,
        .in = in,
        .out = out,
        .data = raw,
        .len = RAW_LEN,
        .got = stored,
        .got_cap = CAP};
}

static pass opening(uint32_t threads, size_t len, way in, way out) {
    return (pass){.verb = OPEN,
        .threads = threads,
        .in = in,
        .out = out,
        .data = stored,
        .len = len,
        .got = opened,
        .got_cap = CAP};
}

static pass scrubbing(uint32_t threads, size_t len, way in) {
    pass p = opening(threads, len, in, BY_MEMORY);
    p.verb = SCRUB;
    return p;
}

/* Seal, open and scrub; the segment's length. */
static size_t check_ways(uint32_t threads, way in, way out) {
    pass seal = sealing(threads, in, out);
    outcome sealed = pass_run(&seal);
    CHECK_STATUS(SRM_OK, sealed.status);
    CHECK(sealed.result.raw_len == RAW_LEN && sealed.result.stored_len == seal.got_len);
    CHECK(sealed.bytes_in == RAW_LEN && sealed.bytes_out == seal.got_len);

    pass open = opening(threads, seal.got_len, in, out);
    memset(opened, 0xee, CAP);
    outcome end = pass_run(&open);
    CHECK_STATUS(SRM_OK, end.status);
    CHECK(open.got_len == RAW_LEN && memcmp(opened, raw, RAW_LEN) == 0);
    CHECK(memcmp(&end.result, &sealed.result, sizeof sealed.result) == 0);

    pass scrub = scrubbing(threads, seal.got_len, in);
    end = pass_run(&scrub);
    CHECK_STATUS(SRM_OK, end.status);
    CHECK(memcmp(end.result.root, sealed.result.root, SRM_DIGEST_LEN) == 0);
    return seal.got_len;
}

static void any_number_of_threads_makes_the_same_stream(void) {
    size_t wanted = check_ways(1, BY_MEMORY, BY_MEMORY);
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        CHECK(check_ways(COUNTS[i], BY_MEMORY, BY_FILE) == wanted);
        CHECK(check_ways(COUNTS[i], BY_FILE, BY_PIPE) == wanted);
        CHECK(check_ways(COUNTS[i], BY_PIPE, BY_MEMORY) == wanted);
    }
    CHECK(check_ways(8, BY_PIPE, BY_PIPE) == wanted);
    CHECK(check_ways(0, BY_FILE, BY_FILE) == wanted);
}

static void a_job_may_be_stopped_at_any_moment(void) {
    size_t len = check_ways(8, BY_MEMORY, BY_MEMORY);
    uint8_t *sealed = must_alloc(len);
    memcpy(sealed, stored, len);
    uint64_t x = 7;
    for (unsigned i = 0; i < check_rounds(63); i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        unsigned after_us = (unsigned)(x >> 33) % (i % 2 == 0 ? 3000 : 30000);
        uint32_t threads = COUNTS[1 + i % (COUNT_COUNT - 1)];
        way in = (way)(i / 3 % 3);
        way out = (way)(i / 9 % 3);
        pass p = sealing(threads, in, out);
        if (i % 3 == 1)
            p = opening(threads, len, in, out);
        else if (i % 3 == 2)
            p = scrubbing(threads, len, in);
        if (p.verb != SEAL)
            p.data = sealed;
        pass_cancel(&p, after_us);
    }
    free(sealed);
}

/* Several threads look at a job, and one of them stops it. */
typedef struct watch {
    srm_job *job;
    pthread_barrier_t *together;
    bool stops;
} watch;

static void *look(void *argument) {
    const watch *w = argument;
    uint64_t in = 0;
    uint64_t out = 0;
    (void)pthread_barrier_wait(w->together);
    for (int i = 0; i < 200; i++) {
        uint64_t before = in + out;
        srm_job_progress(w->job, &in, &out);
        CHECK(in + out >= before);
        if (w->stops && i == 100)
            srm_job_cancel(w->job);
    }
    return NULL;
}

static void a_job_may_be_watched_and_stopped_by_other_threads(void) {
    for (unsigned round = 0; round < check_rounds(8); round++) {
        pthread_barrier_t together;
        pthread_t threads[3];
        watch watches[3];
        pass p = sealing(3, BY_MEMORY, BY_MEMORY);
        CHECK(pthread_barrier_init(&together, NULL, 4) == 0);
        srm_job *job = pass_start(&p, pass_source(&p), to_memory(stored, CAP));
        for (int i = 0; i < 3; i++) {
            watches[i] = (watch){.job = job, .together = &together, .stops = i == (int)(round % 4)};
            CHECK(pthread_create(&threads[i], NULL, look, &watches[i]) == 0);
        }
        (void)pthread_barrier_wait(&together);
        CHECK(srm_job_wait(job, 1) != SRM_EINVAL);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        outcome end = settle(job);
        CHECK(end.status == SRM_OK || (end.status == SRM_ECANCELLED && round % 4 < 3));
        CHECK(pthread_barrier_destroy(&together) == 0);
    }
}

/* Each stream gets a little by turns, so that all of them run for as long as any does. */
static void feed_by_turns(srm_job *const *jobs, const int *ends) {
    const size_t most = 60000;
    for (size_t off = 0; off < SMALL_LEN; off += most)
        for (size_t i = 0; i < MANY; i++) {
            const size_t len = SMALL_LEN - off < most ? SMALL_LEN - off : most;
            CHECK_STATUS(SRM_RUNNING, srm_job_wait(jobs[i], 0));
            CHECK(write(ends[i], raw + i + off, len) == (ssize_t)len);
        }
}

static void many_streams_at_once_do_not_mix(void) {
    srm_job *jobs[MANY];
    uint8_t *segments[MANY];
    size_t lens[MANY];
    int reads[MANY];
    int writes[MANY];
    for (size_t i = 0; i < MANY; i++) {
        int ends[2];
        pass p = {.verb = SEAL, .threads = 3, .level = (int32_t)(i % 2)};
        CHECK(pipe(ends) == 0);
        reads[i] = ends[0];
        writes[i] = ends[1];
        segments[i] = must_alloc(SMALL_CAP);
        jobs[i] = pass_start(&p, from_fd(reads[i]), to_memory(segments[i], SMALL_CAP));
    }
    feed_by_turns(jobs, writes);
    for (size_t i = 0; i < MANY; i++) {
        close(writes[i]);
        outcome end = settle(jobs[i]);
        CHECK_STATUS(SRM_OK, end.status);
        lens[i] = (size_t)end.result.stored_len;
        close(reads[i]);
    }
    uint8_t *outs = must_alloc(MANY * SMALL_LEN);
    for (size_t i = 0; i < MANY; i++) {
        pass p = {.verb = OPEN, .threads = 3, .data = segments[i], .len = lens[i]};
        jobs[i] = pass_start(&p, pass_source(&p), to_memory(outs + i * SMALL_LEN, SMALL_LEN));
    }
    for (size_t i = 0; i < MANY; i++) {
        CHECK_STATUS(SRM_OK, settle(jobs[i]).status);
        CHECK(memcmp(outs + i * SMALL_LEN, raw + i, SMALL_LEN) == 0);
        free(segments[i]);
    }
    free(outs);
}

static void check_in_child(srm_job *job) {
    srm_result result;
    srm_failure failure;
    srm_status waited = srm_job_wait(job, 1000);
    srm_status asked = srm_job_result(job, &result, &failure);
    srm_job_cancel(job); /* of its own copy of the memory: the parent does not notice */
    srm_job_free(job);
    _exit(waited == SRM_ESTATE && asked == SRM_ESTATE ? 0 : 1);
}

static void a_fork_leaves_the_job_to_the_parent(void) {
    for (unsigned round = 0; round < check_rounds(4); round++) {
        int child_status = 1;
        pass p = sealing(8, BY_MEMORY, BY_MEMORY);
        srm_job *job = pass_start(&p, pass_source(&p), to_memory(stored, CAP));
        (void)usleep(round % 4 * 1000);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            check_in_child(job);
        CHECK(waitpid(child, &child_status, 0) == child && child_status == 0);
        outcome end = settle(job);
        CHECK_STATUS(SRM_OK, end.status);
        pass open = opening(8, (size_t)end.result.stored_len, BY_MEMORY, BY_MEMORY);
        CHECK_STATUS(SRM_OK, pass_run(&open).status);
        CHECK(memcmp(opened, raw, RAW_LEN) == 0);
    }
}

int main(void) {
    static const fact facts[] = {
        FACT(any_number_of_threads_makes_the_same_stream),
        FACT(a_job_may_be_stopped_at_any_moment),
        FACT(a_job_may_be_watched_and_stopped_by_other_threads),
        FACT(many_streams_at_once_do_not_mix),
        FACT(a_fork_leaves_the_job_to_the_parent),
    };
    raw = must_alloc(RAW_LEN);
    stored = must_alloc(CAP);
    opened = must_alloc(CAP);
    fill_noise(raw, RAW_LEN, 1);
    for (size_t i = 0; i < 9; i++)
        fill_text(raw + i * CHUNK, i * CHUNK / 10);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    free(raw);
    free(stored);
    free(opened);
    return status;
}
