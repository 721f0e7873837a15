/* Data segments: what is laid out can be found again, and nothing else passes for it. */
#include "base/bytes.h"
#include "check.h"
#include "passes.h"
#include "segment/data.h"
#include "segment/frame.h"
#include "segment/owner.h"
#include "segment/record.h"
#include "segment/root.h"
#include "support.h"

#define CHUNK ((uint32_t)SRM_CHUNK_LEN)
#define FRAMES_MOST (DATA_FRAMES_MAX + 1)

static uint8_t *noise; /* two chunks of it */

/* A segment laid out: its plaintext, and what was put in. */
typedef struct laid {
    uint8_t *plain;
    uint64_t frame_count;
    size_t last_plain_len;
    layout layout;
    data_entry *put;
    uint32_t count;
} laid;

static void keep(laid *s, const data_frame *frames, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const data_frame *f = &frames[i];
        size_t len = 0;
        CHECK(f->index == s->frame_count && s->frame_count < FRAMES_MOST);
        CHECK(f->piece_count >= 1 && f->piece_count <= 2 && s->last_plain_len == 0);
        for (size_t k = 0; k < f->piece_count; k++) {
            memcpy(
                s->plain + f->index * FRAME_PLAIN_LEN + len, f->pieces[k].data, f->pieces[k].len);
            len += f->pieces[k].len;
        }
        CHECK(len + SRM_TAG_LEN == f->stored_len);
        CHECK(f->last || f->stored_len == SRM_FRAME_LEN);
        if (f->last)
            s->last_plain_len = len;
        s->frame_count++;
    }
}

static data_chunk chunk_of(uint32_t number, uint32_t stored_len, uint32_t raw_len) {
    data_chunk c = {
        .stored = noise + number % CHUNK,
        .stored_len = stored_len,
        .raw_len = raw_len,
        .codec = stored_len < raw_len,
    };
    fill_noise(c.id, sizeof c.id, number);
    return c;
}

static void begin(laid *s, data_packer **p) {
    *s = (laid){.plain = must_alloc(FRAMES_MOST * FRAME_PLAIN_LEN),
        .put = must_alloc(DATA_CHUNKS_MAX * sizeof(data_entry))};
    CHECK_STATUS(SRM_OK, data_packer_new(p));
}

static void put(laid *s, data_packer *p, uint32_t stored_len, uint32_t raw_len) {
    data_chunk c = chunk_of(s->count, stored_len, raw_len);
    data_frame frames[2];
    size_t count = 9;
    data_entry *e = &s->put[s->count++];
    *e = (data_entry){.stored_len = stored_len, .raw_len = raw_len, .codec = c.codec};
    memcpy(e->id, c.id, sizeof e->id);
    CHECK(data_packer_has_room(p, stored_len));
    CHECK_STATUS(SRM_OK, data_packer_put(p, &c, frames, &count, &e->off));
    CHECK(count <= 2 && data_packer_count(p) == s->count);
    keep(s, frames, count);
}

static void end(laid *s, data_packer *p) {
    data_frame frames[2];
    size_t count = 9;
    data_chunk c = chunk_of(0, 1, 1);
    uint32_t off;
    CHECK_STATUS(SRM_OK, data_packer_end(p, frames, &count));
    CHECK(count >= 1 && count <= 2 && frames[count - 1].last);
    keep(s, frames, count);
    s->layout = data_packer_layout(p);
    CHECK(s->layout.frame_count == s->frame_count);
    CHECK(s->layout.last_len == s->last_plain_len + SRM_TAG_LEN);
    CHECK((s->layout.last_len & (s->layout.last_len - 1)) == 0);
    CHECK_STATUS(SRM_EINVAL, data_packer_end(p, frames, &count));
    CHECK_STATUS(SRM_EINVAL, data_packer_put(p, &c, frames, &count, &off));
    CHECK(!data_packer_has_room(p, 1));
    data_packer_free(p);
}

