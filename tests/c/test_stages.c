/* Each stage of sealing, opening and scrubbing fails, on each of several threads that are at it at
 * the same moment. The linker puts the functions below in front of those of the core. */
#include "base/bytes.h"
#include "check.h"
#include "codec/zstd.h"
#include "passes.h"
#include "pipeline/frames.h"
#include "segment/frame.h"
#include "segment/packer.h"
#include "segment/parser.h"
#include "threads/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define CHUNK_COUNT 12
#define RAW_LEN (CHUNK_COUNT * CHUNK)
#define CAP (RAW_LEN + 4 * (size_t)SRM_FRAME_LEN)
#define THREADS_MOST 8
#define NOBODY THREADS_MOST
#define SMALL_LEN SRM_TRAILER_LEN /* headers and trailers, which one thread reads and writes */
#define SPOILED_A 4
#define SPOILED_B 5

typedef enum stage {
    NO_STAGE,
    /* Many threads at once: */
    READ_AT,
    READ_FRAME,
    COMPRESS,
    SEAL_FRAME,
    OPEN_FRAME,
    DECOMPRESS,
    WRITE_AT,
    /* One thread after another: */
    READ_NEXT,
    LAY_OUT,
    PARSE,
    WRITE_NEXT
} stage;

static stage chosen;
static bool together;    /* the threads wait for each other there */
static uint32_t threads; /* of the job */
static unsigned victim;  /* which of those that come there fails */
static atomic_uint arrived;
static pthread_barrier_t barrier;
static _Thread_local bool came;
static _Thread_local bool failed_to_read;

static uint8_t *raw;        /* RAW_LEN bytes: noise and a quarter of text, mixed well */
static uint8_t *got;        /* CAP bytes */
static uint8_t *again;      /* CAP bytes */
static segment sealed;      /* of it */
static bool spoiling;       /* two chunks do not decompress */
static uint8_t spoiled[16]; /* how the earlier of them begins */

/* Any status but SRM_OK is that of the stage. */
static srm_status met(stage s) {
    if (s != chosen || (together && came))
        return SRM_OK;
    came = true;
    unsigned number = atomic_fetch_add(&arrived, 1);
    if (together && number < threads)
        (void)pthread_barrier_wait(&barrier);
    return number == victim ? SRM_ECRYPTO : SRM_OK;
}

#define DO_UNLESS_MET(s, call)                                                                     \
    do {                                                                                           \
        srm_status status_ = met(s);                                                               \
        return status_ == SRM_OK ? (call) : status_;                                               \
    } while (0)

/* --- in front of the core --- */

srm_status __real_input_read_at(input *, job_control *, uint64_t, uint8_t *, size_t);
srm_status __wrap_input_read_at(input *, job_control *, uint64_t, uint8_t *, size_t);
srm_status __wrap_input_read_at(
    input *s, job_control *control, uint64_t off, uint8_t *out, size_t len) {
    stage here = len > SMALL_LEN ? READ_AT : NO_STAGE;
    if (here == chosen && here != NO_STAGE)
        DO_UNLESS_MET(here, __real_input_read_at(s, control, off, out, len));
    return __real_input_read_at(s, control, off, out, len);
}

srm_status __real_input_read_next(input *, job_control *, uint8_t *, size_t, size_t *);
srm_status __wrap_input_read_next(input *, job_control *, uint8_t *, size_t, size_t *);
srm_status __wrap_input_read_next(
    input *s, job_control *control, uint8_t *out, size_t want, size_t *len) {
    srm_status status = met(READ_NEXT);
    failed_to_read = status != SRM_OK;
    return status == SRM_OK ? __real_input_read_next(s, control, out, want, len) : status;
}

void __real_crew_leave(crew *);
void __wrap_crew_leave(crew *);
void __wrap_crew_leave(crew *c) {
    __real_crew_leave(c);
    if (failed_to_read)
        (void)usleep(50000); /* the others have every chance to go on */
    failed_to_read = false;
}

srm_status __real_frames_read(
    frames *, job_control *, uint64_t, uint8_t *, const uint8_t **, size_t *, bool *);
