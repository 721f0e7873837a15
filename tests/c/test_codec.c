/* Which chunks are compressed, and which stored chunks are refused. */
#include "base/bytes.h"
#include "check.h"
#include "codec/probe.h"
#include "codec/zstd.h"
#include "support.h"

#include <zstd.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define BLOCK_MAX ((size_t)128 << 10)

static uint8_t *raw;    /* CHUNK bytes */
static uint8_t *opened; /* CHUNK bytes */
static decompressor *codec;
static enum { SOUND, ANOTHER_BYTE, TOO_SHORT, BAD_FRAME } fault; /* of the machine, in zstd */

/* The linker puts this in front of zstd's: what bad memory or a bug makes of a chunk. */
size_t __real_ZSTD_compress2(ZSTD_CCtx *, void *, size_t, const void *, size_t);
size_t __wrap_ZSTD_compress2(ZSTD_CCtx *, void *, size_t, const void *, size_t);
size_t __wrap_ZSTD_compress2(ZSTD_CCtx *c, void *out, size_t cap, const void *in, size_t len) {
    uint8_t *seen = must_alloc(len);
    memcpy(seen, in, len);
    seen[len / 2] ^= fault == ANOTHER_BYTE ? 1 : 0;
    size_t made = __real_ZSTD_compress2(c, out, cap, seen, fault == TOO_SHORT ? len - 1 : len);
    if (fault == BAD_FRAME)
        *(uint8_t *)out ^= 1;
    free(seen);
    return made;
}

/* A zstd frame by hand (RFC 8878, 3.1.1) in memory of its exact length, for the sanitizers. */
typedef struct frame {
    uint8_t bytes[256];
    size_t len;
} frame;

static void add(frame *f, const void *data, size_t len) {
    CHECK(len <= sizeof f->bytes - f->len);
    memcpy(f->bytes + f->len, data, len);
    f->len += len;
}

static void add_byte(frame *f, unsigned value) {
    uint8_t byte = (uint8_t)value;
    add(f, &byte, 1);
}

static void add_little(frame *f, uint64_t value, size_t len) {
    for (size_t i = 0; i < len; i++)
        add_byte(f, (unsigned)(value >> (8 * i)) & 0xff);
}

/* A content size of 4 bytes (0x80), window descriptor unless single segment. */
static frame begin_frame(unsigned descriptor, unsigned window, uint64_t content) {
    frame f = {.len = 0};
    add(&f, "\x28\xb5\x2f\xfd", 4);
    add_byte(&f, descriptor);
    if ((descriptor & 0x20) == 0)
        add_byte(&f, window);
    for (unsigned flag = descriptor & 3; flag > 0; flag = 0)
        add_little(&f, 77, (size_t)1 << (flag - 1)); /* a dictionary id */
    if (descriptor >> 6 == 3)
        add_little(&f, content, 8);
    else if (descriptor >> 6 == 2)
        add_little(&f, content, 4);
    return f;
}

/* Blocks that repeat one byte. */
static void add_blocks(frame *f, size_t content) {
    while (content > 0) {
        size_t len = min_size(content, BLOCK_MAX);
        content -= len;
        add_little(f, (uint64_t)len << 3 | 1 << 1 | (content == 0), 3);
        add_byte(f, 'z');
    }
}

static srm_status run(const uint8_t *stored, size_t stored_len, size_t raw_len) {
    uint8_t *in = must_alloc(stored_len);
    uint8_t *out = must_alloc(raw_len);
    if (stored_len > 0)
        memcpy(in, stored, stored_len);
    srm_status status = decompressor_run(codec, in, stored_len, out, raw_len);
    if (status == SRM_OK)
        memcpy(opened, out, raw_len);
    free(in);
    free(out);
    return status;
}

static srm_status run_frame(const frame *f, size_t raw_len) {
    return run(f->bytes, f->len, raw_len);
}

