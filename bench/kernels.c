/* The core's kernels in loops, timed: one function a kernel, each walking through the buffers of
 * one process. bench/native.py compiles this together with the core and loads it.
 *
 * Not for several threads at a time; a kernel may use threads of its own. */
#include "codec/probe.h"
#include "codec/zstd.h"
#include "crypto/provider.h"
#include "index/merkle.h"
#include "segment/frame.h"

#include <blake3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#define EXPORT __attribute__((visibility("default")))

#define STEP_LEN ((size_t)131072) /* as in crypto/aead.c */
#define LEAF_COUNT ((uint64_t)4096)
#define LEVEL 3
#define WINDOW_LOG 20 /* as in codec/zstd.c */
#define TEXT_REPEATS 4
#define THREADS_MAX 64
#define MARGIN ((size_t)4 << 20) /* header, trailer and the last frame's rounding */

static const uint8_t KEY[SRM_KEY_LEN] = {1, 2, 3};
static const uint8_t NONCE[AEAD_NONCE_LEN] = {7};

static struct {
    size_t len; /* of noise and of out's useful part */
    uint8_t *noise;
    size_t text_len;
    uint8_t *text;
    uint8_t *out; /* len + MARGIN bytes */
    uint8_t *sealed;
    size_t sealed_len;
    uint8_t *packed; /* one zstd frame, a chunk of text */
    size_t packed_len;
    segment_keys keys;
    uint8_t header[SRM_HEADER_LEN];
    EVP_CIPHER_CTX *aes;
    ZSTD_CCtx *zstd;
    compressor *compressor;
    decompressor *decompressor;
} b;

/* Where the next chunk of the noise begins; hot: always at the front. */
static size_t chunk_at(uint64_t turn, unsigned walk) {
    return walk == 0 ? 0 : (turn % (b.len / SRM_FRAME_LEN)) * SRM_FRAME_LEN;
}

static bool aes_chunk(EVP_CIPHER_CTX *aes, const uint8_t *in, size_t len, uint8_t *out) {
    int done = 0;
    return EVP_EncryptInit_ex2(aes, NULL, NULL, NONCE, NULL) == 1 &&
           EVP_EncryptUpdate(aes, out, &done, in, (int)len) == 1 &&
           EVP_EncryptFinal_ex(aes, out, &done) == 1;
}

static bool run_aes(uint64_t loops, unsigned walk) {
    for (uint64_t i = 0; i < loops; i++) {
        size_t at = chunk_at(i, walk);
        if (!aes_chunk(b.aes, b.noise + at, SRM_CHUNK_LEN, b.out + at))
            return false;
    }
    return true;
}

static bool run_blake3(uint64_t loops, unsigned walk) {
    uint8_t digest[SRM_DIGEST_LEN];
    for (uint64_t i = 0; i < loops; i++)
        blake3_digest(b.noise + chunk_at(i, walk), SRM_CHUNK_LEN, digest);
    return true;
}

static bool run_sha256(uint64_t loops, unsigned walk) {
    uint8_t digest[SRM_DIGEST_LEN];
    for (uint64_t i = 0; i < loops; i++)
        if (sha256_digest(b.noise + chunk_at(i, walk), SRM_CHUNK_LEN, digest) != SRM_OK)
            return false;
    return true;
}

static bool run_copy(uint64_t loops, unsigned walk) {
    for (uint64_t i = 0; i < loops; i++) {
        size_t at = chunk_at(i, walk);
        memcpy(b.out + at, b.noise + at, SRM_CHUNK_LEN);
    }
    return true;
}

static bool run_probe(uint64_t loops, unsigned walk) {
    bool raw = true;
    for (uint64_t i = 0; i < loops; i++)
        raw = probe_chunk(b.noise + chunk_at(i, walk), SRM_CHUNK_LEN, false) == PROBE_RAW && raw;
    return raw;
}

