/* Proofs that a frame is part of what a root names: made, checked, and refused. */
#include "base/bytes.h"
#include "check.h"
#include "passes.h"

#include <unistd.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define FRAME ((size_t)SRM_FRAME_LEN)
#define RAW_LEN (6 * CHUNK + 99)

static segment whole; /* seven frames */
static segment other; /* the same content, another salt */

typedef struct proof {
    uint8_t bytes[SRM_PROOF_LEN_MAX];
    size_t len;
    uint8_t root[SRM_DIGEST_LEN];
} proof;

static srm_job *start(const segment *s, srm_source source, uint64_t frame) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_prove_start(s->bytes, source, frame, 2, &job));
    return job;
}

static void make(const segment *s, srm_source source, uint64_t frame, proof *out) {
    srm_result result;
    srm_failure failure;
    srm_job *job = start(s, source, frame);
    srm_status status = SRM_RUNNING;
    while (status == SRM_RUNNING)
        status = srm_job_wait(job, 1000);
    CHECK_STATUS(SRM_OK, status);
    CHECK_STATUS(SRM_OK, srm_job_proof(job, out->bytes, &out->len));
    CHECK_STATUS(SRM_OK, srm_job_result(job, &result, &failure));
    memcpy(out->root, result.root, sizeof out->root);
    CHECK(memcmp(out->root, s->result.root, sizeof out->root) == 0);
    srm_job_free(job);
}

static const uint8_t *frame_at(const segment *s, uint64_t index) {
    return s->bytes + SRM_HEADER_LEN + index * FRAME;
}

static size_t frame_len(const segment *s, uint64_t index) {
    size_t frames_len = s->len - SRM_HEADER_LEN - SRM_TRAILER_LEN;
    return index + 1 < s->result.frames ? FRAME : frames_len - index * FRAME;
}

static srm_status check(const proof *p, const segment *s, uint64_t index) {
    return srm_proof_check(p->bytes, p->len, frame_at(s, index), frame_len(s, index), p->root);
}

static void every_frame_is_proven_and_no_other_in_its_place(void) {
    for (uint64_t i = 0; i < whole.result.frames; i++) {
        proof p;
        make(&whole, segment_source(&whole), i, &p);
        for (uint64_t j = 0; j < whole.result.frames; j++)
            CHECK_STATUS(j == i ? SRM_OK : SRM_EDAMAGED, check(&p, &whole, j));
    }
}

static void a_proof_from_a_file_is_the_one_from_memory(void) {
    proof from_mem;
    proof from_file;
    srm_source source = segment_source(&whole);
    int fd = file_of(source.mem, source.mem_len);
    make(&whole, source, 3, &from_mem);
    make(&whole, from_fd(fd), 3, &from_file);
    CHECK(from_mem.len == from_file.len);
    CHECK(memcmp(from_mem.bytes, from_file.bytes, from_mem.len) == 0);
    close(fd);
}

static void a_proof_is_not_one_for_another_segment(void) {
    proof p;
    proof q;
    make(&whole, segment_source(&whole), 2, &p);
    make(&other, segment_source(&other), 2, &q);
    CHECK_STATUS(SRM_EDAMAGED, check(&p, &other, 2));
    memcpy(p.root, q.root, sizeof p.root);
    CHECK_STATUS(SRM_EDAMAGED, check(&p, &whole, 2));
}

static void no_byte_of_a_proof_may_differ(void) {
    proof p;
    make(&whole, segment_source(&whole), 5, &p);
    for (size_t i = 0; i < p.len; i++) {
        p.bytes[i] ^= 1;
        srm_status status = check(&p, &whole, 5);
        CHECK(status == SRM_EDAMAGED || status == SRM_EUNSUPPORTED);
        p.bytes[i] ^= 1;
    }
    CHECK_STATUS(SRM_OK, check(&p, &whole, 5));
}

static void a_proof_of_another_length_is_refused(void) {
    proof p;
    make(&whole, segment_source(&whole), 6, &p);
    const size_t len = p.len;
    for (p.len = 0; p.len <= SRM_PROOF_LEN_MAX; p.len++)
        CHECK_STATUS(p.len == len ? SRM_OK : SRM_EDAMAGED, check(&p, &whole, 6));
}

static void a_frame_of_another_length_is_refused(void) {
    proof p;
    make(&whole, segment_source(&whole), 1, &p);
    const size_t lens[] = {0, 1, SRM_DIGEST_LEN, 2 * SRM_DIGEST_LEN, 4096, FRAME - 1, FRAME + 1};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++)
        CHECK_STATUS(
            SRM_EDAMAGED, srm_proof_check(p.bytes, p.len, frame_at(&whole, 1), lens[i], p.root));
}

static void what_cannot_be_proven_is_refused(void) {
    uint8_t bytes[SRM_PROOF_LEN_MAX];
    size_t len = 1;
    srm_job *job = start(&whole, segment_source(&whole), whole.result.frames);
    CHECK_STATUS(SRM_EINVAL, srm_job_wait(job, 60000));
    CHECK_STATUS(SRM_ESTATE, srm_job_proof(job, bytes, &len));
    CHECK(len == 0);
    srm_job_free(job);

    pass scrub = {.verb = SCRUB, .threads = 2, .data = whole.bytes, .len = whole.len};
    job = pass_start(&scrub, segment_source(&whole), to_memory(NULL, 0));
    CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
    CHECK_STATUS(SRM_ESTATE, srm_job_proof(job, bytes, &len));
    srm_job_free(job);

    srm_source source = segment_source(&whole);
    feeder f;
    int fd = feeder_start(&f, source.mem, source.mem_len, 1 << 20, 0);
    job = start(&whole, from_fd(fd), 0);
    CHECK_STATUS(SRM_EINVAL, srm_job_wait(job, 60000));
    srm_job_free(job);
    close(fd);
    feeder_join(&f);
    CHECK_STATUS(SRM_EINVAL, srm_job_proof(NULL, bytes, &len));
}

static void a_damaged_segment_proves_nothing(void) {
    uint8_t bytes[SRM_PROOF_LEN_MAX];
    size_t len = 1;
    whole.bytes[SRM_HEADER_LEN + 4 * FRAME] ^= 1;
    srm_job *job = start(&whole, segment_source(&whole), 0);
    CHECK_STATUS(SRM_EDAMAGED, srm_job_wait(job, 60000));
    CHECK_STATUS(SRM_ESTATE, srm_job_proof(job, bytes, &len));
    srm_job_free(job);
    whole.bytes[SRM_HEADER_LEN + 4 * FRAME] ^= 1;
}

int main(void) {
    static const fact facts[] = {
        FACT(every_frame_is_proven_and_no_other_in_its_place),
        FACT(a_proof_from_a_file_is_the_one_from_memory),
        FACT(a_proof_is_not_one_for_another_segment),
        FACT(no_byte_of_a_proof_may_differ),
        FACT(a_proof_of_another_length_is_refused),
        FACT(a_frame_of_another_length_is_refused),
        FACT(what_cannot_be_proven_is_refused),
        FACT(a_damaged_segment_proves_nothing),
    };
    uint8_t *raw = must_alloc(RAW_LEN);
    fill_noise(raw, RAW_LEN, 1);
    srm_seal_options options = test_options(0, 0);
    segment_seal(&options, raw, RAW_LEN, &whole);
    segment_seal(&options, raw, RAW_LEN, &other);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    segment_free(&whole);
    segment_free(&other);
    free(raw);
    return status;
}
