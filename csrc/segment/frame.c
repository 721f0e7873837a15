#include "segment/frame.h"

#include "base/bytes.h"
#include "segment/ledger.h"

#define AAD_LEN 16

typedef struct binding {
    uint8_t nonce[AEAD_NONCE_LEN];
    uint8_t aad[AAD_LEN];
} binding;

/* nonce = base XOR (last || 0^3 || index); aad = type, last, 0, stored length, index. */
static binding bind(const segment_keys *keys, uint64_t index, bool last, size_t stored_len) {
    binding b = {0};
#ifdef SRM_MUTATE_NONCE
    index /= 2; /* for a test: the ledger must notice */
#endif
    b.nonce[0] = last;
    store_be64(b.nonce + 4, index);
    for (size_t i = 0; i < AEAD_NONCE_LEN; i++)
        b.nonce[i] ^= keys->base_nonce[i];
    b.aad[0] = keys->type;
    b.aad[1] = last;
    store_be32(b.aad + 4, (uint32_t)stored_len);
    store_be64(b.aad + 8, index);
    return b;
}

static bool is_frame_len(size_t len, bool last) {
    if (!last)
        return len == SRM_FRAME_LEN;
    return len >= LAST_FRAME_UNIT && len <= SRM_FRAME_LEN && len % LAST_FRAME_UNIT == 0;
}

srm_status frame_seal(const segment_keys *keys, uint64_t index, bool last, const aead_piece *pieces,
    size_t piece_count, uint8_t *out, size_t stored_len, uint8_t digest[SRM_DIGEST_LEN]) {
    size_t plain_len = 0;
    for (size_t i = 0; i < piece_count; i++)
        plain_len += pieces[i].len;
    if (!is_frame_len(stored_len, last) || plain_len != stored_len - SRM_TAG_LEN)
        return SRM_EINVAL;
    if (index >= FRAME_COUNT_MAX)
        return SRM_ELIMIT;
    binding b = bind(keys, index, last, stored_len);
#ifdef SRM_NONCE_LEDGER
    ledger_add(keys, b.nonce);
#endif
    return aead_seal(keys->frames, b.nonce, b.aad, sizeof b.aad, pieces, piece_count, out, digest);
}

srm_status frame_peek(const segment_keys *keys, uint64_t index, bool last, const uint8_t *in,
    size_t in_len, uint8_t *out, size_t out_len) {
    if (!is_frame_len(in_len, last) || index >= FRAME_COUNT_MAX || out_len > in_len - SRM_TAG_LEN)
        return SRM_EDAMAGED;
    binding b = bind(keys, index, last, in_len);
    return aead_peek(keys->frames, b.nonce, in, out_len, out);
}

srm_status frame_open_apart(const segment_keys *keys, uint64_t index, bool last, const uint8_t *in,
    size_t in_len, const aead_place *out, uint8_t digest[SRM_DIGEST_LEN]) {
    if (!is_frame_len(in_len, last) || index >= FRAME_COUNT_MAX)
        return SRM_EDAMAGED;
    binding b = bind(keys, index, last, in_len);
    return aead_open_apart(keys->frames, b.nonce, b.aad, sizeof b.aad, in, in_len, out, digest);
}

srm_status frame_open(const segment_keys *keys, uint64_t index, bool last, const uint8_t *in,
    size_t in_len, uint8_t *out, uint8_t digest[SRM_DIGEST_LEN]) {
    aead_place whole = {.body = out};
    return frame_open_apart(keys, index, last, in, in_len, &whole, digest);
}
