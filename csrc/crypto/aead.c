#include "crypto/aead.h"

#include "base/bytes.h"
#include "crypto/provider.h"

#include <limits.h>
#include <stdlib.h>

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

srm_status aead_seal(aead *a, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad,
    size_t aad_len, const aead_piece *pieces, size_t piece_count, uint8_t *out) {
    int len = 0;
    if (aad_len > INT_MAX)
        return SRM_EINVAL;
    if (EVP_EncryptInit_ex2(a->seal, NULL, NULL, nonce, NULL) != 1 ||
        EVP_EncryptUpdate(a->seal, NULL, &len, aad, (int)aad_len) != 1)
        return SRM_ECRYPTO;
    for (size_t i = 0; i < piece_count; i++) {
        if (pieces[i].len == 0)
            continue;
        if (pieces[i].len > INT_MAX)
            return SRM_EINVAL;
        if (EVP_EncryptUpdate(a->seal, out, &len, pieces[i].data, (int)pieces[i].len) != 1)
            return SRM_ECRYPTO;
        out += len;
    }
    if (EVP_EncryptFinal_ex(a->seal, out, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(a->seal, EVP_CTRL_AEAD_GET_TAG, SRM_TAG_LEN, out) != 1)
        return SRM_ECRYPTO;
    return SRM_OK;
}

srm_status aead_open(aead *a, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad,
    size_t aad_len, const uint8_t *in, size_t in_len, uint8_t *out) {
    if (in_len < SRM_TAG_LEN || in_len > INT_MAX || aad_len > INT_MAX)
        return SRM_EINVAL;
    size_t out_len = in_len - SRM_TAG_LEN;
    uint8_t tag[SRM_TAG_LEN];
    memcpy(tag, in + out_len, sizeof tag); /* the ctrl wants it writable */
    int len = 0;
    srm_status status = SRM_ECRYPTO;
    if (EVP_DecryptInit_ex2(a->open, NULL, NULL, nonce, NULL) != 1 ||
        EVP_DecryptUpdate(a->open, NULL, &len, aad, (int)aad_len) != 1 ||
        (out_len > 0 && EVP_DecryptUpdate(a->open, out, &len, in, (int)out_len) != 1) ||
        EVP_CIPHER_CTX_ctrl(a->open, EVP_CTRL_AEAD_SET_TAG, SRM_TAG_LEN, tag) != 1)
        goto done;
    status = EVP_DecryptFinal_ex(a->open, tag, &len) == 1 ? SRM_OK : SRM_EAUTH;
done:
    if (status != SRM_OK)
        wipe(out, out_len);
    return status;
}
