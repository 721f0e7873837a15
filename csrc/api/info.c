#include "strongroom.h"

#include <blake3.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>
#include <zstd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#ifndef SRM_BUILD_NOTES
#define SRM_BUILD_NOTES ""
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char cpu_features[128]; /* written once, under `once` */

static void note_feature(int present, const char *name) {
    size_t used = strlen(cpu_features);
    if (!present || used + strlen(name) + 2 > sizeof cpu_features)
        return;
    if (used > 0)
        cpu_features[used++] = ' ';
    strcpy(cpu_features + used, name);
}

static void find_features(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    note_feature(__builtin_cpu_supports("sse4.1"), "sse4.1");
    note_feature(__builtin_cpu_supports("avx2"), "avx2");
    note_feature(__builtin_cpu_supports("avx512f"), "avx512f");
    note_feature(__builtin_cpu_supports("avx512vl"), "avx512vl");
    note_feature(__builtin_cpu_supports("aes"), "aes");
    note_feature(__builtin_cpu_supports("pclmul"), "pclmul");
    unsigned a = 0, b = 0, c = 0, d = 0; /* cpuid leaf 7: not every compiler names these */
    if (__builtin_cpu_supports("avx2") && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
        note_feature((c & bit_VAES) != 0, "vaes");
        note_feature((c & bit_VPCLMULQDQ) != 0, "vpclmulqdq");
    }
#elif defined(__aarch64__)
    note_feature(1, "neon");
#endif
}

void srm_build_info_get(srm_build_info *out) {
    (void)pthread_once(&once, find_features);
    *out = (srm_build_info){
        .openssl_version = OpenSSL_version(OPENSSL_FULL_VERSION_STRING),
        .zstd_version = ZSTD_versionString(),
        .blake3_version = blake3_version(),
        .notes = SRM_BUILD_NOTES,
        .cpu_features = cpu_features,
    };
}

const char *srm_status_text(int status) {
    switch ((srm_status)status) {
    case SRM_OK:
        return "done";
    case SRM_RUNNING:
        return "still running";
    case SRM_EINVAL:
        return "invalid argument";
    case SRM_ENOMEM:
        return "out of memory";
    case SRM_EIO:
        return "input or output failed";
    case SRM_ECANCELLED:
        return "cancelled";
    case SRM_ESTATE:
        return "not usable any more";
    case SRM_ECRYPTO:
        return "libcrypto failed";
    case SRM_ECODEC:
        return "compressed data did not decompress to its source";
    case SRM_EDAMAGED:
        return "damaged";
    case SRM_EAUTH:
        return "authentication failed";
    case SRM_EUNSUPPORTED:
        return "unsupported version, suite, type, flag or envelope";
    case SRM_ELIMIT:
        return "too long";
    case SRM_ECHANGED:
        return "it became shorter while it was read";
    case SRM_ENOTFOUND:
        return "not found";
    }
    return "unknown status";
}

const char *srm_place_text(int place) {
    switch ((srm_place)place) {
    case SRM_AT_NONE:
        break;
    case SRM_AT_INPUT:
        return "input";
    case SRM_AT_OUTPUT:
        return "output";
    case SRM_AT_HEADER:
        return "header";
    case SRM_AT_FRAME:
        return "frame";
    case SRM_AT_RECORD:
        return "record";
    case SRM_AT_PADDING:
        return "padding";
    case SRM_AT_DIRECTORY:
        return "directory";
    case SRM_AT_FOOTER:
        return "footer";
    case SRM_AT_TRAILER:
        return "trailer";
    case SRM_AT_ROOT:
        return "segment root";
    }
    return "";
}
