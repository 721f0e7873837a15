#include "crypto/aead.h"

#include "base/bytes.h"
#include "crypto/provider.h"

#include <blake3.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

/* Small enough that what is sealed is still in the second-level cache when it is hashed. */
#define STEP_LEN ((size_t)131072)

struct aead {
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
};

void aead_free(aead *a) {
    if (a == NULL)
        return;
    EVP_CIPHER_CTX_free(a->seal); /* wipes its key */
    EVP_CIPHER_CTX_free(a->open);
    free(a);
}

srm_status aead_new(const uint8_t key[SRM_KEY_LEN], aead **out) {
    *out = NULL;
    const provider *p = provider_get();
    if (p == NULL)
        return SRM_ECRYPTO;
    aead *a = calloc(1, sizeof *a);
    if (a == NULL)
        return SRM_ENOMEM;
    srm_status status = SRM_ECRYPTO;
    a->seal = EVP_CIPHER_CTX_new();
    a->open = EVP_CIPHER_CTX_new();
    if (a->seal == NULL || a->open == NULL)
        goto done;
    if (EVP_EncryptInit_ex2(a->seal, p->aes_256_gcm, key, NULL, NULL) != 1 ||
        EVP_DecryptInit_ex2(a->open, p->aes_256_gcm, key, NULL, NULL) != 1)
        goto done;
    *out = a; /* the caller owns it now */
    a = NULL;
    status = SRM_OK;
done:
    aead_free(a);
    return status;
}

srm_status aead_copy(const aead *a, aead **out) {
    *out = NULL;
    aead *copy = calloc(1, sizeof *copy);
    if (copy == NULL)
        return SRM_ENOMEM;
    copy->seal = EVP_CIPHER_CTX_new();
    copy->open = EVP_CIPHER_CTX_new();
    if (copy->seal == NULL || copy->open == NULL || EVP_CIPHER_CTX_copy(copy->seal, a->seal) != 1 ||
        EVP_CIPHER_CTX_copy(copy->open, a->open) != 1) {
        aead_free(copy);
        return SRM_ECRYPTO;
    }
    *out = copy;
    return SRM_OK;
}

/* Ciphertext as it grows, hashed behind in whole steps: BLAKE3 is slow on crooked ones. */
typedef struct growth {
    blake3_hasher hasher;
    uint8_t *out;
    size_t sealed;
    size_t hashed;
} growth;

static bool seal_piece(EVP_CIPHER_CTX *ctx, growth *g, const aead_piece *piece) {
    for (size_t done = 0; done < piece->len;) {
        size_t step = min_size(STEP_LEN - g->sealed % STEP_LEN, piece->len - done);
        int len = 0;
        if (EVP_EncryptUpdate(ctx, g->out + g->sealed, &len, piece->data + done, (int)step) != 1)
            return false;
        done += step;
        g->sealed += step;
        if (g->sealed % STEP_LEN == 0) {
            blake3_hasher_update(&g->hasher, g->out + g->hashed, g->sealed - g->hashed);
            g->hashed = g->sealed;
        }
    }
    return true;
}

