/* Authentic frames of any plaintext: what stands behind the tags is not trusted to be well formed.
 *
 * The input is a list of steps that lay out the plaintext (enum step); numbers are big-endian.
 * Honest steps know the segment's record tag and where records stand, so that few bytes reach
 * deep into the parser; OP_SPOIL then changes a byte of what an honest step wrote.
 *
 * Three ways lead to the content: the parser, fed frame by frame; a job that opens the whole
 * segment; a view of it. What the first takes, all must take, and give the same bytes. */
#include "base/bytes.h"
#include "codec/zstd.h"
#include "fuzz.h"
#include "segment/frame.h"
#include "segment/parser.h"
#include "segment/root.h"

#include <zstd.h>

#define PLAIN_CAP (3 * FRAME_PLAIN_LEN)
#define RECORD_MAX 64
#define RAW_CAP ((size_t)(RECORD_MAX + 1) * SRM_CHUNK_LEN)
#define SEGMENT_CAP (SRM_HEADER_LEN + 3 * (size_t)SRM_FRAME_LEN + SRM_TRAILER_LEN)
#define READS 12

enum step {
    OP_LITERAL,   /* n u8, n bytes: as they are */
    OP_ZEROS,     /* n u24 */
    OP_REPEAT,    /* n u24, byte */
    OP_TO_EDGE,   /* n u8: zeros until n bytes are left in this frame */
    OP_HEAD,      /* type u8, codec u8, stored length u24, raw length u24: with an honest id */
    OP_RAW,       /* n u24: a record of n + 1 bytes, where it may stand */
    OP_ZSTD,      /* n u24: the same, compressed */
    OP_END,       /* the end record, where it may stand */
    OP_DIRECTORY, /* the directory shall end where the footer begins */
    OP_SPOIL,     /* off u24, mask u8: of the finished plaintext, counted from its end */
    OP_COUNT,
};

typedef struct script {
    const uint8_t *at;
    size_t left;
} script;

typedef struct draft {
    uint8_t *plain; /* PLAIN_CAP bytes */
    size_t len;
    const segment_keys *keys;
    uint64_t offsets[RECORD_MAX];
    uint64_t count;
    uint64_t raw_total;
    uint64_t records_end;
    bool directory;
    size_t spoil_off;
    uint8_t spoil_mask;
} draft;

static srm_seal_options options;
static uint8_t header[SRM_HEADER_LEN];
static segment_keys keys;
static decompressor *codec;
static uint8_t *content; /* SRM_CHUNK_LEN bytes */
static uint8_t *spare;   /* SRM_CHUNK_LEN bytes */
static uint8_t *parsed;  /* RAW_CAP bytes: what the parser gave */
static uint8_t *opened;  /* RAW_CAP bytes: what a job or a view gave */
static uint8_t *stored;  /* SEGMENT_CAP bytes */

static size_t number(script *s, size_t len) {
    size_t value = 0;
    for (; len > 0 && s->left > 0; len--, s->left--)
        value = value << 8 | *s->at++;
    return value;
}

static void lay(draft *d, const uint8_t *data, size_t len) {
    len = min_size(len, PLAIN_CAP - d->len);
    if (len > 0)
        memcpy(d->plain + d->len, data, len);
    d->len += len;
}

static void lay_repeated(draft *d, uint8_t byte, size_t len) {
    len = min_size(len, PLAIN_CAP - d->len);
    memset(d->plain + d->len, byte, len);
    d->len += len;
}

static size_t room(const draft *d) {
    return FRAME_PLAIN_LEN - d->len % FRAME_PLAIN_LEN;
}

static void lay_head(draft *d, record_head head) {
    uint8_t bytes[RECORD_HEAD_LEN];
    if (head.type == RECORD_DATA) {
        memcpy(head.id, d->keys->record_tag, RECORD_TAG_LEN);
        store_be64(head.id + RECORD_TAG_LEN, d->count);
        if (d->count < RECORD_MAX)
            d->offsets[d->count++] = d->len;
        d->raw_total += head.raw_len;
    }
    record_head_store(&head, bytes);
    lay(d, bytes, sizeof bytes);
}

static void align(draft *d) {
    if (room(d) < RECORD_HEAD_LEN)
        lay_repeated(d, 0, room(d));
}