static void release(laid *s) {
    free(s->plain);
    free(s->put);
}

static uint8_t *last_of(const laid *s) {
    return s->plain + (s->frame_count - 1) * FRAME_PLAIN_LEN;
}

static srm_status directory(const laid *s, data_entry **entries, uint32_t *count) {
    /* To the byte, for the sanitizers. */
    uint8_t *last = must_alloc(s->last_plain_len);
    memcpy(last, last_of(s), s->last_plain_len);
    srm_status status = data_directory(last, s->last_plain_len, &s->layout, entries, count);
    free(last);
    return status;
}

/* Everything put in is where its entry says, and the rest is as the format has it. */
static void check_laid(const laid *s) {
    data_entry *entries;
    uint32_t count;
    uint64_t end_off = 0;
    CHECK_STATUS(SRM_OK, directory(s, &entries, &count));
    CHECK(count == s->count);
    for (uint32_t i = 0; i < count; i++) {
        const data_entry *e = &entries[i];
        record_head head;
        CHECK(memcmp(e->id, s->put[i].id, sizeof e->id) == 0 && e->off == s->put[i].off);
        CHECK(e->stored_len == s->put[i].stored_len && e->raw_len == s->put[i].raw_len);
        CHECK(e->codec == s->put[i].codec && e->off >= end_off);
        CHECK(FRAME_PLAIN_LEN - e->off % FRAME_PLAIN_LEN >= RECORD_HEAD_LEN);
        CHECK(zero_run(s->plain + end_off, e->off - end_off) == e->off - end_off);
        CHECK_STATUS(SRM_OK, record_head_load(s->plain + e->off, &head));
        CHECK(head.type == RECORD_DATA && head.codec == e->codec);
        CHECK(head.stored_len == e->stored_len && head.raw_len == e->raw_len);
        CHECK(memcmp(head.id, e->id, sizeof head.id) == 0);
        CHECK(memcmp(s->plain + e->off + RECORD_HEAD_LEN, noise + i % CHUNK, e->stored_len) == 0);
        end_off = (uint64_t)e->off + RECORD_HEAD_LEN + e->stored_len;
    }
    uint64_t directory_off = layout_plain_len(&s->layout) - FOOTER_LEN - RECORD_HEAD_LEN -
                             (uint64_t)count * DATA_ENTRY_LEN;
    CHECK(directory_off >= end_off + RECORD_HEAD_LEN);
    CHECK(zero_run(s->plain + end_off, directory_off - end_off) == directory_off - end_off);
    free(entries);
}

static void lay(laid *s, const uint32_t *stored, const uint32_t *raw, uint32_t count) {
    data_packer *p;
    begin(s, &p);
    for (uint32_t i = 0; i < count; i++)
        put(s, p, stored[i], raw[i]);
    end(s, p);
    check_laid(s);
}

static void a_small_segment_is_one_small_frame(void) {
    const uint32_t len[] = {100, 200};
    laid s;
    lay(&s, len, len, 2);
    CHECK(s.frame_count == 1 && s.layout.last_len == 4096);
    release(&s);
}

static void records_of_all_lengths_are_found_again(void) {
    /* Around the places where a head, or the tail, just fits or does not. */
    const uint32_t plain = (uint32_t)FRAME_PLAIN_LEN;
    for (uint32_t left = 0; left < 420; left += left > 100 && left < 300 ? 48 : 1) {
        uint32_t half = plain / 2;
        const uint32_t stored[] = {half, plain - left - half - 2 * RECORD_HEAD_LEN, 3};
        const uint32_t raw[] = {CHUNK, CHUNK, 3};
        laid s;
        for (uint32_t count = 2; count <= 3; count++) {
            lay(&s, stored, raw, count);
            CHECK(s.frame_count <= 2);
            release(&s);
        }
    }
}