static bool run_merkle(uint64_t loops, unsigned unused) {
    (void)unused;
    uint8_t root[SRM_DIGEST_LEN];
    for (uint64_t i = 0; i < loops; i++)
        if (merkle_root(b.noise, LEAF_COUNT, root) != SRM_OK)
            return false;
    return true;
}

static bool run_frame_seal(uint64_t loops, unsigned walk) {
    uint8_t digest[SRM_DIGEST_LEN];
    for (uint64_t i = 0; i < loops; i++) {
        size_t at = chunk_at(i, walk);
        /* A nonce used again is no loss here: noise under a key that everybody knows. */
        aead_piece piece = {b.noise + at, SRM_FRAME_LEN - SRM_TAG_LEN};
        if (frame_seal(&b.keys, 0, false, &piece, 1, b.out + at, SRM_FRAME_LEN, digest) != SRM_OK)
            return false;
    }
    return true;
}

static bool run_frame_open(uint64_t loops, unsigned walk) {
    uint8_t digest[SRM_DIGEST_LEN];
    uint64_t frames = b.len / SRM_FRAME_LEN; /* the sealed noise has one more, which is short */
    for (uint64_t i = 0; i < loops; i++) {
        uint64_t index = walk == 0 ? 0 : i % frames;
        const uint8_t *in = b.sealed + SRM_HEADER_LEN + index * SRM_FRAME_LEN;
        if (frame_open(&b.keys, index, false, in, SRM_FRAME_LEN, b.out + index * SRM_FRAME_LEN,
                digest) != SRM_OK)
            return false;
    }
    return true;
}

/* --- zstd ------------------------------------------------------------------------------------ */

static bool pack(ZSTD_CCtx *zstd, const uint8_t *raw, size_t len, uint8_t *out, size_t *packed) {
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, WINDOW_LOG);
    *packed = ZSTD_compress2(zstd, out, compressor_bound(), raw, len);
    return !ZSTD_isError(*packed);
}

static bool run_zstd(uint64_t loops, unsigned unused) {
    (void)unused;
    size_t packed;
    for (uint64_t i = 0; i < loops; i++)
        if (!pack(b.zstd, b.text, SRM_CHUNK_LEN, b.out, &packed))
            return false;
    return true;
}

static bool run_unzstd(uint64_t loops, unsigned unused) {
    (void)unused;
    for (uint64_t i = 0; i < loops; i++)
        if (decompressor_run(b.decompressor, b.packed, b.packed_len, b.out, SRM_CHUNK_LEN) !=
            SRM_OK)
            return false;
    return true;
}

static bool run_compress(uint64_t loops, unsigned unused) {
    (void)unused;
    size_t packed;
    for (uint64_t i = 0; i < loops; i++)
        if (compressor_try(b.compressor, b.text, SRM_CHUNK_LEN, false, b.out, &packed) != SRM_OK ||
            packed == 0)
            return false;
    return true;
}

/* --- bare loops on threads: what the core is held against --------------------------------------
 */

/* Chunks of a buffer or a file, shared out among threads. */
typedef struct bare_work {
    bool is_zstd;
    const uint8_t *in; /* or NULL: in_fd */
    uint8_t *out;      /* or NULL: out_fd */
    int in_fd;
    int out_fd;
    size_t len;
    atomic_size_t next;
    atomic_bool failed;
} bare_work;

/* AES over a step, then BLAKE3 over what came out while it is in cache. */
static bool seal_barely(EVP_CIPHER_CTX *aes, const uint8_t *in, size_t len, uint8_t *out) {
    blake3_hasher hasher;
    int done = 0;
    uint8_t digest[SRM_DIGEST_LEN];
    blake3_hasher_init(&hasher);
    if (EVP_EncryptInit_ex2(aes, NULL, NULL, NONCE, NULL) != 1)
        return false;
    for (size_t at = 0; at < len; at += STEP_LEN) {
        size_t step = len - at < STEP_LEN ? len - at : STEP_LEN;
        if (EVP_EncryptUpdate(aes, out + at, &done, in + at, (int)step) != 1)
            return false;
        blake3_hasher_update(&hasher, out + at, step);
    }
    blake3_hasher_finalize(&hasher, digest, sizeof digest);
    return EVP_EncryptFinal_ex(aes, out + len, &done) == 1;
}