/* A sound frame of `content` bytes, told apart by its window descriptor. */
static srm_status run_windowed(unsigned descriptor, unsigned window, size_t content) {
    frame f = begin_frame(descriptor, window, content);
    add_blocks(&f, content);
    return run_frame(&f, content);
}

static void a_sound_frame_is_opened(void) {
    CHECK_STATUS(SRM_OK, run_windowed(0x80, 0x50, 1000));
    CHECK(opened[0] == 'z' && opened[999] == 'z');
    CHECK_STATUS(SRM_OK, run_windowed(0x80, 0x50, CHUNK));
    CHECK_STATUS(SRM_OK, run_windowed(0xa0, 0, CHUNK));
    CHECK_STATUS(SRM_OK, run_windowed(0xc0, 0x50, 1000));
}

static void windows_above_one_mebibyte_are_refused(void) {
    CHECK_STATUS(SRM_OK, run_windowed(0x80, 0x4f, CHUNK));
    CHECK_STATUS(SRM_OK, run_windowed(0x80, 0x50, CHUNK));
    for (unsigned window = 0x51; window <= 0xff; window++)
        CHECK_STATUS(SRM_EDAMAGED, run_windowed(0x80, window, 1000));
}

static void dictionary_ids_and_reserved_bits_are_refused(void) {
    static const unsigned bits[] = {0x01, 0x02, 0x03, 0x08, 0x10};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        CHECK_STATUS(SRM_EDAMAGED, run_windowed(0x80 | bits[i], 0x50, 1000));
        CHECK_STATUS(SRM_EDAMAGED, run_windowed(0xa0 | bits[i], 0x50, 1000));
    }
}

static void a_missing_or_wrong_content_size_is_refused(void) {
    static const uint64_t wrong[] = {0, 999, 1001, UINT32_MAX};
    frame f = begin_frame(0x00, 0x50, 0);
    add_blocks(&f, 1000);
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
    for (size_t i = 0; i < 4; i++) {
        f = begin_frame(0x80, 0x50, wrong[i]);
        add_blocks(&f, 1000);
        CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
        if (wrong[i] > 0 && wrong[i] < CHUNK)
            CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, (size_t)wrong[i]));
    }
    f = begin_frame(0xc0, 0x50, ((uint64_t)1 << 32) + 1000);
    add_blocks(&f, 1000);
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
}

static void bombs_are_refused(void) {
    frame f = begin_frame(0x80, 0x50, 1000);
    add_blocks(&f, 32 * BLOCK_MAX); /* says 1000, makes 4 MiB */
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
    f = begin_frame(0xc0, 0x50, UINT64_MAX - 2);
    add_blocks(&f, 32 * BLOCK_MAX);
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, CHUNK));
    CHECK_STATUS(SRM_EINVAL, run_frame(&f, CHUNK + 1));
}

static void what_is_not_one_whole_frame_is_refused(void) {
    frame sound = begin_frame(0x80, 0x50, 1000);
    add_blocks(&sound, 1000);
    for (size_t len = 0; len < sound.len; len++)
        CHECK_STATUS(SRM_EDAMAGED, run(sound.bytes, len, 1000));
    frame f = sound;
    add_byte(&f, 0);
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
    f = sound;
    add(&f, sound.bytes, sound.len);
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 2000));
    f = sound;
    add(&f, "\x50\x2a\x4d\x18\0\0\0\0", 8); /* an empty skippable frame */
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
    f = (frame){.len = 0};
    add(&f, "\x50\x2a\x4d\x18\0\0\0\0", 8);
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
    add(&f, sound.bytes, sound.len);
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
    f = sound;
    f.bytes[0] = 0x27; /* zstd 0.7's magic number */
    CHECK_STATUS(SRM_EDAMAGED, run_frame(&f, 1000));
}