static void whole_chunks_are_frames_of_their_own(void) {
    data_packer *p;
    laid s;
    uint32_t count = 0;
    begin(&s, &p);
    for (; data_packer_has_room(p, CHUNK); count++)
        put(&s, p, CHUNK, CHUNK);
    CHECK(count == DATA_FRAMES_MAX && s.frame_count == count);
    end(&s, p);
    CHECK(s.frame_count == FRAMES_MOST && s.layout.last_len == 4096);
    check_laid(&s);
    release(&s);
}

static void a_mix_fills_its_frames(void) {
    data_packer *p;
    laid s;
    uint64_t total = 0;
    begin(&s, &p);
    for (uint32_t i = 1;; i++) {
        uint32_t stored = (uint32_t)((uint64_t)i * 2654435761u % CHUNK) + 1;
        stored = i % 7 == 0 ? CHUNK : stored;
        if (!data_packer_has_room(p, stored))
            break;
        put(&s, p, stored, i % 3 == 0 || stored == CHUNK ? stored : CHUNK);
        total += stored;
    }
    end(&s, p);
    CHECK(total > (DATA_FRAMES_MAX - 2) * FRAME_PLAIN_LEN);
    check_laid(&s);
    release(&s);
}

static void a_segment_closes_before_its_directory_outgrows_a_frame(void) {
    data_packer *p;
    data_frame frames[2];
    laid s;
    size_t made;
    uint32_t off;
    begin(&s, &p);
    while (data_packer_has_room(p, 1))
        put(&s, p, 1, 1);
    CHECK(s.count == DATA_CHUNKS_MAX && s.count == 21841);
    data_chunk more = chunk_of(1, 1, 1);
    CHECK_STATUS(SRM_ELIMIT, data_packer_put(p, &more, frames, &made, &off));
    CHECK(made == 0 && data_packer_count(p) == DATA_CHUNKS_MAX);
    end(&s, p);
    CHECK(s.layout.last_len == SRM_FRAME_LEN);
    check_laid(&s);
    release(&s);
}

static void a_packer_refuses_what_cannot_be(void) {
    const data_chunk wrong[] = {{.stored = noise}, {.stored = noise, .stored_len = 1},
        {.stored = noise, .stored_len = 2, .raw_len = 3},
        {.stored = noise, .stored_len = 3, .raw_len = 3, .codec = CODEC_ZSTD},
        {.stored = noise, .stored_len = 3, .raw_len = 4, .codec = 2},
        {.stored = noise, .stored_len = CHUNK + 1, .raw_len = CHUNK + 1}};
    data_packer *p;
    data_frame frames[2];
    size_t count = 1;
    uint32_t off;
    CHECK_STATUS(SRM_OK, data_packer_new(&p));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_STATUS(SRM_EINVAL, data_packer_put(p, &wrong[i], frames, &count, &off));
        CHECK(count == 0 && data_packer_count(p) == 0);
    }
    CHECK_STATUS(SRM_EINVAL, data_packer_end(p, frames, &count)); /* nothing in it */
    data_packer_free(p);
    data_packer_free(NULL);
}

/* Only ids can be changed in what the last frame says without a contradiction. */
static void every_byte_of_directory_and_footer_counts(void) {
    const uint32_t stored[] = {1000, 900000, 400000, 77};
    const uint32_t raw[] = {1000, CHUNK, 500000, 77};
    laid s;
    data_entry *entries;
    uint32_t count;
    lay(&s, stored, raw, 4);
    CHECK(s.frame_count == 2);
    const data_entry *final = &s.put[3];
    size_t entries_at = s.last_plain_len - FOOTER_LEN - 4 * DATA_ENTRY_LEN;
    size_t at = final->off + RECORD_HEAD_LEN + final->stored_len - FRAME_PLAIN_LEN;
    for (; at < s.last_plain_len; at += at < entries_at - 200 ? 997 : 1)
        for (unsigned bit = (unsigned)(at % 5); bit < 8; bit += 5) {
            size_t in_entry = at - entries_at;
            bool is_id = at >= entries_at && at < s.last_plain_len - FOOTER_LEN &&
                         in_entry % DATA_ENTRY_LEN >= 16;
            last_of(&s)[at] ^= (uint8_t)(1u << bit);
            CHECK_STATUS(is_id ? SRM_OK : SRM_EDAMAGED, directory(&s, &entries, &count));
            CHECK(is_id ? entries != NULL : entries == NULL && count == 0);
            free(entries);
            last_of(&s)[at] ^= (uint8_t)(1u << bit);
        }
    check_laid(&s);
    release(&s);
}

