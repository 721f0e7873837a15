/* Jobs: what stops them, how they fail, and what waiting for them costs. */
#include "base/bytes.h"
#include "check.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RAW_LEN ((size_t)3 << 20)
#define STORED_CAP ((size_t)5 << 20)
#define PROMPT_MS 5000 /* generous: the machine may be busy */

static uint8_t *raw;    /* RAW_LEN bytes of noise */
static uint8_t *stored; /* STORED_CAP bytes */
static uint32_t threads = 1;

static int64_t now_ms(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void open_pipe(int ends[2]) {
    CHECK(pipe(ends) == 0);
}

static srm_source noise(void) {
    return from_memory(raw, RAW_LEN);
}

static srm_sink store(void) {
    return to_memory(stored, STORED_CAP);
}

static srm_job *start_seal(srm_source source, srm_sink sink) {
    srm_seal_options options = test_options(0, 1);
    srm_job *job = NULL;
    options.threads = threads;
    CHECK_STATUS(SRM_OK, srm_seal_start(&options, source, sink, &job));
    wipe(&options, sizeof options); /* the job must not need them any more */
    return job;
}

static srm_status finish(srm_job *job) {
    return srm_job_wait(job, 60000);
}

static void check_failure(
    srm_job *job, srm_status status, srm_place place, int os_error, uint64_t frame) {
    srm_result result;
    srm_failure failure;
    CHECK_STATUS(status, finish(job));
    CHECK_STATUS(SRM_OK, srm_job_result(job, &result, &failure));
    CHECK(failure.status == (int32_t)status && failure.place == (int32_t)place);
    CHECK(failure.os_error == os_error && failure.frame == frame);
    CHECK(result.stored_len == 0 && result.frames == 0 && result.raw_len == 0);
    CHECK(zero_run(result.root, sizeof result.root) == sizeof result.root);
}

/* Segment in `stored`; its length. */
static size_t seal_in_memory(void) {
    srm_result result;
    srm_failure failure;
    srm_job *job = start_seal(noise(), store());
    CHECK_STATUS(SRM_OK, finish(job));
    CHECK_STATUS(SRM_OK, srm_job_result(job, &result, &failure));
    CHECK(result.raw_len == RAW_LEN && failure.status == SRM_OK);
    srm_job_free(job);
    return (size_t)result.stored_len;
}

static void check_cancel_is_prompt(srm_job *job) {
    int64_t begun = now_ms();
    CHECK_STATUS(SRM_RUNNING, srm_job_wait(job, 150));
    srm_job_cancel(job);
    CHECK_STATUS(SRM_ECANCELLED, finish(job));
    CHECK(now_ms() - begun < PROMPT_MS);
    check_failure(job, SRM_ECANCELLED, SRM_AT_NONE, 0, 0);
}

static void a_job_whose_input_never_comes_can_be_cancelled(void) {
    int ends[2];
    open_pipe(ends);
    CHECK(write(ends[1], "some", 4) == 4);
    srm_job *job = start_seal(from_fd(ends[0]), store());
    check_cancel_is_prompt(job);
    srm_job_free(job);
    close(ends[0]);
    close(ends[1]);
}

static void a_job_whose_output_is_full_can_be_cancelled(void) {
    int ends[2];
    open_pipe(ends);
    srm_job *job = start_seal(noise(), to_fd(ends[1]));
    check_cancel_is_prompt(job);
    srm_job_free(job);
    CHECK((fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0); /* the caller's flags are untouched */
    close(ends[0]);
    close(ends[1]);
}

static void a_blocked_job_can_be_freed_without_waiting(void) {
    int ends[2];
    int64_t begun = now_ms();
    open_pipe(ends);
    srm_job_free(start_seal(from_fd(ends[0]), store()));
    srm_job_free(start_seal(noise(), to_fd(ends[1])));
    srm_job_free(start_seal(noise(), store()));
    srm_job_free(NULL);
    srm_job_cancel(NULL);
    CHECK(now_ms() - begun < PROMPT_MS);
    close(ends[0]);
    close(ends[1]);
}

static void a_cancelled_job_that_had_ended_stays_done(void) {
    srm_job *job = start_seal(noise(), store());
    CHECK_STATUS(SRM_OK, finish(job));
    srm_job_cancel(job);
    CHECK_STATUS(SRM_OK, finish(job));
    srm_job_free(job);
}

/* EPIPE without a signal: the test would die of it. */
static void an_output_that_closed_fails_with_its_error(void) {
    int ends[2];
    open_pipe(ends);
    close(ends[0]);
    srm_job *job = start_seal(noise(), to_fd(ends[1]));
    check_failure(job, SRM_EIO, SRM_AT_OUTPUT, EPIPE, 0);
    srm_job_free(job);
    close(ends[1]);
}

static void an_output_that_closes_while_the_job_waits_fails_with_its_error(void) {
    int ends[2];
    open_pipe(ends);
    srm_job *job = start_seal(noise(), to_fd(ends[1]));
    CHECK_STATUS(SRM_RUNNING, srm_job_wait(job, 100));
    close(ends[0]);
    check_failure(job, SRM_EIO, SRM_AT_OUTPUT, EPIPE, 0);
    srm_job_free(job);
    close(ends[1]);
}

static void a_full_disk_fails_with_its_error(void) {
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    srm_job *job = start_seal(noise(), to_fd(fd));
    check_failure(job, SRM_EIO, SRM_AT_OUTPUT, ENOSPC, 0);
    srm_job_free(job);
    close(fd);
}

static void a_descriptor_that_is_not_open_for_it_fails_with_its_error(void) {
    const int closed = 1000000;
    srm_job *job = start_seal(from_fd(closed), store());
    check_failure(job, SRM_EIO, SRM_AT_INPUT, EBADF, 0);
    srm_job_free(job);
    job = start_seal(noise(), to_fd(closed));
    check_failure(job, SRM_EIO, SRM_AT_OUTPUT, EBADF, 0);
    srm_job_free(job);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    job = start_seal(noise(), to_fd(fd));
    check_failure(job, SRM_EIO, SRM_AT_OUTPUT, EBADF, 0);
    srm_job_free(job);
    close(fd);
}

static void memory_too_small_for_the_output_is_a_limit(void) {
    size_t whole = seal_in_memory();
    const size_t caps[] = {0, 1, SRM_HEADER_LEN, SRM_HEADER_LEN + SRM_FRAME_LEN + 1, whole - 1};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        uint8_t *small = must_alloc(caps[i]); /* to the byte, for the sanitizers */
        srm_sink sink = {.fd = -1, .mem = small, .mem_cap = caps[i]};
        srm_job *job = start_seal(noise(), sink);
        check_failure(job, SRM_ELIMIT, SRM_AT_OUTPUT, 0, 0);
        srm_job_free(job);
        free(small);
    }
    srm_sink exact = {.fd = -1, .mem = stored, .mem_cap = whole};
    srm_job *job = start_seal(noise(), exact);
    CHECK_STATUS(SRM_OK, finish(job));
    srm_job_free(job);
}

static void on_alarm(int number) {
    (void)number;
}

static void waiting_takes_its_time_whatever_signals_arrive(void) {
    const struct itimerval often = {.it_interval.tv_usec = 20000, .it_value.tv_usec = 20000};
    const struct itimerval never = {.it_interval.tv_usec = 0};
    const struct sigaction action = {.sa_handler = on_alarm};
    int ends[2];
    open_pipe(ends);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    srm_job *job = start_seal(from_fd(ends[0]), store());
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    int64_t begun = now_ms();
    CHECK_STATUS(SRM_RUNNING, srm_job_wait(job, 300));
    int64_t took = now_ms() - begun;
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(took >= 299 && took < PROMPT_MS);
    begun = now_ms();
    CHECK_STATUS(SRM_RUNNING, srm_job_wait(job, 0));
    CHECK(now_ms() - begun < 300);
    srm_job_free(job);
    close(ends[0]);
    close(ends[1]);
}

static void impossible_waits_are_refused(void) {
    srm_job *job = start_seal(noise(), store());
    CHECK_STATUS(SRM_EINVAL, srm_job_wait(job, -1));
    CHECK_STATUS(SRM_EINVAL, srm_job_wait(job, 60001));
    CHECK_STATUS(SRM_EINVAL, srm_job_wait(NULL, 0));
    CHECK_STATUS(SRM_OK, finish(job));
    srm_job_free(job);
}

static void a_running_job_has_no_result(void) {
    int ends[2];
    srm_result result;
    srm_failure failure;
    open_pipe(ends);
    srm_job *job = start_seal(from_fd(ends[0]), store());
    memset(&result, 1, sizeof result);
    memset(&failure, 1, sizeof failure);
    CHECK_STATUS(SRM_ESTATE, srm_job_result(job, &result, &failure));
    CHECK(result.stored_len == 0 && failure.status == SRM_OK && failure.frame == 0);
    srm_job_free(job);
    close(ends[0]);
    close(ends[1]);
}

static void a_child_cannot_use_its_parents_job(void) {
    int ends[2];
    int child_status = 0;
    srm_result result;
    srm_failure failure;
    open_pipe(ends);
    srm_job *job = start_seal(from_fd(ends[0]), store());
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_STATUS(SRM_ESTATE, srm_job_wait(job, 1000));
        CHECK_STATUS(SRM_ESTATE, srm_job_result(job, &result, &failure));
        srm_job_cancel(job);
        srm_job_free(job);
        _exit(0);
    }
    CHECK(waitpid(child, &child_status, 0) == child);
    CHECK(WIFEXITED(child_status) && WEXITSTATUS(child_status) == 0);
    close(ends[1]); /* the end of the input */
    CHECK_STATUS(SRM_OK, finish(job));
    srm_job_free(job);
    close(ends[0]);
}