static void lay_record(draft *d, size_t raw_len, bool compress) {
    uint8_t small[2048];
    size_t len = raw_len = raw_len % SRM_CHUNK_LEN + 1;
    memset(content, (int)d->count + 1, raw_len); /* so that no chunk passes for another */
    record_head head = {.type = RECORD_DATA, .raw_len = (uint32_t)raw_len};
    if (compress) {
        len = ZSTD_compress(small, sizeof small, content, raw_len, 1);
        if (ZSTD_isError(len))
            return;
        head.codec = CODEC_ZSTD;
    }
    head.stored_len = (uint32_t)len;
    align(d);
    lay_head(d, head);
    lay(d, compress ? small : content, len);
}

static void lay_claimed_head(draft *d, script *s) {
    record_head head = {.type = (uint8_t)number(s, 1)};
    head.codec = (uint8_t)number(s, 1);
    head.stored_len = (uint32_t)number(s, 3);
    head.raw_len = (uint32_t)number(s, 3);
    lay_head(d, head);
}

static void take_step(draft *d, script *s) {
    size_t n;
    switch ((enum step)(number(s, 1) % OP_COUNT)) {
    case OP_LITERAL:
        n = number(s, 1);
        n = min_size(n, s->left);
        lay(d, s->at, n);
        s->at += n;
        s->left -= n;
        break;
    case OP_ZEROS:
        lay_repeated(d, 0, number(s, 3));
        break;
    case OP_REPEAT:
        n = number(s, 3);
        lay_repeated(d, (uint8_t)number(s, 1), n);
        break;
    case OP_TO_EDGE:
        n = number(s, 1);
        lay_repeated(d, 0, room(d) > n ? room(d) - n : 0);
        break;
    case OP_HEAD:
        lay_claimed_head(d, s);
        break;
    case OP_RAW:
        lay_record(d, number(s, 3), false);
        break;
    case OP_ZSTD:
        lay_record(d, number(s, 3), true);
        break;
    case OP_END:
        align(d);
        d->records_end = d->len;
        lay_head(d, (record_head){.type = RECORD_END});
        break;
    case OP_DIRECTORY:
        d->directory = true;
        break;
    case OP_SPOIL:
        d->spoil_off = number(s, 3);
        d->spoil_mask = (uint8_t)number(s, 1);
        break;
    case OP_COUNT:
        break;
    }
}

/* Directory and footer at the end of the last frame, whose length follows. */
static layout finish(draft *d) {
    layout l;
    uint8_t foot[FOOTER_LEN];
    uint8_t entry[OFFSET_LEN];
    size_t directory_len = d->directory ? (size_t)d->count * OFFSET_LEN : 0;
    size_t directory_record = d->directory ? RECORD_HEAD_LEN + directory_len : 0;
    size_t limit = PLAIN_CAP - FOOTER_LEN - directory_record;
    d->len = min_size(d->len, limit);
    HOLDS(layout_plan(d->len + directory_record + FOOTER_LEN, false, &l) == SRM_OK);
    size_t end = (size_t)layout_plain_len(&l);
    HOLDS(end <= PLAIN_CAP);
    memset(d->plain + d->len, 0, end - d->len);
    d->len = end - FOOTER_LEN - directory_record;
    footer f = {.records_end = d->records_end,
        .directory_off = d->directory ? d->len : 0,
        .directory_len = directory_len,
        .count = d->count,
        .raw_total = d->raw_total};
    if (d->directory) {
        uint32_t len = (uint32_t)directory_len;
        lay_head(d, (record_head){.type = RECORD_DIRECTORY, .stored_len = len, .raw_len = len});
        for (uint64_t i = 0; i < d->count; i++) {
            store_be64(entry, d->offsets[i]);
            lay(d, entry, sizeof entry);
        }
    }
    footer_store(&f, foot);
    lay(d, foot, sizeof foot);
    if (d->spoil_off < d->len)
        d->plain[d->len - 1 - d->spoil_off] ^= d->spoil_mask;
    return l;
}

