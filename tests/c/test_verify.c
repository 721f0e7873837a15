/* Segments checked whole: what is harmed is found and named, and nothing else. */
#include "base/bytes.h"
#include "check.h"
#include "repository.h"
#include "segment/record.h"
#include "segment/root.h"

#include <unistd.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define WHOLE_COUNT 3
#define PACKED_COUNT 30
#define CHUNK_COUNT (WHOLE_COUNT + PACKED_COUNT)
enum { WHOLE = 1, PACKED = 2 }; /* names of segments */

static repository repo;
static uint8_t *raw;
static chunk chunks[CHUNK_COUNT];
static stored_segment stored[3];

typedef struct verdict {
    outcome end;
    srm_segment_status statuses[2];
    uint8_t bad[CHUNK_COUNT][32];
    uint64_t bad_count;
} verdict;

static void put_packed(alteration alter, void *how) {
    repository_put(
        &repo, PACKED, chunks + WHOLE_COUNT, PACKED_COUNT, 3, alter, how, &stored[PACKED]);
}

static void put_whole(void) {
    repository_put(&repo, WHOLE, chunks, WHOLE_COUNT, 0, NULL, NULL, &stored[WHOLE]);
}

static void make_chunks(void) {
    size_t at = 0;
    raw = must_alloc(CHUNK_COUNT * CHUNK);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        size_t len = i < WHOLE_COUNT ? CHUNK : 1 + (i * 7919 * 131) % 300000;
        if (i % 3 == 2)
            fill_text(raw + at, len);
        else
            fill_noise(raw + at, len, i + 1);
        chunks[i] = (chunk){.raw = raw + at, .raw_len = (uint32_t)len};
        at += len;
    }
}

static verdict verify_with(const repository *r, uint32_t threads) {
    verdict v = {0};
    uint8_t ids[2 * 16];
    uint8_t roots[2 * 32];
    const uint8_t *bad = NULL;
    srm_job *job = NULL;
    srm_segments *g = repository_segments(r);
    for (size_t i = 0; i < 2; i++) {
        memcpy(ids + 16 * i, stored[i + 1].id, 16);
        memcpy(roots + 32 * i, stored[i + 1].root, 32);
    }
    CHECK_STATUS(SRM_OK, srm_verify_start(g, ids, roots, 2, v.statuses, threads, &job));
    CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
    CHECK_STATUS(SRM_OK, srm_job_ids(job, &bad, &v.bad_count));
    CHECK(v.bad_count == v.statuses[0].bad_chunks + v.statuses[1].bad_chunks);
    for (size_t i = 0; i < 2; i++)
        CHECK(v.statuses[i].bad_first + v.statuses[i].bad_chunks <= v.bad_count);
    CHECK(v.bad_count <= CHUNK_COUNT);
    if (v.bad_count > 0)
        memcpy(v.bad, bad, v.bad_count * 32);
    v.end = settle(job);
    srm_segments_free(g);
    return v;
}

/* The first segment is sound; the second is not. */
static verdict check_harmed(srm_status status, srm_place place, uint64_t bad_count) {
    verdict v = verify_with(&repo, 2);
    CHECK_STATUS(SRM_OK, (srm_status)v.statuses[0].status);
    CHECK_STATUS(status, (srm_status)v.statuses[1].status);
    if (v.statuses[1].place != (int32_t)place)
        (void)fprintf(stderr, "at the %s\n", srm_place_text(v.statuses[1].place));
    CHECK(v.statuses[1].place == (int32_t)place);
    CHECK(v.bad_count == bad_count);
    return v;
}

static bool is_bad(const verdict *v, const chunk *c) {
    for (uint64_t i = 0; i < v->bad_count; i++)
        if (memcmp(v->bad[i], c->id, 32) == 0)
            return true;
    return false;
}

static uint64_t end_of(size_t i) {
    const bool last = i + 1 == CHUNK_COUNT;
    return last ? chunks[i].off + (uint64_t)RECORD_HEAD_LEN + 1 : chunks[i + 1].off;
}

static bool touches(size_t i, uint64_t frame) {
    return chunks[i].off / FRAME_PLAIN_LEN <= frame && (end_of(i) - 1) / FRAME_PLAIN_LEN >= frame;
}

/* --- facts --- */

static void sound_segments_are_found_sound(void) {
    for (uint32_t threads = 1; threads <= 3; threads++) {
        verdict v = verify_with(&repo, threads);
        for (size_t i = 0; i < 2; i++) {
            CHECK_STATUS(SRM_OK, (srm_status)v.statuses[i].status);
            CHECK(v.statuses[i].length == stored[i + 1].length);
        }
        CHECK(v.statuses[0].chunks == WHOLE_COUNT && v.statuses[1].chunks == PACKED_COUNT);
        CHECK(v.bad_count == 0);
        CHECK(v.end.bytes_in >= stored[1].length + stored[2].length - 3 * SRM_TRAILER_LEN);
    }
}