/* Takes all that comes out of a pipe, with rests. */
typedef struct taker {
    int fd;
    uint8_t *data; /* STORED_CAP bytes */
    size_t len;
} taker;

static void *take(void *argument) {
    taker *t = argument;
    for (;;) {
        ssize_t n = read(t->fd, t->data + t->len, min_size(100000, STORED_CAP - t->len));
        CHECK(n >= 0);
        if (n == 0)
            return NULL;
        t->len += (size_t)n;
        if (t->len % 7 == 0)
            (void)usleep(1000);
    }
}

static void a_stream_survives_pipes(void) {
    int in[2];
    int out[2];
    pthread_t thread;
    uint64_t bytes_in = 0;
    uint64_t bytes_out = 0;
    size_t len = seal_in_memory();
    taker t = {.data = must_alloc(STORED_CAP)};
    open_pipe(in);
    open_pipe(out);
    t.fd = out[0];
    CHECK(fcntl(in[0], F_SETFL, O_NONBLOCK) == 0); /* a caller's choice that must not matter */
    CHECK(pthread_create(&thread, NULL, take, &t) == 0);
    srm_job *job = NULL;
    srm_seal_options options = test_options(0, 1);
    CHECK_STATUS(SRM_OK,
        srm_open_start(stored, options.session_key, from_fd(in[0]), to_fd(out[1]), threads, &job));
    for (size_t at = SRM_HEADER_LEN; at < len;) {
        ssize_t n = write(in[1], stored + at, min_size(len - at, 70001));
        CHECK(n > 0);
        at += (size_t)n;
    }
    close(in[1]);
    CHECK_STATUS(SRM_OK, finish(job));
    srm_job_progress(job, &bytes_in, &bytes_out);
    CHECK(bytes_in == len - SRM_HEADER_LEN && bytes_out == RAW_LEN);
    srm_job_free(job);
    close(out[1]);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(t.len == RAW_LEN && memcmp(t.data, raw, RAW_LEN) == 0);
    free(t.data);
    close(in[0]);
    close(out[0]);
}

