/* What lays streams out and takes them apart, used as it must be and as it must not be. */
#include "base/bytes.h"
#include "check.h"
#include "crypto/hash.h"
#include "segment/frame.h"
#include "segment/packer.h"
#include "segment/parser.h"
#include "support.h"

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define PLAIN_MAX 8

static uint8_t *raw;              /* 4 chunks of noise */
static uint8_t *plain[PLAIN_MAX]; /* the plaintexts of frames */
static size_t plain_len[PLAIN_MAX];
static segment_keys keys; /* the record tag is all that matters here, but for frames */
static uint8_t *spare;    /* CHUNK bytes */

/* As many buffers as a packer may hold, and where they are. */
typedef struct larder {
    uint8_t *buffers[3];
    bool out[3];
} larder;

static void feed(packer *p, larder *l) {
    for (size_t i = 0; i < 3 && packer_hungry(p); i++)
        if (!l->out[i]) {
            l->out[i] = true;
            packer_feed(p, l->buffers[i]);
        }
    CHECK(!packer_hungry(p));
}

static void take_back(larder *l, const uint8_t *buffer) {
    for (size_t i = 0; i < 3; i++)
        if (l->buffers[i] == buffer) {
            CHECK(l->out[i]);
            l->out[i] = false;
            return;
        }
    CHECK(buffer == NULL);
}

static void begin(packer *p, larder *l) {
    *l = (larder){.buffers = {must_alloc(FRAME_PLAIN_LEN), must_alloc(FRAME_PLAIN_LEN),
                      must_alloc(FRAME_PLAIN_LEN)}};
    packer_begin(p, &keys, false);
    CHECK(packer_hungry(p) && packer_surrender(p) == NULL);
}

static void end(packer *p, larder *l) {
    for (uint8_t *held = packer_surrender(p); held != NULL; held = packer_surrender(p))
        take_back(l, held);
    CHECK(!l->out[0] && !l->out[1] && !l->out[2]);
    packer_end(p);
    for (size_t i = 0; i < 3; i++)
        free(l->buffers[i]);
}

/* Keep a frame's plaintext, and check what else the packer says of it. */
static void keep(const packed_frame *frame, uint64_t index, larder *l) {
    CHECK(frame->index == index && index < PLAIN_MAX);
    CHECK(frame->head_len + frame->data_len == frame->stored_len - SRM_TAG_LEN);
    CHECK(frame->last ? frame->stored_len % LAST_FRAME_UNIT == 0
                      : frame->stored_len == SRM_FRAME_LEN);
    CHECK((frame->buffer == NULL) == (frame->head_len > 0));
    memcpy(plain[index], frame->head, frame->head_len);
    memcpy(plain[index] + frame->head_len, frame->data, frame->data_len);
    plain_len[index] = frame->stored_len - SRM_TAG_LEN;
    take_back(l, frame->buffer);
}

static packed_chunk whole(const uint8_t *data, size_t len) {
    return (packed_chunk){.stored = data, .stored_len = len, .raw_len = len};
}

/* Lay out the first len bytes of `raw`, uncompressed; how many frames that made. */
static uint64_t pack(size_t len) {
    packer p;
    larder l;
    packed_frame frames[2];
    size_t count = 0;
    uint64_t made = 0;
    bool done = false;
    begin(&p, &l);
    for (size_t at = 0; at < len; at += CHUNK) {
        packed_chunk chunk = whole(raw + at, min_size(CHUNK, len - at));
        feed(&p, &l);
        CHECK_STATUS(SRM_OK, packer_put(&p, &chunk, frames, &count));
        for (size_t i = 0; i < count; i++)
            keep(&frames[i], made++, &l);
    }
    while (!done) {
        feed(&p, &l);
        CHECK_STATUS(SRM_OK, packer_tail(&p, frames, &count, &done));
        CHECK(count <= 1);
        if (count == 1)
            keep(&frames[0], made++, &l);
        CHECK(done == (count == 1 && frames[0].last));
    }
    CHECK(p.raw_total == len && p.plan.frame_count == made);
    end(&p, &l);
    return made;
}

