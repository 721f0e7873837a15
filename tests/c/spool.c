#include "spool.h"

#include "base/bytes.h"
#include "check.h"
#include "codec/zstd.h"
#include "crypto/hash.h"
#include "segment/data.h"
#include "segment/frame.h"
#include "segment/header.h"
#include "segment/record.h"
#include "segment/root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

srm_session_options test_session_options(int32_t level, uint32_t threads, int folder) {
    srm_seal_options fixed = test_options(level, 0);
    srm_session_options options = {.envelopes = fixed.envelopes,
        .envelopes_len = fixed.envelopes_len,
        .level = level,
        .threads = threads,
        .spool_fd = folder};
    memcpy(options.repo_id, fixed.repo_id, sizeof options.repo_id);
    memcpy(options.session_id, fixed.session_id, sizeof options.session_id);
    memcpy(options.session_key, fixed.session_key, sizeof options.session_key);
    memset(options.chunk_key, CHUNK_KEY_BYTE, sizeof options.chunk_key);
    return options;
}

int folder_make(char path[64]) {
    (void)snprintf(path, 64, "/tmp/srm-test-XXXXXX");
    CHECK(mkdtemp(path) != NULL);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

/* However deep: paths may be longer than any call takes. Closes fd. */
static void empty(int fd) {
    DIR *folder = fdopendir(fd);
    CHECK(folder != NULL);
    rewinddir(folder);
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            unlinkat(fd, e->d_name, 0) == 0)
            continue;
        int below = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(below >= 0);
        empty(below);
        CHECK(unlinkat(fd, e->d_name, AT_REMOVEDIR) == 0);
    }
    closedir(folder);
}

void folder_remove(const char *path, int fd) {
    empty(fd);
    (void)rmdir(path); /* a test may have done so */
}

size_t folder_count(const char *path) {
    size_t count = 0;
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder))
        count += e->d_name[0] != '.';
    closedir(folder);
    return count;
}

void folder_put(int fd, const char *name, const uint8_t *data, size_t len) {
    int file = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(file >= 0);
    for (size_t at = 0; at < len;) {
        ssize_t n = write(file, data + at, len - at);
        CHECK(n > 0);
        at += (size_t)n;
    }
    close(file);
}

static uint8_t *read_segment(int folder, const srm_segment_info *info) {
    char name[33];
    struct stat s;
    for (size_t i = 0; i < sizeof info->id; i++)
        (void)snprintf(name + 2 * i, 3, "%02x", info->id[i]);
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fstat(fd, &s) == 0);
    CHECK((uint64_t)s.st_size == info->length && (s.st_mode & 07777) == 0444);
    uint8_t *bytes = must_alloc((size_t)s.st_size);
    for (size_t at = 0; at < (size_t)s.st_size;) {
        ssize_t n = read(fd, bytes + at, (size_t)s.st_size - at);
        CHECK(n > 0);
        at += (size_t)n;
    }
    close(fd);
    return bytes;
}

/* Open all frames, one plaintext behind the other, and check the trailer against them. */
static uint8_t *open_frames(
    const uint8_t *bytes, const segment_keys *keys, const srm_segment_info *info, layout *l) {
    uint8_t digests[(DATA_FRAMES_MAX + 1) * SRM_DIGEST_LEN];
    uint8_t root[SRM_DIGEST_LEN];
    const uint8_t *end = bytes + info->length - SRM_TRAILER_LEN + SRM_HEADER_LEN;
    *l = (layout){.frame_count = load_be32(end + 32), .last_len = load_be32(end + 36)};
    CHECK(l->frame_count >= 1 && l->frame_count <= DATA_FRAMES_MAX + 1);
    CHECK(layout_trailer_off(l) + data_trailer_len(l) == info->length);
    CHECK((l->last_len & (l->last_len - 1)) == 0);
    uint8_t *plain = must_alloc((size_t)layout_plain_len(l));
    for (uint64_t i = 0; i < l->frame_count; i++) {
        bool last = i + 1 == l->frame_count;
        CHECK_STATUS(SRM_OK, frame_open(keys, i, last, bytes + SRM_HEADER_LEN + i * SRM_FRAME_LEN,
                                 last ? l->last_len : SRM_FRAME_LEN, plain + i * FRAME_PLAIN_LEN,
                                 digests + i * SRM_DIGEST_LEN));
    }
    CHECK_STATUS(SRM_OK, root_of_digests(bytes, l, digests, root));
    CHECK(memcmp(root, info->root, sizeof root) == 0);
    CHECK_STATUS(
        SRM_OK, data_trailer_check(bytes + layout_trailer_off(l), bytes, root, l, digests));
    return plain;
}