static void a_checksum_is_allowed_and_checked(void) {
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    uint8_t stored[2000];
    fill_text(raw, 1000);
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1)));
    size_t len = ZSTD_compress2(zstd, stored, sizeof stored, raw, 1000);
    CHECK(!ZSTD_isError(len));
    CHECK_STATUS(SRM_OK, run(stored, len, 1000));
    stored[len - 1] ^= 1;
    CHECK_STATUS(SRM_EDAMAGED, run(stored, len, 1000));
    stored[len - 1] ^= 1;
    CHECK_STATUS(SRM_EDAMAGED, run(stored, len - 4, 1000));
    ZSTD_freeCCtx(zstd);
}

/* Does a compressor at this level store raw_len bytes of `raw` compressed? */
static bool compresses(int level, size_t raw_len, bool is_media) {
    compressor *c = NULL;
    uint8_t *stored = must_alloc(compressor_bound()); /* to the byte, for the sanitizers */
    size_t stored_len = 1;
    uint8_t *chunk = must_alloc(raw_len);
    memcpy(chunk, raw, raw_len);
    CHECK_STATUS(SRM_OK, compressor_new(level, &c));
    CHECK_STATUS(SRM_OK, compressor_try(c, chunk, raw_len, is_media, stored, &stored_len));
    bool did = stored_len > 0;
    if (did) {
        CHECK(stored_len * 100 <= raw_len * 97);
        CHECK_STATUS(SRM_OK, run(stored, stored_len, raw_len));
        CHECK(memcmp(opened, raw, raw_len) == 0);
    }
    compressor_free(c);
    free(stored);
    free(chunk);
    return did;
}

static void noise_stays_raw(void) {
    static const size_t lens[] = {1, 2, 63, 100, 4095, 4096, 4097, 65536, CHUNK};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        fill_noise(raw, lens[i], i + 5);
        CHECK(!compresses(3, lens[i], false) && !compresses(3, lens[i], true));
    }
}

static void text_and_zeros_are_compressed_at_every_level(void) {
    static const size_t lens[] = {4096, 4097, 100000, CHUNK};
    static const int levels[] = {1, 3, 9, SRM_LEVEL_MAX};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            if (levels[j] > 9 && lens[i] > 100000)
                continue; /* takes seconds */
            fill_text(raw, lens[i]);
            CHECK(compresses(levels[j], lens[i], false) && compresses(levels[j], lens[i], true));
            memset(raw, 0, lens[i]);
            CHECK(compresses(levels[j], lens[i], false) && compresses(levels[j], lens[i], true));
        }
}

static void what_does_not_decompress_to_the_same_is_not_stored(void) {
    compressor *c = NULL;
    uint8_t *stored = must_alloc(compressor_bound());
    fill_text(raw, CHUNK);
    CHECK_STATUS(SRM_OK, compressor_new(3, &c));
    for (fault = ANOTHER_BYTE; fault <= BAD_FRAME; fault++) {
        size_t stored_len = 1;
        CHECK_STATUS(SRM_ECODEC, compressor_try(c, raw, CHUNK, false, stored, &stored_len));
        CHECK(stored_len == 0);
    }
    fault = SOUND;
    compressor_free(c);
    free(stored);
}

static void level_0_compresses_nothing(void) {
    memset(raw, 0, CHUNK);
    CHECK(!compresses(0, CHUNK, false));
}

static void media_is_known_by_how_it_begins(void) {
    static const struct {
        const char *start;
        size_t len;
    } media[] = {
        {"\xff\xd8\xff\xe0", 4},
        {"\x89PNG\r\n\x1a\n", 8},
        {"RIFF\x10\x20\x30\x40WEBP", 12},
        {"\0\0\0\x20"
         "ftypisom",
            12},
        {"PK\x03\x04", 4},
        {"\x28\xb5\x2f\xfd", 4},
    };
    for (size_t i = 0; i < sizeof media / sizeof media[0]; i++)
        for (size_t len = 0; len <= media[i].len; len++) {
            uint8_t *start = must_alloc(len); /* to the byte, for the sanitizers */
            memcpy(start, media[i].start, len);
            CHECK(len < media[i].len || probe_is_media(start, len));
            CHECK(len > 2 || !probe_is_media(start, len));
            free(start);
        }
    CHECK(!probe_is_media((const uint8_t *)"RIFF\x10\x20\x30\x40WAVE", 12));
}

