/* Data segments sealed: the owner's envelope, readers of streams, scrubs and proofs without a key.
 */
#include "base/bytes.h"
#include "laid.h"
#include "passes.h"
#include "segment/frame.h"
#include "segment/owner.h"
#include "segment/root.h"

static void from_hex(const char *hex, uint8_t *out, size_t len) {
    CHECK(strlen(hex) == 2 * len);
    for (size_t i = 0; i < len; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1]};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
}

/* docs/FORMAT.md, the worked example. */
static void the_owners_envelope_of_the_example_opens(void) {
    srm_seal_options options = test_options(0, 0);
    uint8_t envelope[116];
    uint8_t wrap_key[SRM_KEY_LEN];
    uint8_t session_key[SRM_KEY_LEN];
    uint8_t header[SRM_HEADER_LEN];
    segment_keys keys;
    from_hex("3cf2edfba6cca52da135946a9e255e2652e4e565d917cb9320d45e81b06eb89d", wrap_key, 32);
    from_hex("01000070e8793d0a3206ede14ad54f859df08621bfcb9a5a31951b0ae4a33ad956c8296c"
             "87a5429fdde718bbcc9ce72711b7437de988a8c4459595733e37421a4f39e4b8b0855a32"
             "ac7cf18bc10d33fd36ac2326b598c804f9b727d5406ac69112315f521868af5cfc06b920"
             "2f46dc1bf12727c2",
        envelope, sizeof envelope);
    for (uint8_t i = 0; i < 32; i++) {
        options.session_key[i] = (uint8_t)(0x20 + i);
        options.repo_id[i] = (uint8_t)(0x40 + i);
        options.session_id[i % 16] = (uint8_t)(0x60 + i % 16);
    }
    options.envelopes = envelope;
    options.envelopes_len = sizeof envelope;
    options.type = SEGMENT_DATA;
    for (size_t at = 0; at <= sizeof envelope; at++) {
        if (at >= 4 && at < sizeof envelope)
            envelope[at] ^= 0x10;
        CHECK_STATUS(SRM_OK, header_build(&options, header, &keys));
        segment_keys_wipe(&keys);
        srm_status status = owner_open(header, wrap_key, session_key);
        bool right = at < 4 || at == sizeof envelope;
        CHECK(status == (right ? SRM_OK : at < 4 + 64 ? SRM_EAUTH : SRM_EDAMAGED));
        if (right)
            CHECK(memcmp(session_key, options.session_key, sizeof session_key) == 0);
        else
            CHECK(zero_run(session_key, sizeof session_key) == sizeof session_key);
        if (at >= 4 && at < sizeof envelope)
            envelope[at] ^= 0x10;
    }
    wrap_key[0] ^= 1;
    CHECK_STATUS(SRM_EAUTH, owner_open(header, wrap_key, session_key));
    header[20] ^= 1;
    CHECK_STATUS(SRM_EDAMAGED, owner_open(header, wrap_key, session_key));
}

static void readers_of_streams_refuse_data_segments(void) {
    srm_seal_options options = test_options(0, 0);
    uint8_t header[SRM_HEADER_LEN];
    uint8_t out[8];
    segment_keys keys;
    srm_job *job = NULL;
    srm_view *view;
    srm_failure failure;
    options.type = SEGMENT_DATA;
    CHECK_STATUS(SRM_EINVAL,
        srm_seal_start(&options, from_memory(laid_noise, 1), to_memory(out, sizeof out), &job));
    CHECK_STATUS(SRM_OK, header_build(&options, header, &keys));
    segment_keys_wipe(&keys);
    CHECK_STATUS(SRM_EUNSUPPORTED, srm_open_start(header, options.session_key,
                                       from_memory(laid_noise, 1), to_memory(out, 8), 1, &job));
    CHECK_STATUS(SRM_EUNSUPPORTED,
        srm_view_open(header, options.session_key, from_memory(laid_noise, 1), &view, &failure));
    CHECK(job == NULL && view == NULL && failure.place == SRM_AT_HEADER);
}

static void a_manifest_is_a_stream_by_another_type(void) {
    srm_seal_options options = test_options(3, 1);
    srm_header_info info;
    uint8_t raw[100];
    size_t raw_len;
    segment s;
    options.type = SEGMENT_MANIFEST;
    segment_seal(&options, laid_noise, sizeof raw, &s);
    CHECK_STATUS(SRM_OK, srm_header_parse(s.bytes, &info));
    CHECK(info.type == SEGMENT_MANIFEST);
    CHECK_STATUS(SRM_OK, segment_open(&s, options.session_key, 1, raw, sizeof raw, &raw_len));
    CHECK(raw_len == sizeof raw && memcmp(raw, laid_noise, raw_len) == 0);
    segment_free(&s);
}

/* --- without a key --- */

