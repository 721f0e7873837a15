/* Authentic frames of any plaintext: what stands behind the tags is not trusted to be well formed.
 *
 * The input is a list of steps that lay out the plaintext (enum step); numbers are big-endian.
 * Honest steps know the segment's record tag and where records stand, so that few bytes reach
 * deep into the reader; OP_SPOIL then changes a byte of what an honest step wrote. */
#include "base/bytes.h"
#include "fuzz.h"
#include "segment/frame.h"
#include "segment/reader.h"
#include "segment/record.h"
#include "segment/root.h"

#include <zstd.h>

#define PLAIN_CAP (3 * FRAME_PLAIN_LEN)
#define RECORD_MAX 64

enum step {
    OP_LITERAL,   /* n u8, n bytes: as they are */
    OP_ZEROS,     /* n u24 */
    OP_REPEAT,    /* n u24, byte */
    OP_TO_EDGE,   /* n u8: zeros until n bytes are left in this frame */
    OP_HEAD,      /* type u8, codec u8, stored length u24, raw length u24: with an honest id */
    OP_RAW,       /* n u24: a record of zeros, where it may stand */
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
static uint8_t *zeros; /* SRM_CHUNK_LEN bytes */

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
    uint8_t stored[RECORD_HEAD_LEN];
    if (head.type == RECORD_DATA) {
        memcpy(head.id, d->keys->record_tag, RECORD_TAG_LEN);
        store_be64(head.id + RECORD_TAG_LEN, d->count);
        if (d->count < RECORD_MAX)
            d->offsets[d->count++] = d->len;
        d->raw_total += head.raw_len;
    }
    record_head_store(&head, stored);
    lay(d, stored, sizeof stored);
}

static void align(draft *d) {
    if (room(d) < RECORD_HEAD_LEN)
        lay_repeated(d, 0, room(d));
}

static void lay_record(draft *d, size_t raw_len, bool compress) {
    uint8_t small[2048];
    size_t len = raw_len = raw_len % SRM_CHUNK_LEN + 1;
    record_head head = {.type = RECORD_DATA, .raw_len = (uint32_t)raw_len};
    if (compress) {
        len = ZSTD_compress(small, sizeof small, zeros, raw_len, 1);
        if (ZSTD_isError(len))
            return;
        head.codec = CODEC_ZSTD;
    }
    head.stored_len = (uint32_t)len;
    align(d);
    lay_head(d, head);
    lay(d, compress ? small : zeros, len);
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

/* All that comes out of one frame; bytes counted. */
static srm_status drain(reader *r, uint64_t *raw_len) {
    const uint8_t *data = NULL;
    size_t len = 0;
    srm_status status = SRM_OK;
    do {
        status = reader_next(r, &data, &len);
        HOLDS(len <= SRM_CHUNK_LEN && (len == 0) == (data == NULL));
        for (size_t i = 0; i < len; i += 4096)
            HOLDS(((volatile const uint8_t *)data)[i] <= 255);
        *raw_len += len;
    } while (status == SRM_OK && len > 0);
    HOLDS(len == 0);
    return status;
}

/* The length that the last frame alone states. */
static void check_raw_len(const uint8_t *stored, const layout *l, srm_status read, uint64_t len) {
    uint64_t stated = 1;
    srm_status status = reader_raw_len(
        header, options.session_key, l->frame_count - 1, stored, l->last_len, &stated);
    HOLDS(status == SRM_OK || (status == SRM_EDAMAGED && stated == 0));
    HOLDS(read != SRM_OK || (status == SRM_OK && stated == len));
}

static srm_status read_frames(reader *r, const draft *d, const layout *l, uint64_t *raw_len) {
    static uint8_t stored[SRM_FRAME_LEN];
    uint8_t trailer[SRM_TRAILER_LEN];
    uint8_t tree_root[SRM_DIGEST_LEN];
    root_builder root;
    srm_status status = SRM_OK;
    HOLDS(root_begin(&root, header) == SRM_OK);
    for (uint64_t i = 0; status == SRM_OK && i < l->frame_count; i++) {
        bool last = i + 1 == l->frame_count;
        size_t len = last ? l->last_len : SRM_FRAME_LEN;
        aead_piece piece = {d->plain + i * FRAME_PLAIN_LEN, len - SRM_TAG_LEN};
        HOLDS(frame_seal(&keys, i, last, &piece, 1, stored, len) == SRM_OK);
        HOLDS(root_add(&root, stored, len, last) == SRM_OK);
        HOLDS(reader_feed(r, stored, len, last) == SRM_OK);
        status = drain(r, raw_len);
        if (last)
            check_raw_len(stored, l, status, *raw_len);
    }
    if (status == SRM_OK) {
        HOLDS(root_end(&root, tree_root) == SRM_OK);
        trailer_store(header, tree_root, l, trailer);
        HOLDS(reader_end(r, trailer) == SRM_OK);
    } else {
        HOLDS(reader_end(r, trailer) == SRM_ESTATE);
    }
    root_free(&root);
    return status;
}

static void begin(void) {
    static const uint8_t owner[116] = {1, 0, 0, 112};
    options = (srm_seal_options){.type = 1, .envelopes = owner, .envelopes_len = sizeof owner};
    HOLDS(header_build(&options, header, &keys) == SRM_OK);
    zeros = calloc(1, SRM_CHUNK_LEN);
    HOLDS(zeros != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static uint8_t plain[PLAIN_CAP];
    if (zeros == NULL)
        begin();
    script s = {data, len};
    draft d = {.plain = plain, .keys = &keys};
    reader *r = NULL;
    srm_result result;
    uint64_t raw_len = 0;
    while (s.left > 0)
        take_step(&d, &s);
    layout l = finish(&d);
    HOLDS(reader_new(header, options.session_key, &r) == SRM_OK);
    srm_status status = read_frames(r, &d, &l, &raw_len);
    HOLDS(status == SRM_OK || status == SRM_EDAMAGED);
    reader_result(r, &result);
    if (status == SRM_OK)
        HOLDS(result.raw_len == raw_len && result.frames == l.frame_count);
    else
        HOLDS(result.raw_len == 0 && result.frames == 0);
    reader_free(r);
    return 0;
}