/* What is media costs one look: no trial, so no time in zstd. */
static void noise_that_begins_as_jpeg_stays_raw(void) {
    fill_noise(raw, CHUNK, 4);
    memcpy(raw, "\xff\xd8\xff\xe0", 4);
    CHECK(probe_is_media(raw, CHUNK) && probe_chunk(raw, CHUNK, true) == PROBE_RAW);
    CHECK(!compresses(3, CHUNK, true));
}

static void lengths_out_of_range_are_refused(void) {
    compressor *c = NULL;
    uint8_t *stored = must_alloc(compressor_bound());
    size_t len = 1;
    CHECK_STATUS(SRM_EINVAL, compressor_new(-1, &c));
    CHECK_STATUS(SRM_EINVAL, compressor_new(SRM_LEVEL_MAX + 1, &c));
    CHECK(c == NULL);
    CHECK_STATUS(SRM_OK, compressor_new(3, &c));
    CHECK_STATUS(SRM_EINVAL, compressor_try(c, raw, 0, false, stored, &len));
    CHECK(len == 0);
    len = 1;
    CHECK_STATUS(SRM_EINVAL, compressor_try(c, raw, CHUNK + 1, false, stored, &len));
    CHECK(len == 0);
    free(stored);
    compressor_free(c);
    compressor_free(NULL);
    decompressor_free(NULL);
}

static bool seems_zeros(size_t len) {
    return probe_chunk(raw, len, false) == PROBE_ZSTD;
}

/* Noise grows over zeros from one end until the verdict turns. From there each byte that is read
 * tips it: count them, ahead of the noise only, so once from each end. */
static size_t count_tipping(size_t len, bool backwards) {
    size_t tipping = 0;
    size_t edge = 0;
    memset(raw, 0, len);
    while (seems_zeros(len)) {
        CHECK(edge < len);
        raw[backwards ? len - 1 - edge : edge] = (uint8_t)(1 + edge % 255);
        edge++;
    }
    edge--;
    raw[backwards ? len - 1 - edge : edge] = 0;
    CHECK(seems_zeros(len));
    for (; edge < len; edge++) {
        uint8_t *at = raw + (backwards ? len - 1 - edge : edge);
        *at = (uint8_t)(1 + edge % 255);
        tipping += !seems_zeros(len);
        *at = 0;
    }
    return tipping;
}

static void the_probe_reads_at_most_4096_bytes(void) {
    static const size_t lens[] = {4097, 10000};
    for (size_t i = 0; i < 2; i++) {
        size_t ahead = count_tipping(lens[i], false);
        size_t behind = count_tipping(lens[i], true);
        CHECK(ahead > 1000 && behind > 1000 && ahead + behind <= 4096 + 2);
    }
}

int main(void) {
    static const fact facts[] = {
        FACT(a_sound_frame_is_opened),
        FACT(windows_above_one_mebibyte_are_refused),
        FACT(dictionary_ids_and_reserved_bits_are_refused),
        FACT(a_missing_or_wrong_content_size_is_refused),
        FACT(bombs_are_refused),
        FACT(what_is_not_one_whole_frame_is_refused),
        FACT(a_checksum_is_allowed_and_checked),
        FACT(noise_stays_raw),
        FACT(text_and_zeros_are_compressed_at_every_level),
        FACT(what_does_not_decompress_to_the_same_is_not_stored),
        FACT(level_0_compresses_nothing),
        FACT(media_is_known_by_how_it_begins),
        FACT(noise_that_begins_as_jpeg_stays_raw),
        FACT(lengths_out_of_range_are_refused),
        FACT(the_probe_reads_at_most_4096_bytes),
    };
    raw = must_alloc(CHUNK);
    opened = must_alloc(CHUNK);
    CHECK_STATUS(SRM_OK, decompressor_new(&codec));
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    decompressor_free(codec);
    free(raw);
    free(opened);
    return status;
}
