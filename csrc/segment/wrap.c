#include "segment/wrap.h"

#include "base/bytes.h"
#include "crypto/aead.h"

static const uint8_t NONCE[AEAD_NONCE_LEN]; /* constant, as each key seals one message */

srm_status wrap_seal(const uint8_t key[SRM_KEY_LEN], const uint8_t *aad, size_t aad_len,
    const uint8_t secret[SRM_KEY_LEN], uint8_t out[SRM_WRAPPED_LEN]) {
    const aead_piece piece = {secret, SRM_KEY_LEN};
    uint8_t digest[SRM_DIGEST_LEN];
    aead *cipher = NULL;
    srm_status status = aead_new(key, &cipher);
    if (status == SRM_OK)
        status = aead_seal(cipher, NONCE, aad, aad_len, &piece, 1, out, digest);
    if (status != SRM_OK)
        wipe(out, SRM_WRAPPED_LEN);
    aead_free(cipher);
    return status;
}

srm_status wrap_open(const uint8_t key[SRM_KEY_LEN], const uint8_t *aad, size_t aad_len,
    const uint8_t wrapped[SRM_WRAPPED_LEN], uint8_t secret[SRM_KEY_LEN]) {
    aead *cipher = NULL;
    memset(secret, 0, SRM_KEY_LEN);
    srm_status status = aead_new(key, &cipher);
    if (status == SRM_OK)
        status = aead_open(cipher, NONCE, aad, aad_len, wrapped, SRM_WRAPPED_LEN, secret, NULL);
    aead_free(cipher);
    return status;
}