static void a_packer_refuses_chunks_that_cannot_be(void) {
    packer p;
    larder l;
    packed_frame frames[2];
    const packed_chunk wrong[] = {{.stored = raw}, {.stored = raw, .stored_len = 1},
        {.stored = raw, .stored_len = 11, .raw_len = 10},
        {.stored = raw, .stored_len = CHUNK + 1, .raw_len = CHUNK + 1}};
    begin(&p, &l);
    feed(&p, &l);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        size_t count = 1;
        CHECK_STATUS(SRM_EINVAL, packer_put(&p, &wrong[i], frames, &count));
        CHECK(count == 0 && p.raw_total == 0);
    }
    end(&p, &l);
}

static void nothing_follows_a_short_chunk(void) {
    packer p;
    larder l;
    packed_frame frames[2];
    size_t count = 1;
    const packed_chunk full = whole(raw, CHUNK);
    const packed_chunk brief = whole(raw, CHUNK - 1);
    begin(&p, &l);
    feed(&p, &l);
    CHECK_STATUS(SRM_OK, packer_put(&p, &brief, frames, &count));
    CHECK(count == 0);
    CHECK_STATUS(SRM_EINVAL, packer_put(&p, &full, frames, &count));
    CHECK_STATUS(SRM_EINVAL, packer_put(&p, &brief, frames, &count));
    CHECK(count == 0 && p.raw_total == CHUNK - 1);
    end(&p, &l);
}

static void a_hungry_packer_does_nothing(void) {
    packer p;
    larder l;
    packed_frame frames[2];
    const packed_chunk chunk = whole(raw, CHUNK);
    begin(&p, &l);
    for (size_t fed = 0; fed < 2; fed++) {
        size_t count = 1;
        bool done = true;
        CHECK_STATUS(SRM_EINVAL, packer_put(&p, &chunk, frames, &count));
        CHECK(count == 0);
        count = 1;
        CHECK_STATUS(SRM_EINVAL, packer_tail(&p, frames, &count, &done));
        CHECK(count == 0 && !done);
        l.out[fed] = true;
        packer_feed(&p, l.buffers[fed]);
    }
    CHECK(!packer_hungry(&p));
    end(&p, &l);
}

static void no_chunk_follows_the_tail(void) {
    packer p;
    larder l;
    packed_frame frames[2];
    size_t count = 0;
    bool done = false;
    const packed_chunk chunk = whole(raw, CHUNK);
    begin(&p, &l);
    feed(&p, &l);
    CHECK_STATUS(SRM_OK, packer_tail(&p, frames, &count, &done));
    CHECK(count == 1 && done && frames[0].last && frames[0].stored_len == LAST_FRAME_UNIT);
    take_back(&l, frames[0].buffer);
    feed(&p, &l);
    CHECK_STATUS(SRM_EINVAL, packer_put(&p, &chunk, frames, &count));
    CHECK(count == 0);
    end(&p, &l);
}

static parser *new_parser(void) {
    parser *p = NULL;
    CHECK_STATUS(SRM_OK, parser_new(&keys, &p));
    CHECK(parser_hungry(p) && !parser_complete(p));
    return p;
}

static void drain(parser *p, size_t *raw_len) {
    parsed_piece piece;
    do {
        if (parser_hungry(p))
            parser_feed(p, spare);
        CHECK_STATUS(SRM_OK, parser_next(p, &piece));
        CHECK(!piece.zstd && piece.raw_off == (piece.len > 0 ? *raw_len : 0));
        CHECK(piece.len == 0 || memcmp(piece.data, raw + *raw_len, piece.len) == 0);
        *raw_len += piece.len;
    } while (piece.len > 0);
}

static void what_was_packed_is_parsed(void) {
    static const size_t lens[] = {
        0, 1, CHUNK - 112, CHUNK - 111, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 9};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        uint64_t count = pack(lens[i]);
        parser *p = new_parser();
        size_t raw_len = 0;
        for (uint64_t frame = 0; frame < count; frame++) {
            CHECK(!parser_complete(p));
            CHECK_STATUS(
                SRM_OK, parser_frame(p, plain[frame], plain_len[frame], frame + 1 == count));
            drain(p, &raw_len);
        }
        CHECK(parser_complete(p) && parser_raw_total(p) == lens[i] && raw_len == lens[i]);
        CHECK_STATUS(SRM_ESTATE, parser_frame(p, plain[0], plain_len[0], false));
        CHECK(parser_surrender(p) == spare && parser_hungry(p));
        parser_free(p);
    }
    parser_free(NULL);
}

