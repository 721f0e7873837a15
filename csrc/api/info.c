#include "strongroom.h"

#include <blake3.h>
#include <openssl/crypto.h>
#include <zstd.h>

const char *srm_openssl_version(void) {
    return OpenSSL_version(OPENSSL_FULL_VERSION_STRING);
}

const char *srm_zstd_version(void) {
    return ZSTD_versionString();
}

const char *srm_blake3_version(void) {
    return blake3_version();
}
