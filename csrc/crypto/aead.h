/* AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags, through EVP.
 * Only the segment code calls this: it alone may choose nonces. */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include "strongroom.h"

#define AEAD_NONCE_LEN 12

/* A key, expanded. One thread at a time. */
typedef struct aead aead;

/* The caller frees *out with aead_free. */
SRM_MUST_USE srm_status aead_new(const uint8_t key[SRM_KEY_LEN], aead **out);
void aead_free(aead *a);

/* The same key for another thread. The caller frees *out. */
SRM_MUST_USE srm_status aead_copy(const aead *a, aead **out);

/* Plaintext in up to a few pieces, sealed as if it were one. */
typedef struct aead_piece {
    const uint8_t *data;
    size_t len;
} aead_piece;

/* out: the pieces' lengths plus SRM_TAG_LEN bytes. A piece may lie in it where its ciphertext
 * goes, and is sealed in place; else they may not overlap. digest: BLAKE3 of out,
 * taken step by step while it is in cache. Whatever this returns, the nonce counts as used. */
SRM_MUST_USE srm_status aead_seal(aead *a, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad,
    size_t aad_len, const aead_piece *pieces, size_t piece_count, uint8_t *out,
    uint8_t digest[SRM_DIGEST_LEN]);

/* in: in_len bytes, tag included. out: in_len - SRM_TAG_LEN bytes, zeroed unless SRM_OK; may be
 * in itself. digest: BLAKE3 of in, or NULL. SRM_EAUTH: the tag does not match. */
SRM_MUST_USE srm_status aead_open(aead *a, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad,
    size_t aad_len, const uint8_t *in, size_t in_len, uint8_t *out, uint8_t digest[SRM_DIGEST_LEN]);

/* Where plaintext goes that is used in two places: its first head_len bytes, and the rest. */
typedef struct aead_place {
    uint8_t *head;
    size_t head_len;
    uint8_t *body;
} aead_place;

/* The same, to two places, neither of which overlaps in. SRM_EINVAL too: head_len is too long. */
SRM_MUST_USE srm_status aead_open_apart(aead *a, const uint8_t nonce[AEAD_NONCE_LEN],
    const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t in_len, const aead_place *out,
    uint8_t digest[SRM_DIGEST_LEN]);

/* The first len bytes of a plaintext, which nothing vouches for: good for deciding where it is to
 * go, if whatever was decided is thrown away unless the whole then opens. */
SRM_MUST_USE srm_status aead_peek(
    aead *a, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *in, size_t len, uint8_t *out);

#endif
