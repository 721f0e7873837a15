/* Given the same salt, the same bytes come out, however many threads made them and wherever they
 * came from. The linker puts the salt below in place of the core's random one. */
#include "base/bytes.h"
#include "check.h"
#include "crypto/random.h"
#include "passes.h"

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define RAW_LEN (7 * CHUNK + 4321)
#define CAP (RAW_LEN + 4 * (size_t)SRM_FRAME_LEN)

srm_status __wrap_random_hedged(uint8_t out[32]);

srm_status __wrap_random_hedged(uint8_t out[32]) {
    memset(out, 0x5a, 32);
    return SRM_OK;
}

static const uint32_t COUNTS[] = {1, 2, 3, 64};
#define COUNT_COUNT (sizeof COUNTS / sizeof COUNTS[0])
static const size_t LENS[] = {0, 4000, CHUNK, CHUNK + 1, RAW_LEN};
#define LEN_COUNT (sizeof LENS / sizeof LENS[0])

static uint8_t *raw;    /* RAW_LEN bytes */
static uint8_t *first;  /* CAP bytes */
static uint8_t *stored; /* CAP bytes */

static pass sealing(size_t len, int32_t level, uint32_t threads, way in, way out) {
    return (pass){.verb = SEAL,
        .threads = threads,
        .level = level,
        .in = in,
        .out = out,
        .data = raw,
        .len = len,
        .got = stored,
        .got_cap = CAP};
}

static size_t seal(pass p) {
    memset(stored, 0xee, CAP);
    outcome end = pass_run(&p);
    CHECK_STATUS(SRM_OK, end.status);
    CHECK(end.result.stored_len == p.got_len);
    return p.got_len;
}

/* By one thread from memory first, then in every other way. */
static void check_length(size_t len, int32_t level) {
    static const way ways[] = {BY_MEMORY, BY_FILE, BY_PIPE};
    size_t wanted = seal(sealing(len, level, 1, BY_MEMORY, BY_MEMORY));
    memcpy(first, stored, wanted);
    for (size_t i = 0; i < 9 * COUNT_COUNT; i++) {
        pass p = sealing(len, level, COUNTS[i / 9], ways[i % 3], ways[i / 3 % 3]);
        CHECK(seal(p) == wanted);
        CHECK(memcmp(stored, first, wanted) == 0);
    }
}

static void threads_do_not_show_in_what_is_stored_raw(void) {
    for (size_t i = 0; i < LEN_COUNT; i++)
        check_length(LENS[i], 0);
}

static void threads_do_not_show_in_what_is_compressed(void) {
    for (size_t i = 0; i < LEN_COUNT; i++)
        check_length(LENS[i], 1);
}

static void another_key_gives_other_bytes(void) {
    segment one;
    segment two;
    srm_seal_options options = test_options(0, 1);
    segment_seal(&options, raw, CHUNK, &one);
    options.session_key[0] ^= 1;
    segment_seal(&options, raw, CHUNK, &two);
    CHECK(one.len == two.len && memcmp(one.bytes, two.bytes, one.len) != 0);
    CHECK(memcmp(one.result.root, two.result.root, SRM_DIGEST_LEN) != 0);
    segment_free(&one);
    segment_free(&two);
}

int main(void) {
    static const fact facts[] = {
        LONG_FACT(threads_do_not_show_in_what_is_stored_raw),
        FACT(threads_do_not_show_in_what_is_compressed),
        FACT(another_key_gives_other_bytes),
    };
    raw = must_alloc(RAW_LEN);
    first = must_alloc(CAP);
    stored = must_alloc(CAP);
    fill_noise(raw, RAW_LEN, 3);
    for (size_t i = 0; i < 7; i++)
        if (i % 3 != 0) /* noise first, and between text */
            fill_text(raw + i * CHUNK, i * CHUNK / 7);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    free(raw);
    free(first);
    free(stored);
    return status;
}
