#include "base/bytes.h"
#include "crypto/hash.h"
#include "segment/wrap.h"

#define EXPANDED_MAX ((size_t)255 * SRM_DIGEST_LEN) /* RFC 5869, 2.3 */

/* A part of the input that may be absent. */
static bool is_given(const uint8_t *data, size_t len) {
    return data != NULL || len == 0;
}

srm_status srm_equal(const uint8_t *a, const uint8_t *b, size_t len) {
    if (a == NULL || b == NULL)
        return SRM_EINVAL;
    return equal_secret(a, b, len) ? SRM_OK : SRM_EAUTH;
}

srm_status srm_sha256(const uint8_t *data, size_t len, uint8_t digest[SRM_DIGEST_LEN]) {
    if (!is_given(data, len) || digest == NULL)
        return SRM_EINVAL;
    return sha256_digest(data, len, digest);
}

srm_status srm_hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
    uint8_t mac[SRM_DIGEST_LEN]) {
    if (key == NULL || key_len == 0 || !is_given(data, len) || mac == NULL)
        return SRM_EINVAL;
    return hmac_sha256(key, key_len, data, len, mac);
}

srm_status srm_hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
    size_t ikm_len, uint8_t prk[SRM_KEY_LEN]) {
    if (!is_given(salt, salt_len) || ikm == NULL || ikm_len == 0 || prk == NULL)
        return SRM_EINVAL;
    return hkdf_extract(salt, salt_len, ikm, ikm_len, prk);
}

srm_status srm_hkdf_expand(const uint8_t prk[SRM_KEY_LEN], const uint8_t *info, size_t info_len,
    uint8_t *out, size_t out_len) {
    if (prk == NULL || !is_given(info, info_len) || out == NULL || out_len == 0 ||
        out_len > EXPANDED_MAX)
        return SRM_EINVAL;
    return hkdf_expand(prk, info, info_len, out, out_len);
}

srm_status srm_wrap(const uint8_t key[SRM_KEY_LEN], const uint8_t *aad, size_t aad_len,
    const uint8_t secret[SRM_KEY_LEN], uint8_t wrapped[SRM_WRAPPED_LEN]) {
    if (key == NULL || !is_given(aad, aad_len) || secret == NULL || wrapped == NULL)
        return SRM_EINVAL;
    return wrap_seal(key, aad, aad_len, secret, wrapped);
}

srm_status srm_unwrap(const uint8_t key[SRM_KEY_LEN], const uint8_t *aad, size_t aad_len,
    const uint8_t wrapped[SRM_WRAPPED_LEN], uint8_t secret[SRM_KEY_LEN]) {
    if (key == NULL || !is_given(aad, aad_len) || wrapped == NULL || secret == NULL)
        return SRM_EINVAL;
    return wrap_open(key, aad, aad_len, wrapped, secret);
}
