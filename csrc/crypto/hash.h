/* SHA-256, HMAC-SHA256 (RFC 2104), HKDF-SHA256 (RFC 5869) from libcrypto; BLAKE3 from upstream. */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "strongroom.h"

#include <openssl/evp.h>
#include <stdbool.h>

/* SHA-256 over what is given piece by piece. One thread at a time. */
typedef struct sha256 {
    EVP_MD_CTX *ctx;
} sha256;

SRM_MUST_USE srm_status sha256_begin(sha256 *h);
SRM_MUST_USE srm_status sha256_add(sha256 *h, const void *data, size_t len);
SRM_MUST_USE srm_status sha256_end(sha256 *h, uint8_t digest[SRM_DIGEST_LEN]);
/* Also for one that was never begun, if zeroed. */
void sha256_free(sha256 *h);

SRM_MUST_USE srm_status sha256_digest(const void *data, size_t len, uint8_t digest[SRM_DIGEST_LEN]);

SRM_MUST_USE srm_status hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data,
    size_t data_len, uint8_t mac[SRM_DIGEST_LEN]);

/* prk: 32 bytes. An empty salt stands for 32 zero bytes (RFC 5869, 2.2). */
SRM_MUST_USE srm_status hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
    size_t ikm_len, uint8_t prk[SRM_KEY_LEN]);

/* out_len at most 8160 (RFC 5869, 2.3). */
SRM_MUST_USE srm_status hkdf_expand(const uint8_t prk[SRM_KEY_LEN], const uint8_t *info,
    size_t info_len, uint8_t *out, size_t out_len);

/* BLAKE3 with its 32-byte output. */
void blake3_digest(const uint8_t *data, size_t len, uint8_t digest[SRM_DIGEST_LEN]);
void blake3_keyed(const uint8_t key[SRM_KEY_LEN], const uint8_t *data, size_t len,
    uint8_t digest[SRM_DIGEST_LEN]);

/* In time that depends on len alone. */
bool equal_secret(const void *a, const void *b, size_t len);

#endif
