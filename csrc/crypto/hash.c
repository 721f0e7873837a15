#include "crypto/hash.h"

#include "crypto/provider.h"

#include <blake3.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

srm_status sha256_begin(sha256 *h) {
    const provider *p = provider_get();
    if (p == NULL)
        return SRM_ECRYPTO;
    if (h->ctx == NULL)
        h->ctx = EVP_MD_CTX_new();
    if (h->ctx == NULL)
        return SRM_ENOMEM;
    return EVP_DigestInit_ex2(h->ctx, p->sha256, NULL) == 1 ? SRM_OK : SRM_ECRYPTO;
}

srm_status sha256_add(sha256 *h, const void *data, size_t len) {
    return EVP_DigestUpdate(h->ctx, data, len) == 1 ? SRM_OK : SRM_ECRYPTO;
}

srm_status sha256_end(sha256 *h, uint8_t digest[SRM_DIGEST_LEN]) {
    return EVP_DigestFinal_ex(h->ctx, digest, NULL) == 1 ? SRM_OK : SRM_ECRYPTO;
}

void sha256_free(sha256 *h) {
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

srm_status sha256_digest(const void *data, size_t len, uint8_t digest[SRM_DIGEST_LEN]) {
    const provider *p = provider_get();
    if (p == NULL)
        return SRM_ECRYPTO;
    return EVP_Digest(data, len, digest, NULL, p->sha256, NULL) == 1 ? SRM_OK : SRM_ECRYPTO;
}

srm_status hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data, size_t data_len,
    uint8_t mac[SRM_DIGEST_LEN]) {
    const provider *p = provider_get();
    if (p == NULL)
        return SRM_ECRYPTO;
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(p->hmac);
    if (ctx == NULL)
        return SRM_ENOMEM;
    char name[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    size_t len = 0;
    bool ok = EVP_MAC_init(ctx, key, key_len, params) == 1 &&
              EVP_MAC_update(ctx, data, data_len) == 1 &&
              EVP_MAC_final(ctx, mac, &len, SRM_DIGEST_LEN) == 1;
    EVP_MAC_CTX_free(ctx);
    return ok ? SRM_OK : SRM_ECRYPTO;
}

/* HKDF in one of its halves; params come ready but for the mode and the digest's name. */
static srm_status hkdf(int mode, OSSL_PARAM key, OSSL_PARAM extra, uint8_t *out, size_t out_len) {
    const provider *p = provider_get();
    if (p == NULL)
        return SRM_ECRYPTO;
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(p->hkdf);
    if (ctx == NULL)
        return SRM_ENOMEM;
    char name[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
        key,
        extra,
        OSSL_PARAM_construct_end(),
    };
    int ok = EVP_KDF_derive(ctx, out, out_len, params);
    EVP_KDF_CTX_free(ctx);
    return ok == 1 ? SRM_OK : SRM_ECRYPTO;
}

/* OSSL_PARAM wants pointers to mutable memory even for what it only reads. */
static OSSL_PARAM octets(const char *name, const uint8_t *data, size_t len) {
    static uint8_t none;
    return OSSL_PARAM_construct_octet_string(
        name, len == 0 ? (void *)&none : (void *)(uintptr_t)data, len);
}

srm_status hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len,
    uint8_t prk[SRM_KEY_LEN]) {
    return hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, octets(OSSL_KDF_PARAM_KEY, ikm, ikm_len),
        octets(OSSL_KDF_PARAM_SALT, salt, salt_len), prk, SRM_KEY_LEN);
}

srm_status hkdf_expand(const uint8_t prk[SRM_KEY_LEN], const uint8_t *info, size_t info_len,
    uint8_t *out, size_t out_len) {
    return hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, octets(OSSL_KDF_PARAM_KEY, prk, SRM_KEY_LEN),
        octets(OSSL_KDF_PARAM_INFO, info, info_len), out, out_len);
}

void blake3_digest(const uint8_t *data, size_t len, uint8_t digest[SRM_DIGEST_LEN]) {
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, data, len);
    blake3_hasher_finalize(&hasher, digest, SRM_DIGEST_LEN);
}

void blake3_keyed(const uint8_t key[SRM_KEY_LEN], const uint8_t *data, size_t len,
    uint8_t digest[SRM_DIGEST_LEN]) {
    blake3_hasher hasher;
    blake3_hasher_init_keyed(&hasher, key);
    blake3_hasher_update(&hasher, data, len);
    blake3_hasher_finalize(&hasher, digest, SRM_DIGEST_LEN);
    OPENSSL_cleanse(&hasher, sizeof hasher);
}

bool equal_secret(const void *a, const void *b, size_t len) {
    return CRYPTO_memcmp(a, b, len) == 0;
}