static void a_parser_used_out_of_order_refuses(void) {
    parsed_piece piece;
    uint64_t count = pack(2 * CHUNK + 5000);
    parser *p = new_parser();
    CHECK_STATUS(SRM_OK, parser_frame(p, plain[0], plain_len[0], false));
    memset(&piece, 1, sizeof piece);
    CHECK_STATUS(SRM_ESTATE, parser_next(p, &piece)); /* it is hungry */
    CHECK(piece.len == 0 && piece.data == NULL);
    parser_feed(p, spare);
    CHECK_STATUS(SRM_ESTATE, parser_frame(p, plain[1], plain_len[1], count == 2));
    CHECK_STATUS(SRM_OK, parser_next(p, &piece));
    CHECK(piece.len == CHUNK);
    CHECK(!parser_complete(p));
    (void)parser_surrender(p);
    parser_free(p);
}

static void check_failed_for_good(parser *p, srm_place place) {
    parsed_piece piece;
    CHECK(parser_place(p) == place && !parser_complete(p));
    for (int i = 0; i < 2; i++) {
        memset(&piece, 1, sizeof piece);
        CHECK_STATUS(SRM_ESTATE, parser_next(p, &piece));
        CHECK(piece.len == 0 && piece.data == NULL && piece.buffer == NULL);
        CHECK_STATUS(SRM_ESTATE, parser_frame(p, plain[1], plain_len[1], false));
    }
    (void)parser_surrender(p);
    parser_free(p);
}

static void frames_in_the_wrong_order_fail_for_good(void) {
    parsed_piece piece;
    (void)pack(3 * CHUNK);
    parser *p = new_parser();
    parser_feed(p, spare);
    CHECK_STATUS(SRM_OK, parser_frame(p, plain[1], plain_len[1], false));
    CHECK_STATUS(SRM_EDAMAGED, parser_next(p, &piece));
    check_failed_for_good(p, SRM_AT_RECORD);

    p = new_parser();
    size_t raw_len = 0;
    CHECK_STATUS(SRM_OK, parser_frame(p, plain[0], plain_len[0], false));
    drain(p, &raw_len);
    CHECK_STATUS(SRM_OK, parser_frame(p, plain[0], plain_len[0], false));
    CHECK_STATUS(SRM_EDAMAGED, parser_next(p, &piece));
    check_failed_for_good(p, SRM_AT_RECORD);

    p = new_parser();
    CHECK_STATUS(SRM_EDAMAGED, parser_frame(p, plain[0], FOOTER_LEN - 1, true));
    parser_feed(p, spare);
    check_failed_for_good(p, SRM_AT_FOOTER);
}

static void seal_one(uint64_t index, bool last, const aead_piece *pieces, size_t piece_count,
    size_t stored_len, uint8_t *out) {
    uint8_t digest[SRM_DIGEST_LEN];
    uint8_t wanted[SRM_DIGEST_LEN];
    CHECK_STATUS(
        SRM_OK, frame_seal(&keys, index, last, pieces, piece_count, out, stored_len, digest));
    blake3_digest(out, stored_len, wanted);
    CHECK(memcmp(digest, wanted, sizeof digest) == 0);
}

static void a_frame_opens_only_as_what_it_was_sealed(void) {
    static const size_t lens[] = {LAST_FRAME_UNIT, 9 * LAST_FRAME_UNIT, SRM_FRAME_LEN};
    uint8_t *stored = must_alloc(SRM_FRAME_LEN);
    uint8_t *opened = must_alloc(SRM_FRAME_LEN);
    uint8_t digest[SRM_DIGEST_LEN];
    for (size_t i = 0; i < 3; i++) {
        const uint64_t index = 1000 + i;
        const size_t len = lens[i] - SRM_TAG_LEN;
        const aead_piece pieces[] = {{raw, 48}, {raw + 48, len - 48}};
        seal_one(index, true, pieces, 2, lens[i], stored);
        CHECK_STATUS(SRM_OK, frame_open(&keys, index, true, stored, lens[i], opened, digest));
        CHECK(memcmp(opened, raw, len) == 0);
        const bool full = lens[i] == SRM_FRAME_LEN;
        CHECK_STATUS(full ? SRM_EAUTH : SRM_EDAMAGED,
            frame_open(&keys, index, false, stored, lens[i], opened, digest));
        CHECK(!full || zero_run(opened, len) == len);
        CHECK_STATUS(
            SRM_EAUTH, frame_open(&keys, index + 1, true, stored, lens[i], opened, digest));
        CHECK(zero_run(opened, len) == len);
        memcpy(opened, stored, lens[i]);
        CHECK_STATUS(SRM_OK, frame_open(&keys, index, true, opened, lens[i], opened, digest));
        CHECK(memcmp(opened, raw, len) == 0);
    }
    free(stored);
    free(opened);
}