static srm_job *start_open(size_t len, uint8_t *opened) {
    srm_seal_options options = test_options(0, 1);
    srm_source source = from_memory(stored + SRM_HEADER_LEN, len - SRM_HEADER_LEN);
    srm_sink sink = to_memory(opened, RAW_LEN);
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_open_start(stored, options.session_key, source, sink, threads, &job));
    return job;
}

static srm_job *start_scrub(size_t len) {
    srm_source source = from_memory(stored + SRM_HEADER_LEN, len - SRM_HEADER_LEN);
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_scrub_start(stored, source, threads, &job));
    return job;
}

static void damage_is_found_and_placed(void) {
    size_t len = seal_in_memory();
    uint8_t *opened = must_alloc(RAW_LEN);
    uint64_t in = 0;
    uint64_t out = 0;
    stored[SRM_HEADER_LEN + 2 * SRM_FRAME_LEN] ^= 1;
    srm_job *job = start_open(len, opened);
    check_failure(job, SRM_EAUTH, SRM_AT_FRAME, 0, 2);
    srm_job_progress(job, &in, &out);
    CHECK(out == 2 * (uint64_t)SRM_CHUNK_LEN && memcmp(opened, raw, (size_t)out) == 0);
    srm_job_free(job);
    job = start_scrub(len);
    CHECK_STATUS(SRM_EDAMAGED, finish(job));
    srm_job_free(job);
    stored[SRM_HEADER_LEN + 2 * SRM_FRAME_LEN] ^= 1;
    job = start_scrub(len);
    CHECK_STATUS(SRM_OK, finish(job));
    srm_job_free(job);
    free(opened);
}

