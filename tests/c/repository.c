#include "repository.h"

#include "base/bytes.h"
#include "check.h"
#include "codec/zstd.h"
#include "crypto/hash.h"
#include "segment/frame.h"
#include "segment/record.h"
#include "segment/root.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_LEN 116
#define PATH_LEN 36

static void name_path(uint8_t name, char path[PATH_LEN]) {
    (void)snprintf(path, PATH_LEN, "%02x/", name);
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(path + 3 + 2 * i, 3, "%02x", name);
}

void repository_begin(repository *r) {
    const char *folder = getenv("TMPDIR");
    (void)snprintf(
        r->path, sizeof r->path, "%.40s/segments-XXXXXX", folder == NULL ? "/tmp" : folder);
    CHECK(mkdtemp(r->path) != NULL);
    r->folder_fd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(r->folder_fd >= 0);
    memset(r->repo_id, 0x11, sizeof r->repo_id);
    memset(r->wrap_key, 0x44, sizeof r->wrap_key);
    memset(r->chunk_key, 0x55, sizeof r->chunk_key);
}

void repository_end(repository *r) {
    for (unsigned name = 0; name < 256; name++) {
        char path[PATH_LEN];
        name_path((uint8_t)name, path);
        (void)unlinkat(r->folder_fd, path, 0);
        path[2] = '\0';
        (void)unlinkat(r->folder_fd, path, AT_REMOVEDIR);
    }
    CHECK(rmdir(r->path) == 0);
    close(r->folder_fd);
}

srm_segments *repository_segments(const repository *r) {
    srm_segments *segments = NULL;
    CHECK_STATUS(
        SRM_OK, srm_segments_new(r->repo_id, r->wrap_key, r->chunk_key, r->folder_fd, &segments));
    return segments;
}