static void a_bad_frame_is_named_with_the_chunks_in_it(void) {
    const uint64_t full = stored[PACKED].layout.frame_count - 1;
    CHECK(full > 1);
    for (uint64_t frame = 0; frame < full; frame++) {
        uint64_t bad_count = 0;
        for (size_t i = WHOLE_COUNT; i < CHUNK_COUNT; i++)
            bad_count += touches(i, frame);
        repository_flip(&repo, PACKED, SRM_HEADER_LEN + frame * SRM_FRAME_LEN + 12345);
        verdict v = check_harmed(SRM_EAUTH, SRM_AT_FRAME, bad_count);
        CHECK(v.statuses[1].frame == frame && bad_count > 0 && bad_count < PACKED_COUNT);
        for (size_t i = WHOLE_COUNT; i < CHUNK_COUNT; i++)
            CHECK(is_bad(&v, &chunks[i]) == touches(i, frame));
        repository_flip(&repo, PACKED, SRM_HEADER_LEN + frame * SRM_FRAME_LEN + 12345);
    }
    repository_flip(&repo, PACKED, SRM_HEADER_LEN + full * SRM_FRAME_LEN);
    verdict v = check_harmed(SRM_EAUTH, SRM_AT_FRAME, 0);
    CHECK(v.statuses[1].frame == full && v.statuses[1].chunks == 0);
    repository_flip(&repo, PACKED, SRM_HEADER_LEN);
    v = check_harmed(SRM_EAUTH, SRM_AT_FRAME, 0);
    CHECK(v.statuses[1].frame == 0);
    put_packed(NULL, NULL);
}

static void every_bit_outside_of_frames_counts_too(void) {
    const uint64_t end = layout_trailer_off(&stored[PACKED].layout);
    const uint64_t fixed = stored[PACKED].length - SRM_TRAILER_LEN;
    for (uint64_t off = 0; off < SRM_HEADER_LEN; off += check_step(97)) {
        repository_flip(&repo, PACKED, off);
        (void)check_harmed(SRM_EDAMAGED, SRM_AT_HEADER, 0);
        repository_flip(&repo, PACKED, off);
    }
    for (uint64_t off = end; off < stored[PACKED].length; off += check_step(off < fixed ? 5 : 97)) {
        repository_flip(&repo, PACKED, off);
        (void)check_harmed(SRM_EDAMAGED, SRM_AT_TRAILER, 0);
        repository_flip(&repo, PACKED, off);
    }
    for (uint64_t off = stored[PACKED].length - 64; off < stored[PACKED].length;
        off += check_step(1)) {
        repository_flip(&repo, PACKED, off);
        (void)check_harmed(SRM_EDAMAGED, SRM_AT_TRAILER, 0);
        repository_flip(&repo, PACKED, off);
    }
    (void)check_harmed(SRM_OK, SRM_AT_NONE, 0);
}

static void a_segment_of_another_length_is_harmed(void) {
    const uint64_t length = stored[PACKED].length;
    const uint64_t cuts[] = {length - 1, length - SRM_TRAILER_LEN,
        layout_trailer_off(&stored[PACKED].layout), SRM_HEADER_LEN + SRM_FRAME_LEN, SRM_HEADER_LEN,
        length + 1, length + 4096, length + 100 * (uint64_t)SRM_FRAME_LEN};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        repository_cut(&repo, PACKED, cuts[i]);
        (void)check_harmed(SRM_EDAMAGED, SRM_AT_TRAILER, 0);
        put_packed(NULL, NULL);
    }
    repository_cut(&repo, PACKED, 77);
    (void)check_harmed(SRM_EDAMAGED, SRM_AT_HEADER, 0);
    put_packed(NULL, NULL);
}

static void a_sound_segment_that_is_not_the_one_meant_is_found_out(void) {
    stored[PACKED].root[7] ^= 1;
    (void)check_harmed(SRM_EDAMAGED, SRM_AT_ROOT, 0);
    stored[PACKED].root[7] ^= 1;
    repository_swap(&repo, WHOLE, PACKED);
    verdict v = verify_with(&repo, 2);
    for (size_t i = 0; i < 2; i++)
        CHECK(v.statuses[i].status == SRM_EDAMAGED && v.statuses[i].place == SRM_AT_ROOT);
    repository_swap(&repo, WHOLE, PACKED);
    repository_remove(&repo, PACKED);
    (void)check_harmed(SRM_ENOTFOUND, SRM_AT_INPUT, 0);
    put_packed(NULL, NULL);
}

