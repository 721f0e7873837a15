#include "codec/zstd.h"

#include "base/bytes.h"
#include "codec/probe.h"

#include <stdlib.h>
#include <zstd.h>

#define TRIAL_LEN ((size_t)16384)
#define WINDOW_LOG 20

struct compressor {
    int level;
    ZSTD_CCtx *zstd;
    decompressor *checker;
    uint8_t *checked; /* SRM_CHUNK_LEN bytes */
};

struct decompressor {
    ZSTD_DCtx *zstd;
};

void compressor_free(compressor *c) {
    if (c == NULL)
        return;
    ZSTD_freeCCtx(c->zstd);
    decompressor_free(c->checker);
    wipe_free(c->checked, SRM_CHUNK_LEN);
    free(c);
}

srm_status compressor_new(int level, compressor **out) {
    *out = NULL;
    if (level < 0 || level > SRM_LEVEL_MAX)
        return SRM_EINVAL;
    compressor *c = calloc(1, sizeof *c);
    if (c == NULL)
        return SRM_ENOMEM;
    srm_status status = SRM_ENOMEM;
    c->level = level;
    c->zstd = ZSTD_createCCtx();
    c->checked = malloc(SRM_CHUNK_LEN);
    if (c->zstd == NULL || c->checked == NULL)
        goto done;
    status = decompressor_new(&c->checker);
    if (status != SRM_OK)
        goto done;
    *out = c; /* the caller owns it now */
    c = NULL;
done:
    compressor_free(c);
    return status;
}

size_t compressor_bound(void) {
    return ZSTD_compressBound(SRM_CHUNK_LEN);
}

/* Compressed length, or 0 if zstd failed. */
static size_t compress(
    compressor *c, int level, const uint8_t *raw, size_t raw_len, uint8_t *stored) {
    if (ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_windowLog, WINDOW_LOG)))
        return 0;
    size_t len = ZSTD_compress2(c->zstd, stored, compressor_bound(), raw, raw_len);
    return ZSTD_isError(len) ? 0 : len;
}

static bool saves_enough(size_t stored_len, size_t raw_len) {
    return stored_len <= raw_len - raw_len / 33 - 1;
}

static bool worth_trying(
    compressor *c, const uint8_t *raw, size_t raw_len, bool is_media, uint8_t *scratch) {
    switch (probe_chunk(raw, raw_len, is_media)) {
    case PROBE_RAW:
        return false;
    case PROBE_ZSTD:
        return true;
    case PROBE_TRIAL:
        break;
    }
    if (raw_len <= 4 * TRIAL_LEN)
        return true; /* a trial would cost a quarter of the work or more */
    size_t trial = compress(c, 1, raw + (raw_len - TRIAL_LEN) / 2, TRIAL_LEN, scratch);
    return trial != 0 && saves_enough(trial, TRIAL_LEN);
}

srm_status compressor_try(compressor *c, const uint8_t *raw, size_t raw_len, bool is_media,
    uint8_t *stored, size_t *stored_len) {
    *stored_len = 0;
    if (raw_len == 0 || raw_len > SRM_CHUNK_LEN)
        return SRM_EINVAL;
    if (c->level == 0 || !worth_trying(c, raw, raw_len, is_media, stored))
        return SRM_OK;
    size_t len = compress(c, c->level, raw, raw_len, stored);
    if (len == 0)
        return SRM_ECODEC;
    if (!saves_enough(len, raw_len))
        return SRM_OK;
    srm_status status = decompressor_run(c->checker, stored, len, c->checked, raw_len);
    if (status != SRM_OK)
        return status == SRM_EDAMAGED ? SRM_ECODEC : status;
    if (memcmp(c->checked, raw, raw_len) != 0)
        return SRM_ECODEC;
    *stored_len = len;
    return SRM_OK;
}

void decompressor_free(decompressor *d) {
    if (d == NULL)
        return;
    ZSTD_freeDCtx(d->zstd);
    free(d);
}

srm_status decompressor_new(decompressor **out) {
    *out = NULL;
    decompressor *d = calloc(1, sizeof *d);
    if (d == NULL)
        return SRM_ENOMEM;
    d->zstd = ZSTD_createDCtx();
    if (d->zstd == NULL) {
        free(d);
        return SRM_ENOMEM;
    }
    *out = d;
    return SRM_OK;
}

/* RFC 8878, 3.1.1.1: no dictionary, nothing reserved, window in bounds. One-shot decompression
 * would not look at the window. */
static bool frame_header_is_tame(const uint8_t *stored, size_t stored_len) {
    if (stored_len < 6 || memcmp(stored, "\x28\xb5\x2f\xfd", 4) != 0)
        return false;
    uint8_t descriptor = stored[4];
    if ((descriptor & 0x1b) != 0) /* dictionary id flag, reserved bit, unused bit */
        return false;
    if ((descriptor & 0x20) != 0)
        return true; /* single segment: the window is the content */
    unsigned exponent = stored[5] >> 3;
    uint64_t base = (uint64_t)1 << (10 + exponent);
    return base + base / 8 * (stored[5] & 7u) <= (uint64_t)1 << WINDOW_LOG;
}

srm_status decompressor_run(
    decompressor *d, const uint8_t *stored, size_t stored_len, uint8_t *raw, size_t raw_len) {
    if (raw_len > SRM_CHUNK_LEN)
        return SRM_EINVAL;
    if (!frame_header_is_tame(stored, stored_len) ||
        ZSTD_getFrameContentSize(stored, stored_len) != raw_len ||
        ZSTD_findFrameCompressedSize(stored, stored_len) != stored_len)
        return SRM_EDAMAGED;
    size_t got = ZSTD_decompressDCtx(d->zstd, raw, raw_len, stored, stored_len);
    return !ZSTD_isError(got) && got == raw_len ? SRM_OK : SRM_EDAMAGED;
}