srm_status aead_seal(aead *a, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad,
    size_t aad_len, const aead_piece *pieces, size_t piece_count, uint8_t *out,
    uint8_t digest[SRM_DIGEST_LEN]) {
    int len = 0;
    growth g = {.out = out};
    if (aad_len > INT_MAX)
        return SRM_EINVAL;
    if (EVP_EncryptInit_ex2(a->seal, NULL, NULL, nonce, NULL) != 1 ||
        EVP_EncryptUpdate(a->seal, NULL, &len, aad, (int)aad_len) != 1)
        return SRM_ECRYPTO;
    blake3_hasher_init(&g.hasher);
    for (size_t i = 0; i < piece_count; i++)
        if (!seal_piece(a->seal, &g, &pieces[i]))
            return SRM_ECRYPTO;
    uint8_t *tag = out + g.sealed;
    if (EVP_EncryptFinal_ex(a->seal, tag, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(a->seal, EVP_CTRL_AEAD_GET_TAG, SRM_TAG_LEN, tag) != 1)
        return SRM_ECRYPTO;
    blake3_hasher_update(&g.hasher, out + g.hashed, g.sealed + SRM_TAG_LEN - g.hashed);
    blake3_hasher_finalize(&g.hasher, digest, SRM_DIGEST_LEN);
    return SRM_OK;
}

/* Hash, unless hasher is NULL, and decrypt step by step; the plaintext is not to be trusted yet.
 * BLAKE3 reads sixteen places at once, which is slow unless they are in cache; decrypting, which
 * reads in order, brings them there. In place, ciphertext has to be hashed before it is gone. */
static bool open_steps(EVP_CIPHER_CTX *ctx, blake3_hasher *hasher, const uint8_t *in, size_t in_len,
    const aead_place *out) {
    bool in_place = out->head_len == 0 && in == out->body;
    size_t hashed = 0;
    for (size_t done = 0; done < in_len;) {
        bool is_head = done < out->head_len;
        size_t left = (is_head ? out->head_len : in_len) - done;
        size_t step = min_size(STEP_LEN - done % STEP_LEN, left);
        uint8_t *to = is_head ? out->head + done : out->body + (done - out->head_len);
        int len = 0;
        if (hasher != NULL && in_place)
            blake3_hasher_update(hasher, in + done, step);
        if (EVP_DecryptUpdate(ctx, to, &len, in + done, (int)step) != 1)
            return false;
        done += step;
        if (hasher != NULL && !in_place && (done % STEP_LEN == 0 || done == in_len)) {
            blake3_hasher_update(hasher, in + hashed, done - hashed);
            hashed = done;
        }
    }
    return true;
}

srm_status aead_open_apart(aead *a, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad,
    size_t aad_len, const uint8_t *in, size_t in_len, const aead_place *out,
    uint8_t digest[SRM_DIGEST_LEN]) {
    if (in_len < SRM_TAG_LEN || in_len > INT_MAX || aad_len > INT_MAX ||
        out->head_len > in_len - SRM_TAG_LEN)
        return SRM_EINVAL;
    size_t out_len = in_len - SRM_TAG_LEN;
    uint8_t tag[SRM_TAG_LEN];
    memcpy(tag, in + out_len, sizeof tag); /* the ctrl wants it writable */
    int len = 0;
    blake3_hasher hasher;
    srm_status status = SRM_ECRYPTO;
    blake3_hasher_init(&hasher);
    if (EVP_DecryptInit_ex2(a->open, NULL, NULL, nonce, NULL) == 1 &&
        EVP_DecryptUpdate(a->open, NULL, &len, aad, (int)aad_len) == 1 &&
        open_steps(a->open, digest == NULL ? NULL : &hasher, in, out_len, out) &&
        EVP_CIPHER_CTX_ctrl(a->open, EVP_CTRL_AEAD_SET_TAG, SRM_TAG_LEN, tag) == 1)
        status = EVP_DecryptFinal_ex(a->open, tag, &len) == 1 ? SRM_OK : SRM_EAUTH;
    if (digest != NULL) {
        blake3_hasher_update(&hasher, tag, SRM_TAG_LEN);
        blake3_hasher_finalize(&hasher, digest, SRM_DIGEST_LEN);
    }
    if (status != SRM_OK) {
        wipe(out->head, out->head_len);
        wipe(out->body, out_len - out->head_len);
    }
    return status;
}

srm_status aead_open(aead *a, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad,
    size_t aad_len, const uint8_t *in, size_t in_len, uint8_t *out,
    uint8_t digest[SRM_DIGEST_LEN]) {
    aead_place whole = {.body = out};
    return aead_open_apart(a, nonce, aad, aad_len, in, in_len, &whole, digest);
}

srm_status aead_peek(
    aead *a, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *in, size_t len, uint8_t *out) {
    int out_len = 0;
    if (len > INT_MAX)
        return SRM_EINVAL;
    bool done = EVP_DecryptInit_ex2(a->open, NULL, NULL, nonce, NULL) == 1 &&
                EVP_DecryptUpdate(a->open, out, &out_len, in, (int)len) == 1;
    return done ? SRM_OK : SRM_ECRYPTO;
}