static void with_another_key_nothing_is_found_sound(void) {
    repository other = repo;
    other.wrap_key[31] ^= 1;
    verdict v = verify_with(&other, 2);
    CHECK(v.statuses[0].status == SRM_EAUTH && v.statuses[0].place == SRM_AT_HEADER);
    other = repo;
    other.repo_id[31] ^= 1;
    v = verify_with(&other, 2);
    CHECK(v.statuses[0].status == SRM_EDAMAGED && v.statuses[0].place == SRM_AT_HEADER);
    other = repo;
    other.chunk_key[31] ^= 1;
    v = verify_with(&other, 2);
    CHECK(v.statuses[0].status == SRM_EDAMAGED && v.statuses[0].place == SRM_AT_RECORD);
    CHECK(v.bad_count == CHUNK_COUNT);
}

/* --- authors who hold the keys, and lie --- */

typedef struct lie {
    uint64_t frame;
    size_t at;
} lie;

static void alter_byte(const data_frame *frame, uint8_t *plain, size_t len, void *how) {
    const lie *l = how;
    if (frame->index == l->frame && l->at < len)
        plain[l->at] ^= 1;
}

static void a_lie_about_one_chunk_is_about_that_one_alone(void) {
    const size_t liar = WHOLE_COUNT + 4;
    for (size_t at = 0; at < RECORD_HEAD_LEN + 3; at += check_step(1)) {
        lie l = {chunks[liar].off / FRAME_PLAIN_LEN, chunks[liar].off % FRAME_PLAIN_LEN + at};
        put_packed(alter_byte, &l);
        verdict v = check_harmed(SRM_EDAMAGED, SRM_AT_RECORD, 1);
        CHECK(is_bad(&v, &chunks[liar]));
    }
    put_packed(NULL, NULL);
}

static void bytes_that_belong_to_nothing_are_found(void) {
    const uint64_t last = stored[PACKED].layout.frame_count - 1;
    const uint64_t directory = stored[PACKED].layout.last_len - SRM_TAG_LEN - FOOTER_LEN -
                               (uint64_t)PACKED_COUNT * DATA_ENTRY_LEN - RECORD_HEAD_LEN;
    lie l = {last, (size_t)directory - 1};
    put_packed(alter_byte, &l);
    (void)check_harmed(SRM_EDAMAGED, SRM_AT_DIRECTORY, 0);
    for (size_t at = (size_t)directory; at < directory + RECORD_HEAD_LEN; at += 7) {
        l.at = at;
        put_packed(alter_byte, &l);
        (void)check_harmed(SRM_EDAMAGED, SRM_AT_DIRECTORY, 0);
    }
    put_packed(NULL, NULL);
}

/* A record that ends short of a boundary leaves bytes that no head fits into. */
static void bytes_that_were_skipped_must_be_zero(void) {
    enum { GAP = 40 };
    chunk two[2] = {
        {.raw = raw, .raw_len = (uint32_t)(CHUNK - GAP)}, {.raw = raw + 1, .raw_len = 9}};
    lie l = {0, FRAME_PLAIN_LEN - 1};
    repository_put(&repo, PACKED, two, 2, 0, NULL, NULL, &stored[PACKED]);
    CHECK(two[1].off == FRAME_PLAIN_LEN);
    (void)check_harmed(SRM_OK, SRM_AT_NONE, 0);
    repository_put(&repo, PACKED, two, 2, 0, alter_byte, &l, &stored[PACKED]);
    (void)check_harmed(SRM_EDAMAGED, SRM_AT_PADDING, 0);
    put_packed(NULL, NULL);
}

static void a_lying_directory_is_not_followed(void) {
    const uint64_t last = stored[PACKED].layout.frame_count - 1;
    const size_t end = stored[PACKED].layout.last_len - SRM_TAG_LEN;
    const size_t entry = end - FOOTER_LEN - 5 * (size_t)DATA_ENTRY_LEN;
    for (size_t at = entry; at < entry + 16; at += check_step(1)) {
        lie l = {last, at};
        put_packed(alter_byte, &l);
        (void)check_harmed(SRM_EDAMAGED, SRM_AT_DIRECTORY, 0);
    }
    for (size_t at = entry + 16; at < entry + 48; at += check_step(3)) {
        lie l = {last, at};
        put_packed(alter_byte, &l);
        (void)check_harmed(SRM_EDAMAGED, SRM_AT_DIRECTORY, 1);
    }
    for (size_t at = end - FOOTER_LEN; at < end; at += check_step(1)) {
        lie l = {last, at};
        put_packed(alter_byte, &l);
        (void)check_harmed(SRM_EDAMAGED, SRM_AT_DIRECTORY, 0);
    }
    put_packed(NULL, NULL);
}