static void a_frame_is_sealed_where_its_plaintext_lies(void) {
    uint8_t *stored = must_alloc(SRM_FRAME_LEN);
    uint8_t *opened = must_alloc(SRM_FRAME_LEN);
    uint8_t digest[SRM_DIGEST_LEN];
    for (size_t head_len = 0; head_len <= RECORD_HEAD_LEN; head_len += RECORD_HEAD_LEN) {
        const aead_piece pieces[] = {
            {raw, head_len}, {stored + head_len, FRAME_PLAIN_LEN - head_len}};
        const uint64_t index = 2500 + head_len;
        memset(stored, 0, SRM_FRAME_LEN);
        memcpy(stored + head_len, raw + head_len, FRAME_PLAIN_LEN - head_len);
        seal_one(index, false, pieces, 2, SRM_FRAME_LEN, stored);
        CHECK_STATUS(
            SRM_OK, frame_open(&keys, index, false, stored, SRM_FRAME_LEN, opened, digest));
        CHECK(memcmp(opened, raw, FRAME_PLAIN_LEN) == 0);
    }
    free(stored);
    free(opened);
}

static void a_frame_opened_to_two_places_is_the_same(void) {
    static const size_t heads[] = {0, 48, 200000, FRAME_PLAIN_LEN};
    uint8_t *stored = must_alloc(SRM_FRAME_LEN);
    uint8_t *head = must_alloc(FRAME_PLAIN_LEN);
    uint8_t *body = must_alloc(FRAME_PLAIN_LEN);
    uint8_t digest[SRM_DIGEST_LEN];
    uint8_t wanted[SRM_DIGEST_LEN];
    const aead_piece piece = {raw, FRAME_PLAIN_LEN};
    seal_one(3000, false, &piece, 1, SRM_FRAME_LEN, stored);
    blake3_digest(stored, SRM_FRAME_LEN, wanted);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const aead_place to = {head, heads[i], body};
        const size_t rest = FRAME_PLAIN_LEN - heads[i];
        CHECK_STATUS(
            SRM_OK, frame_open_apart(&keys, 3000, false, stored, SRM_FRAME_LEN, &to, digest));
        CHECK(memcmp(head, raw, heads[i]) == 0 && memcmp(body, raw + heads[i], rest) == 0);
        CHECK(memcmp(digest, wanted, sizeof digest) == 0);
        stored[500000] ^= 1;
        CHECK_STATUS(
            SRM_EAUTH, frame_open_apart(&keys, 3000, false, stored, SRM_FRAME_LEN, &to, digest));
        CHECK(zero_run(head, heads[i]) == heads[i] && zero_run(body, rest) == rest);
        stored[500000] ^= 1;
    }
    CHECK_STATUS(SRM_OK, frame_peek(&keys, 3000, false, stored, SRM_FRAME_LEN, head, 48));
    CHECK(memcmp(head, raw, 48) == 0);
    CHECK_STATUS(SRM_EDAMAGED,
        frame_peek(&keys, 3000, false, stored, SRM_FRAME_LEN, head, FRAME_PLAIN_LEN + 1));
    free(stored);
    free(head);
    free(body);
}