static void a_directory_fits_no_other_layout(void) {
    const uint32_t len[] = {100, 200};
    laid s;
    data_entry *entries;
    uint32_t count;
    lay(&s, len, len, 2);
    layout right = s.layout;
    s.layout.frame_count = 2;
    CHECK_STATUS(SRM_EDAMAGED, directory(&s, &entries, &count));
    s.layout = (layout){.frame_count = 1, .last_len = 8192};
    CHECK_STATUS(SRM_EINVAL, directory(&s, &entries, &count));
    s.layout = (layout){.frame_count = FRAMES_MOST + 1, .last_len = 4096};
    CHECK_STATUS(SRM_EINVAL, directory(&s, &entries, &count));
    s.layout = right;
    check_laid(&s);
    release(&s);
}

static void a_length_names_one_layout_or_none(void) {
    unsigned seen = 0;
    for (uint64_t len = 0; len < 3 * (uint64_t)SRM_FRAME_LEN; len += 32) {
        layout l;
        if (layout_of_data(len, &l) != SRM_OK)
            continue;
        CHECK(layout_trailer_off(&l) - SRM_HEADER_LEN + data_trailer_len(&l) == len);
        seen++;
    }
    CHECK(seen == 9 + 9 + 8); /* lengths of the last frame, behind none, one or two */
    for (uint64_t n = 1; n <= FRAMES_MOST + 1; n++) {
        layout l = {.frame_count = n, .last_len = 4096};
        layout found;
        uint64_t len = layout_trailer_off(&l) - SRM_HEADER_LEN + data_trailer_len(&l);
        CHECK_STATUS(n <= FRAMES_MOST ? SRM_OK : SRM_EDAMAGED, layout_of_data(len, &found));
        CHECK(n > FRAMES_MOST || (found.frame_count == n && found.last_len == 4096));
        CHECK_STATUS(SRM_EDAMAGED, layout_of_data(len + 1, &found));
        CHECK_STATUS(SRM_EDAMAGED, layout_of_data(len - 32, &found));
    }
}