int repository_open(const repository *r, uint8_t name) {
    char path[PATH_LEN];
    name_path(name, path);
    int fd = openat(r->folder_fd, path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

void repository_remove(const repository *r, uint8_t name) {
    char path[PATH_LEN];
    name_path(name, path);
    CHECK(unlinkat(r->folder_fd, path, 0) == 0);
}

void repository_flip(const repository *r, uint8_t name, uint64_t off) {
    uint8_t byte;
    int fd = repository_open(r, name);
    CHECK(pread(fd, &byte, 1, (off_t)off) == 1);
    byte ^= 0x10;
    CHECK(pwrite(fd, &byte, 1, (off_t)off) == 1);
    close(fd);
}

void repository_cut(const repository *r, uint8_t name, uint64_t length) {
    int fd = repository_open(r, name);
    CHECK(ftruncate(fd, (off_t)length) == 0);
    close(fd);
}

void repository_swap(const repository *r, uint8_t a, uint8_t b) {
    char first[PATH_LEN];
    char second[PATH_LEN];
    name_path(a, first);
    name_path(b, second);
    CHECK(renameat(r->folder_fd, first, r->folder_fd, "kept") == 0);
    CHECK(renameat(r->folder_fd, second, r->folder_fd, first) == 0);
    CHECK(renameat(r->folder_fd, "kept", r->folder_fd, second) == 0);
}

/* docs/FORMAT.md 4.1. */
static void wrap_for_owner(
    const repository *r, const srm_seal_options *options, uint8_t out[OWNER_LEN]) {
    uint8_t info[64 + 96] = "strongroom/1 env-salt";
    size_t len = strlen((char *)info) + 1;
    uint8_t keys[64];
    uint8_t aad[1 + 32 + 16] = {1};
    uint8_t digest[SRM_DIGEST_LEN];
    const uint8_t nonce[AEAD_NONCE_LEN] = {0};
    const aead_piece piece = {options->session_key, SRM_KEY_LEN};
    aead *wrapping = NULL;
    memset(out, 0, OWNER_LEN);
    out[0] = 1;
    out[3] = 112;
    memcpy(info + len, options->session_id, 16);
    memcpy(info + len + 16, options->session_key, SRM_KEY_LEN);
    CHECK_STATUS(SRM_OK, hmac_sha256(r->wrap_key, SRM_KEY_LEN, info, len + 48, out + 4));
    memcpy(info, "strongroom/1 env", 17);
    memcpy(info + 17, options->session_id, 16);
    memcpy(info + 33, out + 4, 32);
    CHECK_STATUS(SRM_OK, hkdf_expand(r->wrap_key, info, 65, keys, sizeof keys));
    memcpy(out + 36, keys, 32);
    memcpy(aad + 1, options->repo_id, 32);
    memcpy(aad + 33, options->session_id, 16);
    CHECK_STATUS(SRM_OK, aead_new(keys + 32, &wrapping));
    CHECK_STATUS(SRM_OK, aead_seal(wrapping, nonce, aad, sizeof aad, &piece, 1, out + 68, digest));
    aead_free(wrapping);
}

/* A segment that grows in memory. */
typedef struct growing {
    segment_keys keys;
    alteration alter;
    void *how;
    uint8_t *bytes;
    size_t len;
    uint8_t digests[DATA_DIGESTS_LEN_MAX];
} growing;

static void seal_frames(growing *g, const data_frame *frames, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const data_frame *f = &frames[i];
        size_t len = 0;
        uint8_t *plain = must_alloc(f->stored_len);
        for (size_t k = 0; k < f->piece_count; k++) {
            memcpy(plain + len, f->pieces[k].data, f->pieces[k].len);
            len += f->pieces[k].len;
        }
        if (g->alter != NULL)
            g->alter(f, plain, len, g->how);
        const aead_piece whole = {plain, len};
        CHECK_STATUS(SRM_OK, frame_seal(&g->keys, f->index, f->last, &whole, 1, g->bytes + g->len,
                                 f->stored_len, g->digests + f->index * SRM_DIGEST_LEN));
        g->len += f->stored_len;
        free(plain);
    }
}

static void put_chunk(const repository *r, growing *g, data_packer *packer, chunk *c, int level) {
    data_frame frames[2];
    size_t count = 0;
    size_t stored_len = 0;
    compressor *codec = NULL;
    uint8_t *stored = must_alloc(compressor_bound());
    blake3_keyed(r->chunk_key, c->raw, c->raw_len, c->id);
    CHECK_STATUS(SRM_OK, compressor_new(level, &codec));
    CHECK_STATUS(SRM_OK, compressor_try(codec, c->raw, c->raw_len, false, stored, &stored_len));
    data_chunk packed = {.stored = stored_len > 0 ? stored : c->raw,
        .stored_len = stored_len > 0 ? (uint32_t)stored_len : c->raw_len,
        .raw_len = c->raw_len,
        .codec = stored_len > 0 ? CODEC_ZSTD : CODEC_RAW};
    memcpy(packed.id, c->id, sizeof packed.id);
    CHECK_STATUS(SRM_OK, data_packer_put(packer, &packed, frames, &count, &c->off));
    seal_frames(g, frames, count);
    compressor_free(codec);
    free(stored);
}

static void write_file(const repository *r, uint8_t name, const uint8_t *bytes, size_t len) {
    char path[PATH_LEN];
    name_path(name, path);
    path[2] = '\0';
    (void)mkdirat(r->folder_fd, path, 0700);
    path[2] = '/';
    int fd = openat(r->folder_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        CHECK(n > 0);
        bytes += n;
        len -= (size_t)n;
    }
    close(fd);
}

void repository_put(const repository *r, uint8_t name, chunk *chunks, size_t chunk_count, int level,
    alteration alter, void *how, stored_segment *out) {
    uint8_t owner[OWNER_LEN];
    data_frame frames[2];
    size_t count = 0;
    data_packer *packer = NULL;
    growing g = {.alter = alter, .how = how, .len = SRM_HEADER_LEN};
    srm_seal_options options = test_options(level, 0);
    options.type = 2;
    memcpy(options.repo_id, r->repo_id, sizeof options.repo_id);
    wrap_for_owner(r, &options, owner);
    options.envelopes = owner;
    options.envelopes_len = sizeof owner;
    size_t cap = 4 * (size_t)SRM_FRAME_LEN;
    for (size_t i = 0; i < chunk_count; i++)
        cap += chunks[i].raw_len + 2 * (size_t)RECORD_HEAD_LEN + DATA_ENTRY_LEN;
    g.bytes = must_alloc(cap + cap / 1000);
    CHECK_STATUS(SRM_OK, header_build(&options, g.bytes, &g.keys));
    CHECK_STATUS(SRM_OK, data_packer_new(&packer));
    for (size_t i = 0; i < chunk_count; i++)
        put_chunk(r, &g, packer, &chunks[i], level);
    CHECK_STATUS(SRM_OK, data_packer_end(packer, frames, &count));
    seal_frames(&g, frames, count);
    out->layout = data_packer_layout(packer);
    memset(out->id, name, sizeof out->id);
    CHECK_STATUS(SRM_OK, root_of_digests(g.bytes, &out->layout, g.digests, out->root));
    data_trailer_store(g.bytes, out->root, &out->layout, g.digests, g.bytes + g.len);
    out->length = g.len + data_trailer_len(&out->layout);
    write_file(r, name, g.bytes, (size_t)out->length);
    data_packer_free(packer);
    segment_keys_wipe(&g.keys);
    free(g.bytes);
}
