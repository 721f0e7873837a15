/* The algorithms of libcrypto we use, fetched once for the life of the process: fetching costs
 * microseconds and takes locks. */
#ifndef CRYPTO_PROVIDER_H
#define CRYPTO_PROVIDER_H

#include <openssl/evp.h>
#include <openssl/kdf.h>

typedef struct provider {
    EVP_CIPHER *aes_256_gcm;
    EVP_MD *sha256;
    EVP_MAC *hmac;
    EVP_KDF *hkdf;
} provider;

/* NULL if libcrypto lacks one of them. Any thread. */
const provider *provider_get(void);

#endif