static void a_trailer_with_digests_is_checked_to_the_byte(void) {
    srm_seal_options options = test_options(0, 0);
    uint8_t header[SRM_HEADER_LEN];
    uint8_t root[SRM_DIGEST_LEN];
    uint8_t digests[2 * SRM_DIGEST_LEN];
    uint8_t trailer[sizeof digests + SRM_TRAILER_LEN];
    layout l = {.frame_count = 2, .last_len = 8192};
    segment_keys keys;
    root_builder b;
    options.type = SEGMENT_DATA;
    CHECK_STATUS(SRM_OK, header_build(&options, header, &keys));
    fill_noise(digests, sizeof digests, 3);
    CHECK_STATUS(SRM_OK, root_of_digests(header, &l, digests, root));
    CHECK(data_trailer_len(&l) == sizeof trailer);
    data_trailer_store(header, root, &l, digests, trailer);
    CHECK(memcmp(trailer, digests, sizeof digests) == 0 && trailer_has_magic(trailer + 64));
    for (size_t at = 0; at < sizeof trailer; at += at == 64 ? 4000 : 1) {
        trailer[at] ^= 1;
        CHECK_STATUS(SRM_EDAMAGED, data_trailer_check(trailer, header, root, &l, digests));
        trailer[at] ^= 1;
    }
    CHECK_STATUS(SRM_OK, data_trailer_check(trailer, header, root, &l, digests));
    uint8_t again[SRM_DIGEST_LEN];
    CHECK_STATUS(SRM_OK, root_begin(&b, header));
    CHECK_STATUS(SRM_OK, root_add(&b, digests, SRM_FRAME_LEN, false));
    CHECK_STATUS(SRM_OK, root_add(&b, digests + SRM_DIGEST_LEN, 8192, true));
    CHECK_STATUS(SRM_OK, root_end(&b, again));
    CHECK(memcmp(root, again, sizeof root) == 0);
    root_free(&b);
    segment_keys_wipe(&keys);
}

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
        srm_seal_start(&options, from_memory(noise, 1), to_memory(out, sizeof out), &job));
    CHECK_STATUS(SRM_OK, header_build(&options, header, &keys));
    segment_keys_wipe(&keys);
    CHECK_STATUS(SRM_EUNSUPPORTED, srm_open_start(header, options.session_key,
                                       from_memory(noise, 1), to_memory(out, 8), 1, &job));
    CHECK_STATUS(SRM_EUNSUPPORTED,
        srm_view_open(header, options.session_key, from_memory(noise, 1), &view, &failure));
    CHECK(job == NULL && view == NULL && failure.place == SRM_AT_HEADER);
}

static void a_manifest_is_a_stream_by_another_type(void) {
    srm_seal_options options = test_options(3, 1);
    srm_header_info info;
    uint8_t raw[100];
    size_t raw_len;
    segment s;
    options.type = SEGMENT_MANIFEST;
    segment_seal(&options, noise, sizeof raw, &s);
    CHECK_STATUS(SRM_OK, srm_header_parse(s.bytes, &info));
    CHECK(info.type == SEGMENT_MANIFEST);
    CHECK_STATUS(SRM_OK, segment_open(&s, options.session_key, 1, raw, sizeof raw, &raw_len));
    CHECK(raw_len == sizeof raw && memcmp(raw, noise, raw_len) == 0);
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
        lay(&l, stored, raw, count);
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
        release(&l);
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
    lay(&l, stored, raw, 4);
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
    release(&l);
}

static void a_frame_of_a_data_segment_is_proven(void) {
    const uint32_t stored[] = {CHUNK, 900000};
    uint8_t proof[SRM_PROOF_LEN_MAX];
    size_t proof_len;
    srm_job *job;
    laid l;
    segment s;
    lay(&l, stored, stored, 2);
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
    release(&l);
}

int main(void) {
    static const fact facts[] = {
        FACT(a_small_segment_is_one_small_frame),
        FACT(records_of_all_lengths_are_found_again),
        FACT(whole_chunks_are_frames_of_their_own),
        FACT(a_mix_fills_its_frames),
        FACT(a_segment_closes_before_its_directory_outgrows_a_frame),
        FACT(a_packer_refuses_what_cannot_be),
        FACT(every_byte_of_directory_and_footer_counts),
        FACT(a_directory_fits_no_other_layout),
        FACT(a_length_names_one_layout_or_none),
        FACT(a_trailer_with_digests_is_checked_to_the_byte),
        FACT(the_owners_envelope_of_the_example_opens),
        FACT(readers_of_streams_refuse_data_segments),
        FACT(a_manifest_is_a_stream_by_another_type),
        FACT(a_data_segment_is_scrubbed),
        FACT(a_scrub_names_the_frame_at_fault),
        FACT(a_frame_of_a_data_segment_is_proven),
    };
    noise = must_alloc(2 * (size_t)CHUNK);
    fill_noise(noise, 2 * (size_t)CHUNK, 1);
    int done = check_facts(facts, sizeof facts / sizeof facts[0]);
    free(noise);
    return done;
}