/* Header, frames of that plaintext, trailer; its length. */
static size_t seal(const draft *d, const layout *l) {
    uint8_t digest[SRM_DIGEST_LEN];
    root_builder root;
    uint8_t *at = stored + SRM_HEADER_LEN;
    memcpy(stored, header, SRM_HEADER_LEN);
    HOLDS(root_begin(&root, header) == SRM_OK);
    for (uint64_t i = 0; i < l->frame_count; i++) {
        bool last = i + 1 == l->frame_count;
        size_t len = last ? l->last_len : SRM_FRAME_LEN;
        aead_piece piece = {d->plain + i * FRAME_PLAIN_LEN, len - SRM_TAG_LEN};
        HOLDS(frame_seal(&keys, i, last, &piece, 1, at, len, digest) == SRM_OK);
        HOLDS(root_add(&root, digest, len, last) == SRM_OK);
        at += len;
    }
    HOLDS(root_end(&root, digest) == SRM_OK);
    trailer_store(header, digest, l, at);
    root_free(&root);
    return (size_t)(at - stored) + SRM_TRAILER_LEN;
}

typedef struct verdict {
    srm_status status;
    srm_place place;
    uint64_t frame;
    uint64_t raw_len;
} verdict;

/* Put one piece where it says it stands. */
static srm_status place(parser *p, const parsed_piece *piece, verdict *v) {
    HOLDS(piece->raw_off == v->raw_len && piece->raw_len > 0);
    HOLDS(piece->len <= SRM_CHUNK_LEN && piece->raw_len <= RAW_CAP - v->raw_len);
    HOLDS(piece->zstd || (piece->len == piece->raw_len && piece->buffer == NULL));
    HOLDS(piece->buffer == NULL || (piece->buffer == spare && piece->data == spare));
    HOLDS(parser_hungry(p) == (piece->buffer != NULL));
    uint8_t *out = parsed + piece->raw_off;
    srm_status status = SRM_OK;
    v->place = SRM_AT_RECORD;
    if (piece->zstd)
        status = decompressor_run(codec, piece->data, piece->len, out, piece->raw_len);
    else
        memcpy(out, piece->data, piece->len);
    if (status == SRM_OK)
        v->raw_len += piece->raw_len;
    return status;
}

static srm_status drain(parser *p, verdict *v) {
    parsed_piece piece;
    srm_status status = SRM_OK;
    do {
        if (parser_hungry(p))
            parser_feed(p, spare);
        status = parser_next(p, &piece);
        HOLDS((piece.len == 0) == (piece.data == NULL) && (status == SRM_OK || piece.len == 0));
        v->place = parser_place(p);
        if (piece.len > 0)
            status = place(p, &piece, v);
    } while (status == SRM_OK && piece.len > 0);
    return status;
}

static verdict parse(const draft *d, const layout *l) {
    verdict v = {0};
    parser *p = NULL;
    parsed_piece piece;
    HOLDS(parser_new(&keys, &p) == SRM_OK);
    for (uint64_t i = 0; v.status == SRM_OK && i < l->frame_count; i++) {
        bool last = i + 1 == l->frame_count;
        size_t len = (last ? l->last_len : SRM_FRAME_LEN) - SRM_TAG_LEN;
        v.frame = i;
        v.status = parser_frame(p, d->plain + i * FRAME_PLAIN_LEN, len, last);
        v.place = parser_place(p);
        if (v.status == SRM_OK)
            v.status = drain(p, &v);
    }
    if (v.status == SRM_OK) {
        HOLDS(parser_complete(p) && parser_raw_total(p) == v.raw_len);
        HOLDS(parser_frame(p, d->plain, FRAME_PLAIN_LEN, false) == SRM_ESTATE);
    } else {
        HOLDS(v.status == SRM_EDAMAGED && v.place != SRM_AT_NONE && !parser_complete(p));
        HOLDS(parser_place(p) == SRM_AT_NONE || parser_next(p, &piece) == SRM_ESTATE);
    }
    (void)parser_surrender(p);
    parser_free(p);
    return v;
}

