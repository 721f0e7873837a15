/* Streams sealed and opened in memory, by one thread and by several, and what is refused. */
#include "base/bytes.h"
#include "check.h"
#include "codec/zstd.h"
#include "segment/offsets.h"
#include "segment/record.h"
#include "support.h"

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define RAW_CAP (5 * CHUNK)

static uint8_t *raw;    /* RAW_CAP bytes */
static uint8_t *opened; /* RAW_CAP bytes */

typedef enum content { NOISE, TEXT, TEXT_THEN_NOISE, NOISE_THEN_TEXT } content;

static void fill(content what, size_t len) {
    for (size_t at = 0, i = 0; at < len; at += CHUNK, i++) {
        size_t step = min_size(CHUNK, len - at);
        bool even = i % 2 == 0;
        if (what == TEXT || (what == TEXT_THEN_NOISE && even) || (what == NOISE_THEN_TEXT && !even))
            fill_text(raw + at, step);
        else
            fill_noise(raw + at, step, i + 1);
    }
}

static void check_view(const segment *s, const uint8_t key[SRM_KEY_LEN], size_t len) {
    srm_view *view = NULL;
    srm_failure failure;
    size_t got = 0;
    CHECK_STATUS(SRM_OK, srm_view_open(s->bytes, key, segment_source(s), &view, &failure));
    CHECK(srm_view_len(view) == len);
    memset(opened, 0xee, RAW_CAP);
    CHECK_STATUS(SRM_OK, srm_view_read(view, 0, opened, RAW_CAP, &got, &failure));
    CHECK(got == len && memcmp(opened, raw, len) == 0);
    srm_view_free(view);
}

/* One thread's segment stays in *s. */
static void check_round_trip(size_t len, int32_t level, int32_t pad, segment *s) {
    static const uint32_t threads[] = {3, 1};
    srm_seal_options options = test_options(level, pad);
    segment by_three;
    for (size_t i = 0; i < 2; i++) {
        size_t opened_len = 0;
        options.threads = threads[i];
        segment_seal(&options, raw, len, i == 0 ? &by_three : s);
        memset(opened, 0xee, RAW_CAP);
        CHECK_STATUS(SRM_OK, segment_open(i == 0 ? &by_three : s, options.session_key,
                                 threads[1 - i], opened, RAW_CAP, &opened_len));
        CHECK(opened_len == len && memcmp(opened, raw, len) == 0);
    }
    CHECK(s->len == by_three.len && s->result.frames == by_three.result.frames);
    check_view(s, options.session_key, len);
    segment_free(&by_three);
}

static void every_length_around_a_boundary_comes_back(void) {
    static const size_t middles[] = {1, 48, 4096 - 16 - 64 - 96, CHUNK - 112, CHUNK - 64, CHUNK,
        FRAME_PLAIN_LEN, SRM_FRAME_LEN, 2 * CHUNK, 3 * CHUNK, 4 * CHUNK};
    for (size_t i = 0; i < sizeof middles / sizeof middles[0]; i++)
        for (size_t len = middles[i] - 1; len <= middles[i] + 1; len++)
            for (content what = NOISE; what <= (len > CHUNK ? NOISE_THEN_TEXT : TEXT); what++) {
                segment s;
                fill(what, len);
                check_round_trip(len, what == NOISE ? (int32_t)(len & 1) : 1, i & 1, &s);
                segment_free(&s);
            }
}

/* Noise, so that stored lengths are known: 176 bytes besides the chunk (two heads, footer, tag). */
static void a_stream_is_as_long_as_the_format_says(void) {
    static const struct {
        size_t len;
        int32_t pad;
        uint64_t frames_len;
    } cases[] = {
        {0, 0, 4096},
        {4096 - 176, 0, 4096},
        {4096 - 175, 0, 8192},
        {100000, 0, 25 * 4096},
        {100000, 1, 25 * 4096},
        {1000000, 0, 245 * 4096},
        {1000000, 1, 248 * 4096},
        {CHUNK - 112, 0, SRM_FRAME_LEN},
        {CHUNK - 111, 0, SRM_FRAME_LEN + 4096},
        {CHUNK, 0, SRM_FRAME_LEN + 4096},
        {CHUNK, 1, SRM_FRAME_LEN + 32768},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        segment s;
        fill(NOISE, cases[i].len);
        check_round_trip(cases[i].len, 1, cases[i].pad, &s);
        CHECK(s.len == SRM_HEADER_LEN + cases[i].frames_len + SRM_TRAILER_LEN);
        segment_free(&s);
    }
}

