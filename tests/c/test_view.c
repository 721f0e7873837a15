/* Views: any place of a stream, and what an author who holds the keys may lie about. */
#include "base/bytes.h"
#include "check.h"
#include "segment/frame.h"
#include "segment/offsets.h"
#include "segment/record.h"
#include "segment/root.h"
#include "support.h"

#include <sys/mman.h>
#include <unistd.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define RAW_LEN (4 * CHUNK + 5000)
#define CHUNK_COUNT 5

static uint8_t *raw; /* RAW_LEN bytes: noise, text, noise, text, a bit */
static uint8_t *out; /* RAW_LEN + 1 bytes */
static segment sound;
static srm_seal_options options;

static srm_view *open_view(const segment *s) {
    srm_view *view = NULL;
    srm_failure failure;
    CHECK_STATUS(
        SRM_OK, srm_view_open(s->bytes, options.session_key, segment_source(s), &view, &failure));
    CHECK(view != NULL && failure.status == SRM_OK && failure.place == SRM_AT_NONE);
    return view;
}

static void check_read(srm_view *view, uint64_t off, size_t len) {
    srm_failure failure;
    size_t got = 1;
    size_t wanted = off < RAW_LEN ? min_size(len, (size_t)(RAW_LEN - off)) : 0;
    uint8_t *exact = must_alloc(wanted); /* to the byte, for the sanitizers */
    CHECK_STATUS(SRM_OK, srm_view_read(view, off, exact, len, &got, &failure));
    CHECK(got == wanted && (got == 0 || memcmp(exact, raw + off, got) == 0));
    free(exact);
}

static void every_place_can_be_read(void) {
    srm_view *view = open_view(&sound);
    CHECK(srm_view_len(view) == RAW_LEN);
    for (uint64_t chunk = 0; chunk <= CHUNK_COUNT; chunk++)
        for (uint64_t off = chunk * CHUNK - (chunk > 0); off <= chunk * CHUNK + 1; off++)
            for (size_t len = 0; len <= 3; len++)
                check_read(view, off, len);
    check_read(view, 0, RAW_LEN + 1);
    check_read(view, RAW_LEN - 1, 7);
    check_read(view, RAW_LEN, 7);
    check_read(view, UINT64_MAX - 7, 7);
    uint64_t x = 1;
    for (int i = 0; i < 60; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        check_read(view, (x >> 33) % RAW_LEN, (x >> 7) % (i % 3 == 0 ? 2 * CHUNK : 3000));
    }
    srm_view_free(view);
}