srm_status __wrap_frames_read(
    frames *, job_control *, uint64_t, uint8_t *, const uint8_t **, size_t *, bool *);
srm_status __wrap_frames_read(frames *f, job_control *control, uint64_t index, uint8_t *buffer,
    const uint8_t **stored, size_t *len, bool *last) {
    DO_UNLESS_MET(READ_FRAME, __real_frames_read(f, control, index, buffer, stored, len, last));
}

srm_status __real_compressor_try(compressor *, const uint8_t *, size_t, bool, uint8_t *, size_t *);
srm_status __wrap_compressor_try(compressor *, const uint8_t *, size_t, bool, uint8_t *, size_t *);
srm_status __wrap_compressor_try(compressor *c, const uint8_t *data, size_t len, bool is_media,
    uint8_t *stored, size_t *stored_len) {
    srm_status status = met(COMPRESS);
    if (status == SRM_OK)
        status = __real_compressor_try(c, data, len, is_media, stored, stored_len);
    if (spoiling && (data == raw + SPOILED_A * CHUNK || data == raw + SPOILED_B * CHUNK))
        stored[0] ^= 1; /* of zstd's magic number */
    if (spoiling && data == raw + SPOILED_A * CHUNK)
        memcpy(spoiled, stored, sizeof spoiled);
    return status;
}

srm_status __real_decompressor_run(decompressor *, const uint8_t *, size_t, uint8_t *, size_t);
srm_status __wrap_decompressor_run(decompressor *, const uint8_t *, size_t, uint8_t *, size_t);
srm_status __wrap_decompressor_run(
    decompressor *d, const uint8_t *stored, size_t len, uint8_t *out, size_t out_len) {
    if (spoiling && len > sizeof spoiled && memcmp(stored, spoiled, sizeof spoiled) == 0)
        (void)usleep(20000); /* whoever fails later has every chance to be first */
    DO_UNLESS_MET(DECOMPRESS, __real_decompressor_run(d, stored, len, out, out_len));
}

srm_status __real_packer_put(packer *, const packed_chunk *, packed_frame[2], size_t *);
srm_status __wrap_packer_put(packer *, const packed_chunk *, packed_frame[2], size_t *);
srm_status __wrap_packer_put(
    packer *p, const packed_chunk *chunk, packed_frame made[2], size_t *count) {
    DO_UNLESS_MET(LAY_OUT, __real_packer_put(p, chunk, made, count));
}

srm_status __real_frame_seal(const segment_keys *, uint64_t, bool, const aead_piece *, size_t,
    uint8_t *, size_t, uint8_t[SRM_DIGEST_LEN]);
srm_status __wrap_frame_seal(const segment_keys *, uint64_t, bool, const aead_piece *, size_t,
    uint8_t *, size_t, uint8_t[SRM_DIGEST_LEN]);
srm_status __wrap_frame_seal(const segment_keys *keys, uint64_t index, bool last,
    const aead_piece *pieces, size_t count, uint8_t *out, size_t len,
    uint8_t digest[SRM_DIGEST_LEN]) {
    DO_UNLESS_MET(
        SEAL_FRAME, __real_frame_seal(keys, index, last, pieces, count, out, len, digest));
}

srm_status __real_frame_open_apart(const segment_keys *, uint64_t, bool, const uint8_t *, size_t,
    const aead_place *, uint8_t[SRM_DIGEST_LEN]);
srm_status __wrap_frame_open_apart(const segment_keys *, uint64_t, bool, const uint8_t *, size_t,
    const aead_place *, uint8_t[SRM_DIGEST_LEN]);
srm_status __wrap_frame_open_apart(const segment_keys *keys, uint64_t index, bool last,
    const uint8_t *in, size_t len, const aead_place *out, uint8_t digest[SRM_DIGEST_LEN]) {
    DO_UNLESS_MET(OPEN_FRAME, __real_frame_open_apart(keys, index, last, in, len, out, digest));
}

