/* Whatever goes wrong, and wherever, by one thread and by many: what is said of it, and what had
 * come out before. */
#include "base/bytes.h"
#include "check.h"
#include "passes.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define FRAME ((size_t)SRM_FRAME_LEN)
#define RAW_LEN (11 * CHUNK + 77)
#define CAP (RAW_LEN + 4 * FRAME)
#define LONG_LEN (40 * CHUNK) /* more than is ever in flight */

static const uint32_t COUNTS[] = {1, 3, 8};
#define COUNT_COUNT (sizeof COUNTS / sizeof COUNTS[0])

static uint8_t *raw;  /* RAW_LEN bytes */
static uint8_t *got;  /* CAP bytes */
static segment mixed; /* compressed records that cross frames */
static segment noise; /* one raw chunk a frame */

static pass sealing(uint32_t threads, int32_t level, way in, way out) {
    return (pass){.verb = SEAL,
        .threads = threads,
        .level = level,
        .in = in,
        .out = out,
        .data = raw,
        .len = RAW_LEN,
        .got = got,
        .got_cap = CAP};
}

static pass opening(uint32_t threads, const segment *s, way in, way out) {
    return (pass){.verb = OPEN,
        .threads = threads,
        .in = in,
        .out = out,
        .data = s->bytes,
        .len = s->len,
        .got = got,
        .got_cap = CAP};
}

static void check_end(
    const outcome *end, srm_status status, srm_place place, int os_error, uint64_t frame) {
    CHECK_STATUS(status, end->status);
    CHECK(end->failure.place == (int32_t)place && end->failure.os_error == os_error);
    CHECK(end->failure.frame == frame);
}

static uint8_t *frame_of(const segment *s, uint64_t index) {
    return s->bytes + SRM_HEADER_LEN + index * FRAME;
}

/* How much plaintext comes before a damaged frame does not depend on anything. */
static size_t check_damage(const segment *s, uint64_t frame, bool exactly) {
    static const way ins[] = {BY_MEMORY, BY_PIPE, BY_FILE};
    static const way outs[] = {BY_PIPE, BY_MEMORY};
    size_t before = 0;
    for (size_t i = 0; i < 6 * COUNT_COUNT; i++) {
        pass p = opening(COUNTS[i / 6], s, ins[i % 3], outs[i / 3 % 2]);
        outcome end = pass_run(&p);
        check_end(&end, SRM_EAUTH, SRM_AT_FRAME, 0, frame);
        if (i == 0)
            before = p.got_len;
        CHECK(p.got_len == before && memcmp(got, raw, before) == 0);
    }
    CHECK(!exactly || before == frame * CHUNK);
    return before;
}

static void the_first_damaged_frame_is_named_and_all_before_it_comes_out(void) {
    static const uint64_t firsts[] = {0, 5};
    for (size_t i = 0; i < 2; i++)
        for (int which = 0; which < 2; which++) {
            const segment *s = which == 0 ? &noise : &mixed;
            const uint64_t last = s->result.frames - 1;
            *frame_of(s, firsts[i]) ^= 1;
            *frame_of(s, firsts[i] + 1) ^= 1;
            *frame_of(s, last) ^= 1;
            (void)check_damage(s, firsts[i], which == 0);
            *frame_of(s, firsts[i]) ^= 1;
            *frame_of(s, firsts[i] + 1) ^= 1;
            *frame_of(s, last) ^= 1;
        }
}

static void damage_before_the_input_ends_too_early_is_what_is_named(void) {
    const segment cut = {
        .bytes = noise.bytes, .len = SRM_HEADER_LEN + 2 * FRAME + SRM_TRAILER_LEN + 1};
    *frame_of(&noise, 1) ^= 1;
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        pass p = opening(COUNTS[i], &cut, BY_PIPE, BY_PIPE);
        outcome end = pass_run(&p);
        check_end(&end, SRM_EAUTH, SRM_AT_FRAME, 0, 1);
        CHECK(p.got_len == CHUNK);
    }
    *frame_of(&noise, 1) ^= 1;
}