static void cut_off_or_continued_input_is_damaged(void) {
    size_t len = seal_in_memory();
    uint8_t *opened = must_alloc(RAW_LEN);
    const size_t cuts[] = {SRM_HEADER_LEN, SRM_HEADER_LEN + 1, SRM_HEADER_LEN + SRM_FRAME_LEN,
        len - SRM_TRAILER_LEN, len - 4096, len - 1, len + 1, len + 4096};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        srm_job *job = start_open(cuts[i], opened);
        CHECK_STATUS(SRM_EDAMAGED, finish(job));
        srm_job_free(job);
        job = start_scrub(cuts[i]);
        CHECK_STATUS(SRM_EDAMAGED, finish(job));
        srm_job_free(job);
    }
    free(opened);
}

static void wrong_arguments_start_nothing(void) {
    const srm_source bad_source = {.fd = -1, .mem = NULL, .mem_len = 1};
    const srm_sink bad_sink = {.fd = -1, .mem = NULL, .mem_cap = 1};
    srm_seal_options options = test_options(0, 1);
    srm_job *job = start_seal(noise(), store());
    srm_job *const before = job;
    uint8_t header[SRM_HEADER_LEN] = {0};
    CHECK_STATUS(SRM_EINVAL, srm_seal_start(NULL, noise(), store(), &job));
    CHECK(job == NULL);
    srm_job_free(before);
    CHECK_STATUS(SRM_EINVAL, srm_seal_start(&options, bad_source, store(), &job));
    CHECK_STATUS(SRM_EINVAL, srm_seal_start(&options, noise(), bad_sink, &job));
    CHECK_STATUS(SRM_EINVAL, srm_seal_start(&options, noise(), store(), NULL));
    CHECK_STATUS(
        SRM_EDAMAGED, srm_open_start(header, options.session_key, noise(), store(), 1, &job));
    CHECK_STATUS(SRM_EDAMAGED, srm_scrub_start(header, noise(), 1, &job));
    CHECK(job == NULL);
}

int main(void) {
    static const fact facts[] = {
        FACT(a_job_whose_input_never_comes_can_be_cancelled),
        FACT(a_job_whose_output_is_full_can_be_cancelled),
        FACT(a_blocked_job_can_be_freed_without_waiting),
        FACT(a_cancelled_job_that_had_ended_stays_done),
        FACT(an_output_that_closed_fails_with_its_error),
        FACT(an_output_that_closes_while_the_job_waits_fails_with_its_error),
        FACT(a_full_disk_fails_with_its_error),
        FACT(a_descriptor_that_is_not_open_for_it_fails_with_its_error),
        FACT(memory_too_small_for_the_output_is_a_limit),
        FACT(waiting_takes_its_time_whatever_signals_arrive),
        FACT(impossible_waits_are_refused),
        FACT(a_running_job_has_no_result),
        FACT(a_child_cannot_use_its_parents_job),
        FACT(a_stream_survives_pipes),
        FACT(damage_is_found_and_placed),
        FACT(cut_off_or_continued_input_is_damaged),
        FACT(wrong_arguments_start_nothing),
    };
    raw = must_alloc(RAW_LEN);
    stored = must_alloc(STORED_CAP);
    memset(stored, 0, STORED_CAP);
    fill_noise(raw, RAW_LEN, 1);
    int status = 0;
    for (threads = 1; threads <= 3; threads += 2)
        status |= check_facts(facts, sizeof facts / sizeof facts[0]);
    free(raw);
    free(stored);
    return status;
}