/* A whole data segment: header, frames, digests, trailer. */
static void seal_data(const laid *s, segment *out) {
    srm_seal_options options = test_options(0, 0);
    uint8_t digests[DATA_DIGESTS_LEN_MAX];
    segment_keys keys;
    options.type = SEGMENT_DATA;
    uint64_t off = layout_trailer_off(&s->layout);
    out->len = (size_t)off + data_trailer_len(&s->layout);
    out->bytes = must_alloc(out->len);
    CHECK_STATUS(SRM_OK, header_build(&options, out->bytes, &keys));
    for (uint64_t i = 0; i < s->frame_count; i++) {
        bool last = i + 1 == s->frame_count;
        size_t len = last ? s->layout.last_len : SRM_FRAME_LEN;
        aead_piece plain = {s->plain + i * FRAME_PLAIN_LEN, len - SRM_TAG_LEN};
        CHECK_STATUS(SRM_OK,
            frame_seal(&keys, i, last, &plain, 1, out->bytes + SRM_HEADER_LEN + i * SRM_FRAME_LEN,
                len, digests + i * SRM_DIGEST_LEN));
    }
    CHECK_STATUS(SRM_OK, root_of_digests(out->bytes, &s->layout, digests, out->result.root));
    data_trailer_store(out->bytes, out->result.root, &s->layout, digests, out->bytes + off);
    segment_keys_wipe(&keys);
}

static outcome scrub(const segment *s, way in) {
    pass p = {.verb = SCRUB, .threads = 3, .in = in, .data = s->bytes, .len = s->len};
    return pass_run(&p);
}

static void a_data_segment_is_scrubbed(void) {
    const uint32_t stored[] = {CHUNK, 900000, 400000, 77};
    const uint32_t raw[] = {CHUNK, CHUNK, 500000, 77};
    laid l;
    segment s;
    for (uint32_t count = 1; count <= 4; count++) {
        laid_lay(&l, stored, raw, count);
        seal_data(&l, &s);
        for (way in = BY_MEMORY; in <= BY_PIPE; in++) {
            outcome o = scrub(&s, in);
            CHECK_STATUS(SRM_OK, o.status);
            CHECK(memcmp(o.result.root, s.result.root, SRM_DIGEST_LEN) == 0);
            CHECK(o.result.frames == l.frame_count);
            CHECK(
                o.result.stored_len == layout_trailer_off(&l.layout) + data_trailer_len(&l.layout));
        }
        segment_free(&s);
        laid_release(&l);
    }
}

static void expect(const segment *s, srm_place place, uint64_t frame) {
    for (way in = BY_MEMORY; in <= BY_PIPE; in++) {
        outcome o = scrub(s, in);
        CHECK_STATUS(SRM_EDAMAGED, o.status);
        CHECK(o.failure.place == (int32_t)place && o.failure.frame == frame);
    }
}

static void a_scrub_names_the_frame_at_fault(void) {
    const uint32_t stored[] = {CHUNK, 900000, 400000, 77};
    const uint32_t raw[] = {CHUNK, CHUNK, 500000, 77};
    laid l;
    segment s;
    laid_lay(&l, stored, raw, 4);
    seal_data(&l, &s);
    size_t trailer = s.len - SRM_TRAILER_LEN;
    const struct {
        size_t at;
        srm_place place;
        uint64_t frame;
    } faults[] = {
        {SRM_HEADER_LEN, SRM_AT_FRAME, 0},
        {SRM_HEADER_LEN + SRM_FRAME_LEN + 5, SRM_AT_FRAME, 1},
        {trailer - 3 * SRM_DIGEST_LEN - 1, SRM_AT_FRAME, 2},
        {trailer - 1, SRM_AT_TRAILER, 0},
        {trailer, SRM_AT_ROOT, 0},
        {trailer + 4100, SRM_AT_ROOT, 0},
        {s.len - 1, SRM_AT_TRAILER, 0},
    };
    CHECK(l.frame_count == 3);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        s.bytes[faults[i].at] ^= 1;
        expect(&s, faults[i].place, faults[i].frame);
        s.bytes[faults[i].at] ^= 1;
    }
    size_t whole = s.len;
    for (size_t less = 1; less <= 64; less += 21) {
        s.len = whole - less;
        expect(&s, SRM_AT_TRAILER, 0);
    }
    segment_free(&s);
    laid_release(&l);
}

static void a_frame_of_a_data_segment_is_proven(void) {
    const uint32_t stored[] = {CHUNK, 900000};
    uint8_t proof[SRM_PROOF_LEN_MAX];
    size_t proof_len;
    srm_job *job;
    laid l;
    segment s;
    laid_lay(&l, stored, stored, 2);
    seal_data(&l, &s);
    CHECK_STATUS(SRM_OK, srm_prove_start(s.bytes, segment_source(&s), 1, 2, &job));
    CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
    CHECK_STATUS(SRM_OK, srm_job_proof(job, proof, &proof_len));
    srm_job_free(job);
    const uint8_t *frame = s.bytes + SRM_HEADER_LEN + SRM_FRAME_LEN;
    CHECK_STATUS(
        SRM_OK, srm_proof_check(proof, proof_len, frame, l.layout.last_len, s.result.root));
    proof[9] = SEGMENT_STREAM;
    CHECK_STATUS(
        SRM_EDAMAGED, srm_proof_check(proof, proof_len, frame, l.layout.last_len, s.result.root));
    segment_free(&s);
    laid_release(&l);
}

int main(void) {
    static const fact facts[] = {
        FACT(the_owners_envelope_of_the_example_opens),
        FACT(readers_of_streams_refuse_data_segments),
        FACT(a_manifest_is_a_stream_by_another_type),
        FACT(a_data_segment_is_scrubbed),
        FACT(a_scrub_names_the_frame_at_fault),
        FACT(a_frame_of_a_data_segment_is_proven),
    };
    return laid_facts(facts, sizeof facts / sizeof facts[0]);
}