static void a_pipe_gives_whole_chunks_before_the_input_ended_too_early(void) {
    const segment cut = {.bytes = noise.bytes, .len = noise.len - 3 * FRAME};
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        pass p = opening(COUNTS[i], &cut, BY_PIPE, BY_PIPE);
        outcome end = pass_run(&p);
        CHECK_STATUS(SRM_EDAMAGED, end.status);
        CHECK(end.failure.place == SRM_AT_TRAILER);
        CHECK(p.got_len % CHUNK == 0 && memcmp(got, raw, p.got_len) == 0);
    }
}

static void room_too_small_for_the_output_is_a_limit(void) {
    const size_t caps[] = {0, 5000, FRAME, 3 * FRAME + 5, RAW_LEN - 1};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0] * COUNT_COUNT; i++) {
        const size_t cap = caps[i / COUNT_COUNT];
        pass p = sealing(COUNTS[i % COUNT_COUNT], 0, BY_MEMORY, BY_MEMORY);
        p.got = must_alloc(cap); /* to the byte, for the sanitizers */
        p.got_cap = cap;
        outcome end = pass_run(&p);
        check_end(&end, SRM_ELIMIT, SRM_AT_OUTPUT, 0, 0);
        pass open = opening(p.threads, i % 2 == 0 ? &mixed : &noise, BY_FILE, BY_MEMORY);
        open.got = p.got;
        open.got_cap = cap;
        end = pass_run(&open);
        check_end(&end, SRM_ELIMIT, SRM_AT_OUTPUT, 0, 0);
        free(p.got);
    }
}

static void a_full_disk_fails_with_its_error(void) {
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        pass p = sealing(COUNTS[i], 1, BY_MEMORY, BY_FILE);
        outcome end = settle(pass_start(&p, pass_source(&p), to_fd(fd)));
        check_end(&end, SRM_EIO, SRM_AT_OUTPUT, ENOSPC, 0);
        p = opening(COUNTS[i], &mixed, BY_MEMORY, BY_FILE);
        end = settle(pass_start(&p, pass_source(&p), to_fd(fd)));
        check_end(&end, SRM_EIO, SRM_AT_OUTPUT, ENOSPC, 0);
    }
    close(fd);
}

static void a_consumer_that_leaves_fails_the_job_with_its_error(void) {
    uint64_t x = 3;
    for (size_t i = 0; i < 6 * COUNT_COUNT; i++) {
        taker t;
        x = x * 6364136223846793005u + 1442695040888963407u;
        pass p = i % 2 == 0 ? sealing(COUNTS[i % COUNT_COUNT], 1, BY_MEMORY, BY_PIPE)
                            : opening(COUNTS[i % COUNT_COUNT], &mixed, BY_MEMORY, BY_PIPE);
        int fd = taker_start(&t, got, 1 + (x >> 33) % (RAW_LEN / 2));
        outcome end = settle(pass_start(&p, pass_source(&p), to_fd(fd)));
        check_end(&end, SRM_EIO, SRM_AT_OUTPUT, EPIPE, 0);
        close(fd);
        taker_join(&t);
    }
}

/* The job knows of the damage while the consumer has not taken what came before it. */
static void whoever_ends_a_damaged_stream_early_hears_one_story(void) {
    *frame_of(&noise, 1) ^= 1;
    for (size_t i = 0; i < 2 * COUNT_COUNT; i++) {
        int ends[2];
        CHECK(pipe(ends) == 0);
        pass p = opening(COUNTS[i / 2], &noise, BY_MEMORY, BY_PIPE);
        srm_job *job = pass_start(&p, pass_source(&p), to_fd(ends[1]));
        CHECK_STATUS(SRM_RUNNING, srm_job_wait(job, 60));
        if (i % 2 == 0)
            close(ends[0]);
        else
            srm_job_cancel(job);
        outcome end = settle(job); /* status and failure agree */
        CHECK(end.status == SRM_EAUTH || end.status == (i % 2 == 0 ? SRM_EIO : SRM_ECANCELLED));
        if (i % 2 == 1)
            close(ends[0]);
        close(ends[1]);
    }
    *frame_of(&noise, 1) ^= 1;
}

static void a_producer_that_stalls_is_waited_for(void) {
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        feeder f;
        pass p = sealing(COUNTS[i], 1, BY_PIPE, BY_MEMORY);
        int fd = feeder_start(&f, raw, 2 * CHUNK + 9, 30011, 1000);
        outcome end = settle(pass_start(&p, from_fd(fd), to_memory(got, CAP)));
        CHECK_STATUS(SRM_OK, end.status);
        CHECK(end.result.raw_len == 2 * CHUNK + 9);
        close(fd);
        feeder_join(&f);
    }
}