srm_status __real_parser_next(parser *, parsed_piece *);
srm_status __wrap_parser_next(parser *, parsed_piece *);
srm_status __wrap_parser_next(parser *p, parsed_piece *piece) {
    DO_UNLESS_MET(PARSE, __real_parser_next(p, piece));
}

srm_status __real_output_write_at(output *, job_control *, uint64_t, const uint8_t *, size_t);
srm_status __wrap_output_write_at(output *, job_control *, uint64_t, const uint8_t *, size_t);
srm_status __wrap_output_write_at(
    output *s, job_control *control, uint64_t off, const uint8_t *data, size_t len) {
    if (len <= SMALL_LEN)
        return __real_output_write_at(s, control, off, data, len);
    DO_UNLESS_MET(WRITE_AT, __real_output_write_at(s, control, off, data, len));
}

srm_status __real_output_write_next(output *, job_control *, const uint8_t *, size_t);
srm_status __wrap_output_write_next(output *, job_control *, const uint8_t *, size_t);
srm_status __wrap_output_write_next(
    output *s, job_control *control, const uint8_t *data, size_t len) {
    DO_UNLESS_MET(WRITE_NEXT, __real_output_write_next(s, control, data, len));
}

/* --- what is held against it --- */

static pass passing(verb what, way in, way out) {
    return (pass){.verb = what,
        .threads = threads,
        .level = 1,
        .in = in,
        .out = out,
        .data = what == SEAL ? raw : sealed.bytes,
        .len = what == SEAL ? RAW_LEN : sealed.len,
        .got = got,
        .got_cap = CAP};
}

static void check_opens(const uint8_t *stored, size_t len) {
    pass p = {.verb = OPEN, .threads = threads, .data = stored, .len = len};
    p.got = again;
    p.got_cap = CAP;
    CHECK_STATUS(SRM_OK, pass_run(&p).status);
    CHECK(p.got_len == RAW_LEN && memcmp(again, raw, RAW_LEN) == 0);
}

static outcome run(stage s, unsigned who, verb what, way in, way out) {
    pass p = passing(what, in, out);
    chosen = s;
    victim = who;
    atomic_store(&arrived, 0);
    outcome end = pass_run(&p);
    chosen = NO_STAGE;
    if (end.status == SRM_OK && what == SEAL)
        check_opens(got, p.got_len);
    else if (end.status == SRM_OK && what == OPEN)
        CHECK(p.got_len == RAW_LEN && memcmp(got, raw, RAW_LEN) == 0);
    else if (what == OPEN)
        CHECK(out == BY_FILE || memcmp(got, raw, p.got_len) == 0);
    return end;
}

static void check_shared(stage s, verb what, way in, way out) {
    together = true;
    CHECK(pthread_barrier_init(&barrier, NULL, threads) == 0);
    CHECK_STATUS(SRM_OK, run(s, NOBODY, what, in, out).status);
    CHECK(atomic_load(&arrived) == threads);
    for (unsigned who = 0; who < threads; who += threads > 3 ? threads - 1 : 1)
        CHECK_STATUS(SRM_ECRYPTO, run(s, who, what, in, out).status);
    CHECK(pthread_barrier_destroy(&barrier) == 0);
    together = false;
}

static void every_stage_fails_on_every_thread_while_the_others_are_at_it(void) {
    static const uint32_t counts[] = {3, THREADS_MOST};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        threads = counts[i];
        check_shared(READ_AT, SEAL, BY_FILE, BY_MEMORY);
        check_shared(COMPRESS, SEAL, BY_MEMORY, BY_FILE);
        check_shared(SEAL_FRAME, SEAL, BY_MEMORY, BY_PIPE);
        check_shared(WRITE_AT, SEAL, BY_PIPE, BY_FILE);
        check_shared(READ_FRAME, OPEN, BY_FILE, BY_MEMORY);
        check_shared(OPEN_FRAME, OPEN, BY_PIPE, BY_FILE);
        check_shared(DECOMPRESS, OPEN, BY_MEMORY, BY_MEMORY);
        check_shared(WRITE_AT, OPEN, BY_FILE, BY_FILE);
        check_shared(READ_FRAME, SCRUB, BY_FILE, BY_MEMORY);
    }
}