typedef struct bare_tools {
    EVP_CIPHER_CTX *aes;
    ZSTD_CCtx *zstd;
    uint8_t *in;
    uint8_t *out;
} bare_tools;

static bool bare_chunk(const bare_work *w, const bare_tools *t, size_t at) {
    size_t unit = w->is_zstd ? SRM_CHUNK_LEN : SRM_FRAME_LEN;
    size_t len = w->len - at < unit ? w->len - at : unit;
    size_t packed;
    const uint8_t *in = w->in != NULL ? w->in + at : t->in;
    if (w->in == NULL && pread(w->in_fd, t->in, len, (off_t)at) != (ssize_t)len)
        return false;
    if (w->is_zstd)
        return pack(t->zstd, in, len, t->out, &packed);
    uint8_t *out = w->out != NULL ? w->out + at : t->out;
    if (!seal_barely(t->aes, in, len, out))
        return false;
    return w->out != NULL || pwrite(w->out_fd, out, len, (off_t)at) == (ssize_t)len;
}

static void *bare_body(void *shared) {
    bare_work *w = shared;
    size_t unit = w->is_zstd ? SRM_CHUNK_LEN : SRM_FRAME_LEN;
    bare_tools t = {EVP_CIPHER_CTX_new(), ZSTD_createCCtx(), malloc(SRM_FRAME_LEN),
        malloc(compressor_bound() + SRM_FRAME_LEN)};
    bool ready = t.aes != NULL && t.zstd != NULL && t.in != NULL && t.out != NULL &&
                 EVP_EncryptInit_ex2(t.aes, provider_get()->aes_256_gcm, KEY, NULL, NULL) == 1;
    for (size_t at = atomic_fetch_add(&w->next, unit); ready && at < w->len;
        at = atomic_fetch_add(&w->next, unit))
        ready = bare_chunk(w, &t, at);
    if (!ready)
        atomic_store(&w->failed, true);
    EVP_CIPHER_CTX_free(t.aes);
    ZSTD_freeCCtx(t.zstd);
    free(t.in);
    free(t.out);
    return NULL;
}