static size_t stored_len_of(const uint8_t *chunk) {
    compressor *c = NULL;
    uint8_t *stored = must_alloc(compressor_bound());
    size_t len = 0;
    CHECK_STATUS(SRM_OK, compressor_new(1, &c));
    CHECK_STATUS(SRM_OK, compressor_try(c, chunk, CHUNK, false, stored, &len));
    CHECK(len > 0);
    compressor_free(c);
    free(stored);
    return len;
}

/* Text, then noise cut so that the end record finds that many bytes left in frame 0. */
static void end_records_skip_what_is_too_short_for_a_head(void) {
    /* End record, directory of two entries, footer. */
    const size_t behind = RECORD_HEAD_LEN + RECORD_HEAD_LEN + 2 * OFFSET_LEN + FOOTER_LEN;
    const size_t rooms[] = {0, 1, 47, 48, 49, 111, 112, 113, behind - 1, behind, behind + 1};
    fill(TEXT, CHUNK);
    size_t used = RECORD_HEAD_LEN + stored_len_of(raw);
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        size_t rest = FRAME_PLAIN_LEN - rooms[i] - RECORD_HEAD_LEN - used;
        segment s;
        fill_noise(raw + CHUNK, rest, 9);
        check_round_trip(CHUNK + rest, 1, 0, &s);
        CHECK((s.result.frames == 1) == (rooms[i] >= behind));
        segment_free(&s);
    }
}

/* Zeros, then noise: zstd stores the noise and little else. */
static void fill_tail_noise(uint8_t *chunk, size_t noise, uint64_t seed) {
    memset(chunk, 0, CHUNK - noise);
    fill_noise(chunk + CHUNK - noise, noise, seed);
}

/* Three chunks of a third noise each end shortly before the frame does; then a full raw chunk
 * comes, whose head must move on to the next frame. */
static void data_records_skip_what_is_too_short_for_a_head(void) {
    size_t used = RECORD_HEAD_LEN;
    for (size_t i = 0; i < 2; i++) {
        fill_tail_noise(raw + i * CHUNK, CHUNK / 3, i + 1);
        used += RECORD_HEAD_LEN + stored_len_of(raw + i * CHUNK);
    }
    fill_noise(raw + 3 * CHUNK, CHUNK, 8);
    size_t hits = 0;
    for (size_t spare = 0; spare < 200 && hits < 4; spare += 11) {
        fill_tail_noise(raw + 2 * CHUNK, FRAME_PLAIN_LEN - used - spare, 3);
        size_t room = FRAME_PLAIN_LEN - used - stored_len_of(raw + 2 * CHUNK);
        if (room >= RECORD_HEAD_LEN)
            continue; /* also where the record ends in the next frame: room wraps around */
        segment s;
        check_round_trip(4 * CHUNK, 1, 0, &s);
        segment_free(&s);
        hits++;
    }
    CHECK(hits == 4);
}

static void compressed_records_cross_frame_boundaries(void) {
    for (size_t i = 0; i < 5; i++)
        fill_tail_noise(raw + i * CHUNK, CHUNK / 3 + 40000, i + 1);
    segment s;
    check_round_trip(5 * CHUNK, 1, 1, &s);
    CHECK(s.result.frames == 2);
    segment_free(&s);
}

static void options_no_reader_would_take_are_refused(void) {
    static const uint8_t nothing[1];
    static const uint8_t unknown[] = {3, 0, 0, 1, 7};
    static const uint8_t cut_off[] = {1, 0, 0, 111};
    static uint8_t out[SRM_HEADER_LEN];
    srm_seal_options wrong[6];
    for (size_t i = 0; i < 6; i++)
        wrong[i] = test_options(3, 1);
    wrong[0].type = 2;
    wrong[1].level = SRM_LEVEL_MAX + 1;
    wrong[2].level = -1;
    wrong[3].envelopes = nothing;
    wrong[3].envelopes_len = 0;
    wrong[4].envelopes = unknown;
    wrong[4].envelopes_len = sizeof unknown;
    wrong[5].envelopes = cut_off;
    wrong[5].envelopes_len = sizeof cut_off;
    for (size_t i = 0; i < 6; i++) {
        srm_job *job = NULL;
        CHECK_STATUS(SRM_EINVAL,
            srm_seal_start(&wrong[i], from_memory(raw, 5), to_memory(out, sizeof out), &job));
        CHECK(job == NULL);
    }
}