static void a_job_that_is_stopped_says_so(void) {
    srm_segments *g = repository_segments(&repo);
    for (unsigned i = 0; i < 20; i++) {
        srm_segment_status status;
        srm_job *job = NULL;
        const uint8_t *ids = NULL;
        uint64_t count = 1;
        CHECK_STATUS(SRM_OK,
            srm_verify_start(g, stored[PACKED].id, stored[PACKED].root, 1, &status, 1, &job));
        usleep(i * 200);
        srm_job_cancel(job);
        srm_status ended = srm_job_wait(job, 60000);
        CHECK(ended == SRM_OK || ended == SRM_ECANCELLED);
        CHECK(status.status == (int32_t)ended);
        CHECK_STATUS(ended == SRM_OK ? SRM_OK : SRM_ESTATE, srm_job_ids(job, &ids, &count));
        CHECK(count == 0);
        (void)settle(job);
    }
    srm_segments_free(g);
}

static void a_directory_lists_the_chunks_in_the_order_of_storing(void) {
    srm_chunk_entry entries[PACKED_COUNT];
    srm_failure failure;
    uint64_t count = 0;
    const uint8_t *id = stored[PACKED].id;
    srm_segments *g = repository_segments(&repo);
    CHECK_STATUS(SRM_OK, srm_segment_directory(g, id, entries, PACKED_COUNT, &count, &failure));
    CHECK(count == PACKED_COUNT);
    for (size_t i = 0; i < PACKED_COUNT; i++) {
        const chunk *c = &chunks[WHOLE_COUNT + i];
        CHECK(memcmp(entries[i].id, c->id, sizeof c->id) == 0);
        CHECK(entries[i].raw_len == c->raw_len);
        CHECK(entries[i].stored_len > 0 && entries[i].stored_len <= c->raw_len);
    }
    CHECK(srm_segment_directory(g, id, entries, PACKED_COUNT - 1, &count, &failure) != SRM_OK);
    CHECK_STATUS(SRM_ENOTFOUND,
        srm_segment_directory(g, stored[PACKED].root, entries, PACKED_COUNT, &count, &failure));
    CHECK(count == 0);
    CHECK_STATUS(SRM_EINVAL, srm_segment_directory(g, id, NULL, 1, &count, &failure));
    CHECK_STATUS(SRM_EINVAL, srm_segment_directory(NULL, id, entries, 1, &count, &failure));
    CHECK_STATUS(SRM_EINVAL, srm_segment_directory(g, id, entries, 1, NULL, &failure));
    srm_segments_free(g);
}

static void wrong_arguments_start_nothing(void) {
    srm_segment_status status;
    srm_job *job = NULL;
    const uint8_t *ids = NULL;
    uint64_t count = 0;
    const stored_segment *s = &stored[PACKED];
    srm_segments *g = repository_segments(&repo);
    CHECK_STATUS(SRM_EINVAL, srm_verify_start(NULL, s->id, s->root, 1, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_verify_start(g, NULL, s->root, 1, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_verify_start(g, s->id, NULL, 1, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_verify_start(g, s->id, s->root, 1, NULL, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_verify_start(g, s->id, s->root, UINT64_MAX, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_verify_start(g, s->id, s->root, 1, &status, 1, NULL));
    CHECK_STATUS(SRM_EINVAL, srm_job_ids(NULL, &ids, &count));
    CHECK(job == NULL);
    CHECK_STATUS(SRM_OK, srm_verify_start(g, NULL, NULL, 0, NULL, 0, &job));
    CHECK_STATUS(SRM_EINVAL, srm_job_ids(job, NULL, &count));
    CHECK_STATUS(SRM_EINVAL, srm_job_ids(job, &ids, NULL));
    CHECK_STATUS(SRM_OK, settle(job).status);
    srm_segments_free(g);
}

int main(void) {
    static const fact facts[] = {
        FACT(sound_segments_are_found_sound),
        FACT(a_bad_frame_is_named_with_the_chunks_in_it),
        LONG_FACT(every_bit_outside_of_frames_counts_too),
        LONG_FACT(a_segment_of_another_length_is_harmed),
        FACT(a_sound_segment_that_is_not_the_one_meant_is_found_out),
        FACT(with_another_key_nothing_is_found_sound),
        LONG_FACT(a_lie_about_one_chunk_is_about_that_one_alone),
        LONG_FACT(bytes_that_belong_to_nothing_are_found),
        FACT(bytes_that_were_skipped_must_be_zero),
        LONG_FACT(a_lying_directory_is_not_followed),
        FACT(a_job_that_is_stopped_says_so),
        FACT(a_directory_lists_the_chunks_in_the_order_of_storing),
        FACT(wrong_arguments_start_nothing),
    };
    make_chunks();
    repository_begin(&repo);
    put_whole();
    put_packed(NULL, NULL);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    repository_end(&repo);
    free(raw);
    return status;
}