static void a_whole_chunk_stands_only_where_a_record_begins(void) {
    parsed_piece piece;
    uint64_t index = 9;
    (void)pack(3 * CHUNK + 9);
    parser *p = new_parser();
    size_t raw_len = 0;
    for (uint64_t i = 0; i < 2; i++) {
        CHECK(parser_is_whole_chunk(p, plain[i], &index) && index == i);
        CHECK_STATUS(SRM_OK, parser_whole_chunk(p, plain[i], raw + i * CHUNK));
        drain(p, &raw_len);
    }
    CHECK(raw_len == 2 * CHUNK);
    CHECK_STATUS(SRM_OK, parser_whole_chunk(p, plain[0], raw)); /* not the next one */
    CHECK_STATUS(SRM_EDAMAGED, parser_next(p, &piece));
    check_failed_for_good(p, SRM_AT_RECORD);

    p = new_parser();
    plain[0][0] ^= 8;
    CHECK(!parser_is_whole_chunk(p, plain[0], &index));
    plain[0][0] ^= 8;
    plain[0][16] ^= 1; /* another segment's */
    CHECK(!parser_is_whole_chunk(p, plain[0], &index));
    plain[0][16] ^= 1;
    /* A frame that ends within a record: the next one cannot begin with a head. */
    parser_feed(p, spare);
    store_be32(plain[0] + 4, CHUNK - 1);
    plain[0][1] = CODEC_ZSTD;
    CHECK_STATUS(SRM_OK, parser_frame(p, plain[0], RECORD_HEAD_LEN + 100, false));
    CHECK_STATUS(SRM_OK, parser_next(p, &piece));
    CHECK_STATUS(SRM_EDAMAGED, parser_whole_chunk(p, plain[1], raw));
    check_failed_for_good(p, SRM_AT_RECORD);
}

static void frames_of_impossible_length_are_refused(void) {
    static const size_t wrong[] = {0, 15, 16, 4095, 4097, SRM_FRAME_LEN - 1, SRM_FRAME_LEN + 4096};
    uint8_t digest[SRM_DIGEST_LEN];
    uint8_t *out = must_alloc(2 * (size_t)SRM_FRAME_LEN);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        for (int last = 0; last < 2; last++) {
            uint8_t *frame = must_alloc(wrong[i]); /* to the byte, for the sanitizers */
            const aead_piece piece = {raw, wrong[i] > 16 ? wrong[i] - 16 : 0};
            memset(frame, 0, wrong[i]);
            CHECK_STATUS(
                SRM_EDAMAGED, frame_open(&keys, 0, last == 1, frame, wrong[i], out, digest));
            CHECK_STATUS(
                SRM_EINVAL, frame_seal(&keys, 2000, last == 1, &piece, 1, frame, wrong[i], digest));
            free(frame);
        }
    const aead_piece too_little = {raw, FRAME_PLAIN_LEN - 1};
    const aead_piece enough = {raw, FRAME_PLAIN_LEN};
    CHECK_STATUS(
        SRM_EINVAL, frame_seal(&keys, 2000, false, &too_little, 1, out, SRM_FRAME_LEN, digest));
    CHECK_STATUS(SRM_ELIMIT,
        frame_seal(&keys, FRAME_COUNT_MAX, false, &enough, 1, out, SRM_FRAME_LEN, digest));
    CHECK_STATUS(
        SRM_EDAMAGED, frame_open(&keys, FRAME_COUNT_MAX, false, out, SRM_FRAME_LEN, out, digest));
    free(out);
}

int main(void) {
    static const fact facts[] = {
        FACT(a_packer_refuses_chunks_that_cannot_be),
        FACT(nothing_follows_a_short_chunk),
        FACT(a_hungry_packer_does_nothing),
        FACT(no_chunk_follows_the_tail),
        FACT(what_was_packed_is_parsed),
        FACT(a_parser_used_out_of_order_refuses),
        FACT(frames_in_the_wrong_order_fail_for_good),
        FACT(a_frame_opens_only_as_what_it_was_sealed),
        FACT(a_frame_is_sealed_where_its_plaintext_lies),
        FACT(a_frame_opened_to_two_places_is_the_same),
        FACT(a_whole_chunk_stands_only_where_a_record_begins),
        FACT(frames_of_impossible_length_are_refused),
    };
    uint8_t header[SRM_HEADER_LEN];
    srm_seal_options options = test_options(0, 0);
    CHECK_STATUS(SRM_OK, header_build(&options, header, &keys));
    raw = must_alloc(4 * CHUNK);
    fill_noise(raw, 4 * CHUNK, 3);
    spare = must_alloc(CHUNK);
    for (size_t i = 0; i < PLAIN_MAX; i++)
        plain[i] = must_alloc(FRAME_PLAIN_LEN);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    for (size_t i = 0; i < PLAIN_MAX; i++)
        free(plain[i]);
    free(spare);
    free(raw);
    segment_keys_wipe(&keys);
    return status;
}