static void a_file_is_read_from_where_it_stands(void) {
    srm_view *view = NULL;
    srm_failure failure;
    size_t got = 1;
    int fd = memfd_create("view", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(write(fd, "before", 6) == 6);
    CHECK(write(fd, sound.bytes, sound.len) == (ssize_t)sound.len);
    CHECK(lseek(fd, 6 + SRM_HEADER_LEN, SEEK_SET) == 6 + SRM_HEADER_LEN);
    CHECK_STATUS(
        SRM_OK, srm_view_open(sound.bytes, options.session_key, from_fd(fd), &view, &failure));
    check_read(view, CHUNK - 5, 10);
    CHECK(ftruncate(fd, SRM_HEADER_LEN) == 0);
    memset(out, 0, CHUNK);
    CHECK_STATUS(SRM_ECHANGED, srm_view_read(view, 2 * CHUNK, out, CHUNK, &got, &failure));
    CHECK(got == 0 && failure.place == SRM_AT_INPUT && zero_run(out, CHUNK) == CHUNK);
    srm_view_free(view);
    close(fd);
}

static void wrong_arguments_open_nothing(void) {
    srm_view *view = NULL;
    srm_failure failure;
    size_t got = 1;
    int ends[2];
    uint8_t key[SRM_KEY_LEN] = {1};
    uint8_t byte = 0;
    const srm_source source = segment_source(&sound);
    CHECK(pipe(ends) == 0);
    CHECK_STATUS(SRM_EINVAL,
        srm_view_open(sound.bytes, options.session_key, from_fd(ends[0]), &view, &failure));
    CHECK_STATUS(SRM_EAUTH, srm_view_open(sound.bytes, key, source, &view, &failure));
    CHECK(view == NULL && failure.place == SRM_AT_HEADER && failure.status == SRM_EAUTH);
    CHECK_STATUS(SRM_EINVAL, srm_view_open(NULL, key, source, &view, &failure));
    CHECK_STATUS(SRM_EINVAL, srm_view_open(sound.bytes, NULL, source, &view, &failure));
    CHECK_STATUS(SRM_EINVAL, srm_view_open(sound.bytes, key, source, NULL, &failure));
    CHECK_STATUS(SRM_EINVAL, srm_view_open(sound.bytes, key, source, &view, NULL));
    CHECK_STATUS(
        SRM_EINVAL, srm_view_open(sound.bytes, key, from_memory(NULL, 1), &view, &failure));
    CHECK(srm_view_len(NULL) == 0);
    CHECK_STATUS(SRM_EINVAL, srm_view_read(NULL, 0, &byte, 1, &got, &failure));
    CHECK(got == 0);
    view = open_view(&sound);
    CHECK_STATUS(SRM_EINVAL, srm_view_read(view, 0, NULL, 1, &got, &failure));
    CHECK_STATUS(SRM_EINVAL, srm_view_read(view, UINT64_MAX, &byte, 1, &got, &failure));
    CHECK_STATUS(SRM_OK, srm_view_read(view, 0, NULL, 0, &got, &failure));
    srm_view_free(view);
    srm_view_free(NULL);
    close(ends[0]);
    close(ends[1]);
}

/* Frames 0 and 1 hold the first chunk and a part of the second; what lies elsewhere is read. */
static void damage_shows_where_it_is_and_only_there(void) {
    srm_failure failure;
    size_t got = 1;
    uint8_t *at = sound.bytes + SRM_HEADER_LEN + 5000;
    *at ^= 1;
    srm_view *view = open_view(&sound);
    for (int i = 0; i < 2; i++) {
        check_read(view, 3 * CHUNK, 9);
        memset(out, 0, 100);
        CHECK_STATUS(SRM_EAUTH, srm_view_read(view, 7, out, 100, &got, &failure));
        CHECK(got == 0 && zero_run(out, 100) == 100);
        CHECK(failure.status == SRM_EAUTH && failure.place == SRM_AT_FRAME && failure.frame == 0);
        check_read(view, 2 * CHUNK, 9);
    }
    *at ^= 1;
    at = sound.bytes + SRM_HEADER_LEN + (sound.result.frames - 2) * SRM_FRAME_LEN;
    *at ^= 1;
    memset(out, 0, RAW_LEN);
    CHECK_STATUS(SRM_EAUTH, srm_view_read(view, 0, out, RAW_LEN, &got, &failure));
    CHECK(
        got == 0 && zero_run(out, RAW_LEN) == RAW_LEN && failure.frame == sound.result.frames - 2);
    *at ^= 1;
    srm_view_free(view);
}

/* A copy of the sound segment, its last frame's plaintext altered by `alter`, sealed again. */
static void forge(void (*alter)(uint8_t *end, uint64_t how), uint64_t how, segment *s) {
    segment_keys keys;
    root_builder root;
    uint8_t digest[SRM_DIGEST_LEN];
    layout l;
    uint8_t *plain = must_alloc(SRM_FRAME_LEN);
    *s = (segment){.bytes = must_alloc(sound.len), .len = sound.len};
    memcpy(s->bytes, sound.bytes, sound.len);
    CHECK_STATUS(SRM_OK, header_unlock(s->bytes, options.session_key, &keys));
    CHECK_STATUS(SRM_OK, layout_of_length(s->len - SRM_HEADER_LEN - SRM_TRAILER_LEN, &l));
    CHECK_STATUS(SRM_OK, root_begin(&root, s->bytes));
    uint8_t *at = s->bytes + SRM_HEADER_LEN;
    for (uint64_t i = 0; i < l.frame_count; i++, at += SRM_FRAME_LEN) {
        bool last = i + 1 == l.frame_count;
        size_t len = last ? l.last_len : SRM_FRAME_LEN;
        CHECK_STATUS(SRM_OK, frame_open(&keys, i, last, at, len, plain, digest));
        if (last) {
            aead_piece piece = {plain, len - SRM_TAG_LEN};
            alter(plain + piece.len, how);
            CHECK_STATUS(SRM_OK, frame_seal(&keys, i, last, &piece, 1, at, len, digest));
        }
        CHECK_STATUS(SRM_OK, root_add(&root, digest, len, last));
    }
    CHECK_STATUS(SRM_OK, root_end(&root, digest));
    memcpy(s->result.root, digest, sizeof digest);
    trailer_store(s->bytes, digest, &l, s->bytes + s->len - SRM_TRAILER_LEN);
    root_free(&root);
    segment_keys_wipe(&keys);
    free(plain);
}

/* A job refuses such a segment; a view reads `unharmed` chunks of it, or cannot be opened. */
static void check_forged(const segment *s, bool opens, unsigned harmed) {
    size_t len = 0;
    srm_view *view = NULL;
    srm_failure failure;
    for (uint32_t threads = 1; threads <= 3; threads += 2)
        CHECK_STATUS(
            SRM_EDAMAGED, segment_open(s, options.session_key, threads, out, RAW_LEN, &len));
    srm_status status =
        srm_view_open(s->bytes, options.session_key, segment_source(s), &view, &failure);
    CHECK_STATUS(opens ? SRM_OK : SRM_EDAMAGED, status);
    CHECK_STATUS(status, (srm_status)failure.status);
    for (size_t i = 0; view != NULL && i < CHUNK_COUNT; i++) {
        size_t got = 1;
        status = srm_view_read(view, i * CHUNK + 1, out, 100, &got, &failure);
        CHECK_STATUS((harmed >> i & 1) != 0 ? SRM_EDAMAGED : SRM_OK, status);
        CHECK(status == SRM_OK ? memcmp(out, raw + i * CHUNK + 1, 100) == 0 : got == 0);
        CHECK(status == SRM_OK || failure.place == SRM_AT_DIRECTORY ||
              failure.place == SRM_AT_RECORD);
    }
    srm_view_free(view);
}

static uint8_t *entry(uint8_t *end, size_t chunk) {
    return end - FOOTER_LEN - (CHUNK_COUNT - chunk) * OFFSET_LEN;
}

static void alter_entry(uint8_t *end, uint64_t how) {
    store_be64(entry(end, 2), how);
}

static void swap_entries(uint8_t *end, uint64_t how) {
    uint64_t kept = load_be64(entry(end, (size_t)how));
    store_be64(entry(end, (size_t)how), load_be64(entry(end, (size_t)how + 1)));
    store_be64(entry(end, (size_t)how + 1), kept);
}

static void shift_entry(uint8_t *end, uint64_t how) {
    store_be64(entry(end, 2), load_be64(entry(end, 2)) + how);
}

static void directories_that_lie_harm_what_they_lie_about(void) {
    static const uint64_t offs[] = {0, 1, FRAME_PLAIN_LEN - 1, FRAME_PLAIN_LEN - 47,
        FRAME_PLAIN_LEN, FRAME_PLAIN_LEN + 1, 1 << 30, (uint64_t)1 << 44, (uint64_t)1 << 63,
        UINT64_MAX - 47, UINT64_MAX};
    segment s;
    for (size_t i = 0; i < sizeof offs / sizeof offs[0]; i++) {
        forge(alter_entry, offs[i], &s);
        check_forged(&s, true, 1u << 2);
        segment_free(&s);
    }
    for (uint64_t i = 0; i + 1 < CHUNK_COUNT; i++) {
        forge(swap_entries, i, &s);
        check_forged(&s, true, 3u << i);
        segment_free(&s);
    }
    for (uint64_t by = 1; by < 50; by += 12)
        for (int sign = 0; sign < 2; sign++) {
            forge(shift_entry, sign == 0 ? by : 0 - by, &s);
            check_forged(&s, true, 1u << 2);
            segment_free(&s);
        }
}

typedef struct claim {
    size_t field; /* of the footer, from its first byte */
    uint64_t add;
} claim;

static const claim CLAIMS[] = {{8, 1}, {8, 0 - (uint64_t)1}, {8, (uint64_t)1 << 60}, {16, 1},
    {16, 0 - (uint64_t)8}, {16, (uint64_t)1 << 63}, {24, 8}, {24, 0 - (uint64_t)8}, {32, 1},
    {32, 0 - (uint64_t)1}, {40, CHUNK}, {40, 0 - (uint64_t)CHUNK}, {40, (uint64_t)1 << 63}};

static void alter_footer(uint8_t *end, uint64_t how) {
    uint8_t *at = end - FOOTER_LEN + CLAIMS[how].field;
    store_be64(at, load_be64(at) + CLAIMS[how].add);
}

/* Where the records end is the one claim that a view cannot check: nothing shows it but they. */
static void footers_that_lie_are_refused(void) {
    segment s;
    for (size_t i = 0; i < sizeof CLAIMS / sizeof CLAIMS[0]; i++) {
        const bool opens = CLAIMS[i].field == 8 && CLAIMS[i].add != (uint64_t)1 << 60;
        forge(alter_footer, i, &s);
        check_forged(&s, opens, CLAIMS[i].add == 0 - (uint64_t)1 ? 1u << 4 : 0);
        segment_free(&s);
    }
}

int main(void) {
    static const fact facts[] = {
        FACT(every_place_can_be_read),
        FACT(a_file_is_read_from_where_it_stands),
        FACT(wrong_arguments_open_nothing),
        FACT(damage_shows_where_it_is_and_only_there),
        FACT(directories_that_lie_harm_what_they_lie_about),
        FACT(footers_that_lie_are_refused),
    };
    raw = must_alloc(RAW_LEN);
    out = must_alloc(RAW_LEN + 1);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        size_t len = min_size(CHUNK, RAW_LEN - i * CHUNK);
        fill_noise(raw + i * CHUNK, len, i + 1);
        if (i % 2 == 1)
            fill_text(raw + i * CHUNK, len);
    }
    options = test_options(1, 0);
    segment_seal(&options, raw, RAW_LEN, &sound);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    segment_free(&sound);
    free(raw);
    free(out);
    return status;
}
