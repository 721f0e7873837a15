#include "crypto/provider.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static provider fetched; /* written once, under `once` */

static void fetch(void) {
    fetched.aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    fetched.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    fetched.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    fetched.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
}

const provider *provider_get(void) {
    if (pthread_once(&once, fetch) != 0)
        return NULL;
    if (fetched.aes_256_gcm == NULL || fetched.sha256 == NULL || fetched.hmac == NULL ||
        fetched.hkdf == NULL)
        return NULL;
    return &fetched;
}