/* A long file of zeros, stored raw; its consumer waits until the file was cut. */
static void check_cut(verb what, uint32_t threads, const segment *whole) {
    int ends[2];
    const size_t skip = what == SEAL ? 0 : SRM_HEADER_LEN;
    const off_t kept = (off_t)(4 * FRAME);
    int fd = what == SEAL ? file_of(NULL, 0) : file_of(whole->bytes, whole->len);
    CHECK(what != SEAL || ftruncate(fd, LONG_LEN) == 0);
    CHECK(lseek(fd, (off_t)skip, SEEK_SET) == (off_t)skip);
    CHECK(pipe(ends) == 0);
    pass p = {.verb = what, .threads = threads, .data = whole->bytes, .len = whole->len};
    srm_job *job = pass_start(&p, from_fd(fd), to_fd(ends[1]));
    CHECK_STATUS(SRM_RUNNING, srm_job_wait(job, 20));
    CHECK(ftruncate(fd, kept) == 0);
    ssize_t n = 1;
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    while (srm_job_wait(job, n > 0 ? 0 : 1) == SRM_RUNNING)
        n = read(ends[0], got, 100000);
    outcome end = settle(job);
    check_end(&end, SRM_ECHANGED, SRM_AT_INPUT, 0, 0);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

static void a_file_cut_while_it_is_read_has_changed(void) {
    srm_seal_options options = test_options(0, 0);
    segment whole;
    uint8_t *zeros = calloc(1, LONG_LEN);
    CHECK(zeros != NULL);
    segment_seal(&options, zeros, LONG_LEN, &whole);
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        check_cut(SEAL, COUNTS[i], &whole);
        check_cut(OPEN, COUNTS[i], &whole);
    }
    segment_free(&whole);
    free(zeros);
}

/* A file of holes that takes seconds to hash, and ends as a segment does. */
static void a_file_cut_while_it_is_scrubbed_has_changed(void) {
    const off_t trailer_off = (off_t)(20000 * FRAME);
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        int fd = file_of(NULL, 0);
        CHECK(pwrite(fd, noise.bytes + noise.len - SRM_TRAILER_LEN, SRM_TRAILER_LEN, trailer_off) ==
              SRM_TRAILER_LEN);
        pass p = {.verb = SCRUB, .threads = COUNTS[i], .data = noise.bytes};
        srm_job *job = pass_start(&p, from_fd(fd), to_memory(NULL, 0));
        CHECK_STATUS(SRM_RUNNING, srm_job_wait(job, 20));
        CHECK(ftruncate(fd, (off_t)FRAME) == 0);
        outcome end = settle(job);
        check_end(&end, SRM_ECHANGED, SRM_AT_INPUT, 0, 0);
        close(fd);
    }
}

int main(void) {
    static const fact facts[] = {
        FACT(the_first_damaged_frame_is_named_and_all_before_it_comes_out),
        FACT(damage_before_the_input_ends_too_early_is_what_is_named),
        FACT(a_pipe_gives_whole_chunks_before_the_input_ended_too_early),
        FACT(room_too_small_for_the_output_is_a_limit),
        FACT(a_full_disk_fails_with_its_error),
        FACT(a_consumer_that_leaves_fails_the_job_with_its_error),
        FACT(whoever_ends_a_damaged_stream_early_hears_one_story),
        FACT(a_producer_that_stalls_is_waited_for),
        FACT(a_file_cut_while_it_is_read_has_changed),
        FACT(a_file_cut_while_it_is_scrubbed_has_changed),
    };
    raw = must_alloc(RAW_LEN);
    got = must_alloc(CAP);
    fill_noise(raw, RAW_LEN, 1);
    srm_seal_options options = test_options(1, 0);
    for (size_t at = 0; at + 16384 < RAW_LEN; at += 16384)
        fill_text(raw + at, 2048);
    segment_seal(&options, raw, RAW_LEN, &mixed);
    options.level = 0;
    segment_seal(&options, raw, RAW_LEN, &noise);
    CHECK(mixed.result.frames > 7 && mixed.result.frames < noise.result.frames);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    segment_free(&mixed);
    segment_free(&noise);
    free(raw);
    free(got);
    return status;
}