/* Two frames and a bit. */
static void seal_sample(const srm_seal_options *options, segment *s) {
    fill(NOISE, 2 * CHUNK + 5000);
    segment_seal(options, raw, 2 * CHUNK + 5000, s);
}

static void one_changed_byte_is_found_wherever_it_is(void) {
    const size_t frames = SRM_HEADER_LEN;
    srm_seal_options options = test_options(1, 1);
    segment s;
    size_t len = 0;
    seal_sample(&options, &s);
    const size_t trailer = s.len - SRM_TRAILER_LEN;
    const struct {
        size_t off;
        srm_status status;
    } changes[] = {
        {0, SRM_EDAMAGED},
        {70, SRM_EDAMAGED},
        {4095, SRM_EDAMAGED},
        {frames, SRM_EAUTH},
        {frames + SRM_FRAME_LEN - 1, SRM_EAUTH},
        {frames + SRM_FRAME_LEN, SRM_EAUTH},
        {trailer - 1, SRM_EAUTH},
        {trailer, SRM_EDAMAGED},
        {trailer + 4095, SRM_EDAMAGED},
        {trailer + 4096, SRM_EDAMAGED},
        {trailer + 4131, SRM_EDAMAGED},
        {trailer + 4135, SRM_EDAMAGED},
        {trailer + 4143, SRM_EDAMAGED},
        {trailer + 4144, SRM_EDAMAGED},
        {s.len - 1, SRM_EDAMAGED},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        s.bytes[changes[i].off] ^= 0x40;
        for (uint32_t threads = 1; threads <= 3; threads += 2)
            CHECK_STATUS(changes[i].status,
                segment_open(&s, options.session_key, threads, opened, RAW_CAP, &len));
        s.bytes[changes[i].off] ^= 0x40;
    }
    options.session_key[31] ^= 1;
    CHECK_STATUS(SRM_EAUTH, segment_open(&s, options.session_key, 3, opened, RAW_CAP, &len));
    segment_free(&s);
}

static void swapped_frames_are_found(void) {
    srm_seal_options options = test_options(1, 1);
    uint8_t *first = must_alloc(SRM_FRAME_LEN);
    segment s;
    size_t len = 0;
    seal_sample(&options, &s);
    uint8_t *frames = s.bytes + SRM_HEADER_LEN;
    memcpy(first, frames, SRM_FRAME_LEN);
    memcpy(frames, frames + SRM_FRAME_LEN, SRM_FRAME_LEN);
    memcpy(frames + SRM_FRAME_LEN, first, SRM_FRAME_LEN);
    CHECK_STATUS(SRM_EAUTH, segment_open(&s, options.session_key, 3, opened, RAW_CAP, &len));
    CHECK(len == 0);
    segment_free(&s);
    free(first);
}

static void two_segments_of_one_session_have_different_keys(void) {
    srm_seal_options options = test_options(1, 1);
    segment a;
    segment b;
    size_t len = 0;
    fill(NOISE, 1000);
    segment_seal(&options, raw, 1000, &a);
    segment_seal(&options, raw, 1000, &b);
    CHECK(memcmp(a.bytes + 64, b.bytes + 64, 32) != 0); /* the salts */
    CHECK(memcmp(a.bytes + SRM_HEADER_LEN, b.bytes + SRM_HEADER_LEN, 64) != 0);
    memcpy(a.bytes + SRM_HEADER_LEN, b.bytes + SRM_HEADER_LEN, a.len - SRM_HEADER_LEN);
    CHECK_STATUS(SRM_EAUTH, segment_open(&a, options.session_key, 3, opened, RAW_CAP, &len));
    segment_free(&a);
    segment_free(&b);
}

int main(void) {
    static const fact facts[] = {
        LONG_FACT(every_length_around_a_boundary_comes_back),
        FACT(a_stream_is_as_long_as_the_format_says),
        FACT(end_records_skip_what_is_too_short_for_a_head),
        FACT(data_records_skip_what_is_too_short_for_a_head),
        FACT(compressed_records_cross_frame_boundaries),
        FACT(options_no_reader_would_take_are_refused),
        FACT(one_changed_byte_is_found_wherever_it_is),
        FACT(swapped_frames_are_found),
        FACT(two_segments_of_one_session_have_different_keys),
    };
    raw = must_alloc(RAW_CAP);
    opened = must_alloc(RAW_CAP);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    free(raw);
    free(opened);
    return status;
}
