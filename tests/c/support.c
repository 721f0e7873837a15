#include "support.h"

#include "base/bytes.h"
#include "check.h"
#include "segment/layout.h"

void *must_alloc(size_t len) {
    void *memory = malloc(len > 0 ? len : 1);
    CHECK(memory != NULL);
    return memory;
}

void fill_noise(uint8_t *out, size_t len, uint64_t seed) {
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t at = 0; at < len; at += sizeof x) {
        x ^= x << 13; /* Marsaglia's xorshift64 */
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(out + at, &x, min_size(sizeof x, len - at));
    }
}

void fill_text(uint8_t *out, size_t len) {
    static const char *const words[8] = {
        "frame ", "record ", "trailer ", "of ", "the ", "sealed ", "room ", "and\n"};
    size_t at = 0;
    for (uint32_t x = 1; at < len; x = x * 1664525u + 1013904223u) {
        const char *word = words[x >> 29];
        size_t step = min_size(strlen(word), len - at);
        memcpy(out + at, word, step);
        at += step;
    }
}

srm_seal_options test_options(int32_t level, int32_t pad) {
    static const uint8_t owner[116] = {1, 0, 0, 112};
    srm_seal_options options = {
        .type = 1, .level = level, .pad = pad, .envelopes = owner, .envelopes_len = sizeof owner};
    memset(options.repo_id, 0x11, sizeof options.repo_id);
    memset(options.session_id, 0x22, sizeof options.session_id);
    memset(options.session_key, 0x33, sizeof options.session_key);
    return options;
}

static void append(segment *s, const uint8_t *data, size_t len) {
    memcpy(s->bytes + s->len, data, len);
    s->len += len;
}

void segment_seal(const srm_seal_options *options, const uint8_t *raw, size_t raw_len, segment *s) {
    uint8_t header[SRM_HEADER_LEN];
    uint8_t *out = must_alloc(WRITER_OUT_LEN);
    writer *w = NULL;
    bool done = false;
    size_t out_len = 0;
    *s = (segment){.bytes = must_alloc(raw_len + raw_len / 8 + 4 * (size_t)SRM_FRAME_LEN)};
    CHECK_STATUS(SRM_OK, writer_new(options, header, &w));
    append(s, header, sizeof header);
    for (size_t at = 0; at < raw_len; at += SRM_CHUNK_LEN) {
        CHECK_STATUS(
            SRM_OK, writer_put(w, raw + at, min_size(SRM_CHUNK_LEN, raw_len - at), out, &out_len));
        append(s, out, out_len);
    }
    while (!done) {
        CHECK_STATUS(SRM_OK, writer_tail(w, out, &out_len, &done));
        append(s, out, out_len);
    }
    writer_result(w, &s->result);
    CHECK(s->result.stored_len == s->len && s->result.raw_len == raw_len);
    CHECK_STATUS(SRM_ESTATE, writer_tail(w, out, &out_len, &done));
    CHECK(out_len == 0 && !done);
    writer_free(w);
    free(out);
}

void segment_free(segment *s) {
    free(s->bytes);
    *s = (segment){0};
}

static srm_status drain(reader *r, uint8_t *raw, size_t raw_cap, size_t *raw_len) {
    const uint8_t *data = NULL;
    size_t len = 0;
    srm_status status = SRM_OK;
    do {
        status = reader_next(r, &data, &len);
        CHECK(len <= raw_cap - *raw_len && (len == 0) == (data == NULL));
        if (len > 0)
            memcpy(raw + *raw_len, data, len);
        *raw_len += len;
    } while (status == SRM_OK && len > 0);
    return status;
}

static void check_refuses_everything(reader *r, const segment *s) {
    const uint8_t *data = s->bytes;
    size_t len = 1;
    CHECK_STATUS(SRM_ESTATE, reader_next(r, &data, &len));
    CHECK(data == NULL && len == 0);
    CHECK_STATUS(SRM_ESTATE, reader_feed(r, s->bytes + SRM_HEADER_LEN, SRM_FRAME_LEN, false));
    CHECK_STATUS(SRM_ESTATE, reader_end(r, s->bytes + s->len - SRM_TRAILER_LEN));
}

srm_status segment_open(const segment *s, const uint8_t session_key[SRM_KEY_LEN], uint8_t *raw,
    size_t raw_cap, size_t *raw_len) {
    layout l;
    reader *r = NULL;
    srm_result result;
    *raw_len = 0;
    CHECK_STATUS(SRM_OK, layout_of_length(s->len - SRM_HEADER_LEN - SRM_TRAILER_LEN, &l));
    srm_status status = reader_new(s->bytes, session_key, &r);
    if (status != SRM_OK) {
        CHECK(r == NULL);
        return status;
    }
    const uint8_t *at = s->bytes + SRM_HEADER_LEN;
    for (uint64_t i = 0; status == SRM_OK && i < l.frame_count; i++) {
        bool last = i + 1 == l.frame_count;
        status = reader_feed(r, at, last ? l.last_len : SRM_FRAME_LEN, last);
        at += SRM_FRAME_LEN;
        if (status == SRM_OK)
            status = drain(r, raw, raw_cap, raw_len);
    }
    if (status == SRM_OK)
        status = reader_end(r, s->bytes + s->len - SRM_TRAILER_LEN);
    if (status != SRM_OK) {
        check_refuses_everything(r, s);
    } else {
        reader_result(r, &result);
        CHECK(result.raw_len == *raw_len && result.stored_len == s->len);
    }
    reader_free(r);
    return status;
}