/* One thread: then nothing overtakes what the parser meets first. */
static void check_job(srm_source source, const verdict *v) {
    srm_job *job = NULL;
    srm_result result;
    srm_failure failure;
    srm_sink sink = {.fd = -1, .mem = opened, .mem_cap = RAW_CAP};
    uint32_t threads = 1 + (v->raw_len & 1);
    HOLDS(srm_open_start(header, options.session_key, source, sink, threads, &job) == SRM_OK);
    HOLDS(srm_job_wait(job, 60000) == v->status);
    HOLDS(srm_job_result(job, &result, &failure) == SRM_OK);
    HOLDS(failure.status == (int32_t)v->status);
    HOLDS(result.raw_len == (v->status == SRM_OK ? v->raw_len : 0));
    if (v->status != SRM_OK && threads == 1)
        HOLDS(failure.place == (int32_t)v->place && failure.frame == v->frame);
    if (v->status == SRM_OK || threads == 1)
        HOLDS(memcmp(opened, parsed, (size_t)v->raw_len) == 0);
    srm_job_free(job);
}

static void check_read(srm_view *view, const verdict *v, uint64_t off, size_t len) {
    static const uint8_t untouched[64] = {0};
    srm_failure failure;
    size_t got = 1;
    uint64_t whole = srm_view_len(view);
    uint64_t left = off < whole ? whole - off : 0;
    len = min_size(len, RAW_CAP);
    memset(opened, 0, min_size(len, sizeof untouched));
    srm_status status = srm_view_read(view, off, opened, len, &got, &failure);
    HOLDS(failure.status == (int32_t)status);
    if (status == SRM_OK) {
        HOLDS(got == (left < len ? left : len));
    } else {
        HOLDS(status == SRM_EDAMAGED && got == 0 && failure.place != SRM_AT_NONE);
        HOLDS(memcmp(opened, untouched, min_size(len, sizeof untouched)) == 0);
    }
    if (v->status == SRM_OK) {
        HOLDS(status == SRM_OK);
        HOLDS(got == 0 || memcmp(opened, parsed + off, got) == 0);
    }
}

static void check_view(srm_source source, const verdict *v, uint64_t seed) {
    srm_view *view = NULL;
    srm_failure failure;
    srm_status status = srm_view_open(header, options.session_key, source, &view, &failure);
    HOLDS(failure.status == (int32_t)status && (status == SRM_OK) == (view != NULL));
    HOLDS(status == SRM_OK || (status == SRM_EDAMAGED && v->status != SRM_OK));
    if (view == NULL)
        return;
    uint64_t len = srm_view_len(view);
    HOLDS(v->status != SRM_OK || len == v->raw_len);
    check_read(view, v, 0, RAW_CAP);
    for (size_t i = 0; i < READS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        /* Around chunk boundaries, or anywhere. */
        uint64_t off = (seed >> 33) % (len + 2);
        if (i % 3 == 0)
            off -= min_size((size_t)(off % SRM_CHUNK_LEN), SRM_CHUNK_LEN - 1);
        check_read(view, v, off, (seed >> 8) % (i % 2 == 0 ? 100 : 3 * SRM_CHUNK_LEN));
    }
    srm_view_free(view);
}

static void begin(void) {
    static const uint8_t owner[116] = {1, 0, 0, 112};
    options = (srm_seal_options){.type = 1, .envelopes = owner, .envelopes_len = sizeof owner};
    HOLDS(header_build(&options, header, &keys) == SRM_OK);
    HOLDS(decompressor_new(&codec) == SRM_OK);
    content = malloc(SRM_CHUNK_LEN);
    spare = malloc(SRM_CHUNK_LEN);
    parsed = malloc(RAW_CAP);
    opened = malloc(RAW_CAP);
    stored = malloc(SEGMENT_CAP);
    HOLDS(content != NULL && spare != NULL && parsed != NULL && opened != NULL && stored != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static uint8_t plain[PLAIN_CAP];
    if (stored == NULL)
        begin();
    script s = {data, len};
    draft d = {.plain = plain, .keys = &keys};
    uint64_t seed = len;
    for (size_t i = 0; i < len; i++)
        seed = seed * 31 + data[i];
    while (s.left > 0)
        take_step(&d, &s);
    layout l = finish(&d);
    size_t segment_len = seal(&d, &l);
    verdict v = parse(&d, &l);
    srm_source source = {
        .fd = -1, .mem = stored + SRM_HEADER_LEN, .mem_len = segment_len - SRM_HEADER_LEN};
    if (seed % 4 == 0) /* threads take time */
        check_job(source, &v);
    check_view(source, &v, seed);
    return 0;
}