static void what_one_thread_does_at_a_time_fails_at_any_turn(void) {
    static const unsigned turns[] = {0, 6};
    for (threads = 1; threads <= 3; threads += 2)
        for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
            const unsigned turn = turns[i];
            CHECK_STATUS(SRM_ECRYPTO, run(READ_NEXT, turn, SEAL, BY_PIPE, BY_FILE).status);
            CHECK_STATUS(SRM_ECRYPTO, run(LAY_OUT, turn, SEAL, BY_FILE, BY_PIPE).status);
            CHECK_STATUS(SRM_ECRYPTO, run(WRITE_NEXT, turn, SEAL, BY_MEMORY, BY_PIPE).status);
            CHECK_STATUS(SRM_ECRYPTO, run(READ_NEXT, turn, OPEN, BY_PIPE, BY_MEMORY).status);
            CHECK_STATUS(SRM_ECRYPTO, run(PARSE, turn, OPEN, BY_MEMORY, BY_PIPE).status);
            CHECK_STATUS(SRM_ECRYPTO, run(WRITE_NEXT, turn, OPEN, BY_FILE, BY_PIPE).status);
            CHECK_STATUS(SRM_ECRYPTO, run(READ_NEXT, turn, SCRUB, BY_PIPE, BY_MEMORY).status);
        }
}

static void a_pipe_that_fails_has_not_ended(void) {
    threads = 3;
    for (unsigned turn = 0; turn < 4; turn++) {
        pass p = passing(SEAL, BY_PIPE, BY_PIPE);
        chosen = READ_NEXT;
        victim = turn;
        atomic_store(&arrived, 0);
        CHECK_STATUS(SRM_ECRYPTO, pass_run(&p).status);
        CHECK((p.got_len - SRM_HEADER_LEN) % SRM_FRAME_LEN == 0); /* no frame that is the last */
    }
    chosen = NO_STAGE;
}

/* Behind a chunk that does not decompress: another, and a frame that fails its tag. */
static void of_several_damages_the_first_is_named(void) {
    static const way outs[] = {BY_MEMORY, BY_FILE, BY_PIPE};
    srm_seal_options options = test_options(1, 0);
    segment bad;
    spoiling = true;
    segment_seal(&options, raw, RAW_LEN, &bad);
    uint64_t where = 0;
    for (size_t i = 0; i < 12; i++) {
        const uint64_t tagged = bad.result.frames - 3;
        uint8_t *byte = bad.bytes + SRM_HEADER_LEN + tagged * SRM_FRAME_LEN;
        threads = (uint32_t)(1 + i % 4);
        *byte ^= 1;
        pass p = passing(OPEN, BY_MEMORY, outs[i / 4]);
        p.data = bad.bytes;
        p.len = bad.len;
        outcome end = pass_run(&p);
        *byte ^= 1;
        CHECK_STATUS(SRM_EDAMAGED, end.status);
        CHECK(end.failure.place == SRM_AT_RECORD && end.failure.frame < tagged);
        CHECK(i == 0 || end.failure.frame == where);
        where = end.failure.frame;
    }
    spoiling = false;
    segment_free(&bad);
}

int main(void) {
    static const fact facts[] = {
        FACT(every_stage_fails_on_every_thread_while_the_others_are_at_it),
        FACT(what_one_thread_does_at_a_time_fails_at_any_turn),
        FACT(a_pipe_that_fails_has_not_ended),
        FACT(of_several_damages_the_first_is_named),
    };
    raw = must_alloc(RAW_LEN);
    got = must_alloc(CAP);
    again = must_alloc(CAP);
    fill_noise(raw, RAW_LEN, 1);
    for (size_t at = 0; at + 16384 < RAW_LEN; at += 16384)
        fill_text(raw + at, 4096);
    srm_seal_options options = test_options(1, 0);
    segment_seal(&options, raw, RAW_LEN, &sealed);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    segment_free(&sealed);
    free(raw);
    free(got);
    free(again);
    return status;
}