/* Take out one chunk and check its head and its id. */
static void load_chunk(const uint8_t *plain, const data_entry *e, found_chunk *c) {
    uint8_t key[SRM_KEY_LEN];
    uint8_t id[SRM_DIGEST_LEN];
    record_head head;
    decompressor *d = NULL;
    memset(key, CHUNK_KEY_BYTE, sizeof key);
    CHECK_STATUS(SRM_OK, record_head_load(plain + e->off, &head));
    CHECK(head.type == RECORD_DATA && head.codec == e->codec && head.raw_len == e->raw_len);
    CHECK(head.stored_len == e->stored_len && memcmp(head.id, e->id, sizeof head.id) == 0);
    *c = (found_chunk){.raw = must_alloc(e->raw_len), .raw_len = e->raw_len, .codec = e->codec};
    memcpy(c->id, e->id, sizeof c->id);
    const uint8_t *stored = plain + e->off + RECORD_HEAD_LEN;
    if (e->codec == CODEC_RAW) {
        memcpy(c->raw, stored, e->raw_len);
    } else {
        CHECK_STATUS(SRM_OK, decompressor_new(&d));
        CHECK_STATUS(SRM_OK, decompressor_run(d, stored, e->stored_len, c->raw, e->raw_len));
        decompressor_free(d);
    }
    blake3_keyed(key, c->raw, c->raw_len, id);
    CHECK(memcmp(id, c->id, sizeof id) == 0);
}

void library_add(library *l, int folder, const srm_segment_info *info) {
    srm_seal_options fixed = test_options(0, 0);
    segment_keys keys;
    layout at;
    data_entry *entries = NULL;
    uint32_t count = 0;
    uint8_t *bytes = read_segment(folder, info);
    CHECK(info->type == SEGMENT_DATA);
    CHECK_STATUS(SRM_OK, header_unlock(bytes, fixed.session_key, &keys));
    uint8_t *plain = open_frames(bytes, &keys, info, &at);
    CHECK_STATUS(SRM_OK, data_directory(plain + (at.frame_count - 1) * FRAME_PLAIN_LEN,
                             at.last_len - SRM_TAG_LEN, &at, &entries, &count));
    CHECK(count == info->chunks);
    l->chunks = realloc(l->chunks, (l->count + count) * sizeof *l->chunks);
    CHECK(l->chunks != NULL);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(library_find(l, entries[i].id) == NULL); /* no chunk is stored twice */
        load_chunk(plain, &entries[i], &l->chunks[l->count]);
        l->count++;
    }
    l->stored_len += info->length;
    segment_keys_wipe(&keys);
    free(entries);
    free(plain);
    free(bytes);
}

const found_chunk *library_find(const library *l, const uint8_t id[SRM_DIGEST_LEN]) {
    for (size_t i = 0; i < l->count; i++)
        if (memcmp(l->chunks[i].id, id, SRM_DIGEST_LEN) == 0)
            return &l->chunks[i];
    return NULL;
}

void library_free(library *l) {
    for (size_t i = 0; i < l->count; i++)
        free(l->chunks[i].raw);
    free(l->chunks);
    *l = (library){0};
}