/* On `threads` threads, the caller's included. */
static bool bare_run(bare_work *w, unsigned threads) {
    pthread_t others[THREADS_MAX];
    unsigned started = 0;
    while (started + 1 < threads && started < THREADS_MAX &&
           pthread_create(&others[started], NULL, bare_body, w) == 0)
        started++;
    bare_body(w);
    for (unsigned i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    return started + 1 == threads && !atomic_load(&w->failed);
}

static bool run_bare(uint64_t loops, unsigned threads) {
    for (uint64_t i = 0; i < loops; i++) {
        bare_work w = {.in = b.noise, .out = b.out, .len = b.len};
        if (!bare_run(&w, threads))
            return false;
    }
    return true;
}

static bool run_bare_zstd(uint64_t loops, unsigned threads) {
    for (uint64_t i = 0; i < loops; i++) {
        bare_work w = {.is_zstd = true, .in = b.text, .len = b.text_len};
        if (!bare_run(&w, threads))
            return false;
    }
    return true;
}

/* --- whole streams in memory -------------------------------------------------------------------
 */

static bool finish(srm_status started, srm_job *job, srm_result *result) {
    srm_failure failure;
    while (started == SRM_OK && srm_job_wait(job, 60000) == SRM_RUNNING) {
    }
    bool good = started == SRM_OK && srm_job_result(job, result, &failure) == SRM_OK &&
                failure.status == SRM_OK;
    srm_job_free(job);
    return good;
}

static bool seal_once(
    const uint8_t *in, size_t len, uint8_t *out, int level, unsigned threads, srm_result *result) {
    static const uint8_t owner[116] = {1, 0, 0, 112}; /* an envelope that nobody opens */
    srm_seal_options options = {.type = 1,
        .level = level,
        .threads = threads,
        .envelopes = owner,
        .envelopes_len = sizeof owner};
    srm_job *job = NULL;
    memcpy(options.session_key, KEY, sizeof KEY);
    srm_source source = {.fd = -1, .mem = in, .mem_len = len};
    srm_sink sink = {.fd = -1, .mem = out, .mem_cap = b.len + MARGIN};
    srm_status started = srm_seal_start(&options, source, sink, &job);
    return finish(started, job, result);
}

static bool run_seal(uint64_t loops, unsigned threads) {
    srm_result result;
    for (uint64_t i = 0; i < loops; i++)
        if (!seal_once(b.noise, b.len, b.out, LEVEL, threads, &result))
            return false;
    return true;
}

static bool run_seal_text(uint64_t loops, unsigned threads) {
    srm_result result;
    for (uint64_t i = 0; i < loops; i++)
        if (!seal_once(b.text, b.text_len, b.out, LEVEL, threads, &result))
            return false;
    return true;
}

static bool run_open(uint64_t loops, unsigned threads) {
    srm_result result;
    srm_source source = {
        .fd = -1, .mem = b.sealed + SRM_HEADER_LEN, .mem_len = b.sealed_len - SRM_HEADER_LEN};
    srm_sink sink = {.fd = -1, .mem = b.out, .mem_cap = b.len + MARGIN};
    for (uint64_t i = 0; i < loops; i++) {
        srm_job *job = NULL;
        srm_status started = srm_open_start(b.sealed, KEY, source, sink, threads, &job);
        if (!finish(started, job, &result))
            return false;
    }
    return true;
}

static bool run_scrub(uint64_t loops, unsigned threads) {
    srm_result result;
    srm_source source = {
        .fd = -1, .mem = b.sealed + SRM_HEADER_LEN, .mem_len = b.sealed_len - SRM_HEADER_LEN};
    for (uint64_t i = 0; i < loops; i++) {
        srm_job *job = NULL;
        srm_status started = srm_scrub_start(b.sealed, source, threads, &job);
        if (!finish(started, job, &result))
            return false;
    }
    return true;
}

/* --- the table ---------------------------------------------------------------------------------
 */

enum { HOT = 0, WALK = 1 };

typedef struct kernel {
    const char *name;
    bool (*run)(uint64_t loops, unsigned argument);
    unsigned argument; /* HOT or WALK, or how many threads */
    const size_t *len; /* bytes a loop */
} kernel;

static const size_t CHUNK = SRM_CHUNK_LEN, FRAME = SRM_FRAME_LEN, LEAVES = LEAF_COUNT * 32;

static const kernel KERNELS[] = {
    {"aes_hot", run_aes, HOT, &CHUNK},
    {"aes_walk", run_aes, WALK, &CHUNK},
    {"blake3_hot", run_blake3, HOT, &CHUNK},
    {"blake3_walk", run_blake3, WALK, &CHUNK},
    {"sha256_hot", run_sha256, HOT, &CHUNK},
    {"copy_walk", run_copy, WALK, &CHUNK},
    {"probe_walk", run_probe, WALK, &CHUNK},
    {"merkle", run_merkle, 0, &LEAVES},
    {"zstd_compress", run_zstd, 0, &CHUNK},
    {"zstd_decompress", run_unzstd, 0, &CHUNK},
    {"compress_checked", run_compress, 0, &CHUNK},
    {"frame_seal_hot", run_frame_seal, HOT, &FRAME},
    {"frame_seal_walk", run_frame_seal, WALK, &FRAME},
    {"frame_open_hot", run_frame_open, HOT, &FRAME},
    {"frame_open_walk", run_frame_open, WALK, &FRAME},
    {"bare_1", run_bare, 1, &b.len},
    {"bare_2", run_bare, 2, &b.len},
    {"seal_1", run_seal, 1, &b.len},
    {"seal_2", run_seal, 2, &b.len},
    {"open_1", run_open, 1, &b.len},
    {"open_2", run_open, 2, &b.len},
    {"scrub_1", run_scrub, 1, &b.len},
    {"scrub_2", run_scrub, 2, &b.len},
    {"bare_zstd_1", run_bare_zstd, 1, &b.text_len},
    {"bare_zstd_2", run_bare_zstd, 2, &b.text_len},
    {"seal_text_1", run_seal_text, 1, &b.text_len},
    {"seal_text_2", run_seal_text, 2, &b.text_len},
};
#define KERNEL_COUNT (sizeof KERNELS / sizeof KERNELS[0])

/* Noise that is the same everywhere (splitmix64). */
static void fill_with_noise(uint8_t *out, size_t len) {
    uint64_t state = 1;
    for (size_t at = 0; at + 8 <= len; at += 8) {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        memcpy(out + at, &z, 8);
    }
}

/* Fill the buffers. len: of the noise, a multiple of 1 MiB, at least 2 MiB; text: at least
 * 1 MiB, at most len / TEXT_REPEATS; copied. Once, before anything else. */
EXPORT int bench_setup(size_t len, const uint8_t *text, size_t text_len) {
    srm_result result;
    b.len = len;
    b.text_len = text_len * TEXT_REPEATS;
    b.noise = malloc(len);
    b.text = malloc(b.text_len);
    b.out = malloc(len + MARGIN);
    b.sealed = malloc(len + MARGIN);
    b.packed = malloc(compressor_bound());
    b.aes = EVP_CIPHER_CTX_new();
    b.zstd = ZSTD_createCCtx();
    if (b.noise == NULL || b.text == NULL || b.out == NULL || b.sealed == NULL ||
        b.packed == NULL || b.aes == NULL || b.zstd == NULL || provider_get() == NULL)
        return -1;
    fill_with_noise(b.noise, len);
    memset(b.out, 1, len + MARGIN); /* touched, so that no kernel pays for fresh pages */
    for (size_t i = 0; i < TEXT_REPEATS; i++)
        memcpy(b.text + i * text_len, text, text_len);
    if (EVP_EncryptInit_ex2(b.aes, provider_get()->aes_256_gcm, KEY, NULL, NULL) != 1 ||
        compressor_new(LEVEL, &b.compressor) != SRM_OK ||
        decompressor_new(&b.decompressor) != SRM_OK ||
        !pack(b.zstd, b.text, SRM_CHUNK_LEN, b.packed, &b.packed_len) ||
        !seal_once(b.noise, len, b.sealed, 0, 1, &result) ||
        header_unlock(b.sealed, KEY, &b.keys) != SRM_OK)
        return -1;
    b.sealed_len = (size_t)result.stored_len;
    return 0;
}

EXPORT size_t bench_count(void) {
    return KERNEL_COUNT;
}

EXPORT const char *bench_name(size_t index) {
    return index < KERNEL_COUNT ? KERNELS[index].name : NULL;
}

/* Bytes that one loop works on; known after bench_setup. */
EXPORT size_t bench_bytes(size_t index) {
    return index < KERNEL_COUNT ? *KERNELS[index].len : 0;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds that `loops` loops take; negative if the kernel failed. */
EXPORT double bench_run(size_t index, uint64_t loops) {
    if (index >= KERNEL_COUNT)
        return -1;
    double begun = now();
    bool good = KERNELS[index].run(loops, KERNELS[index].argument);
    return good ? now() - begun : -1;
}

/* Encrypt and hash len bytes of one file into another and do nothing else (out_fd >= 0), or
 * compress them for nothing (-1). Needs no bench_setup. 0 if it went well. */
EXPORT int bench_bare_file(int in_fd, int out_fd, size_t len, unsigned threads) {
    bare_work w = {.is_zstd = out_fd < 0, .in_fd = in_fd, .out_fd = out_fd, .len = len};
    if (provider_get() == NULL)
        return -1;
    return bare_run(&w, threads) ? 0 : -1;
}
