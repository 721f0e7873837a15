/* Table files of the chunk index, changed in places: off u24 from the file's start, mask u8; a mask
 * of 0 cuts the file off there. The header's digests are put right after. */
#include "base/bytes.h"
#include "crypto/hash.h"
#include "fuzz.h"
#include "index/file.h"

#include <sys/mman.h>
#include <unistd.h>

#define CHUNK_COUNT 300
#define SEGMENT_COUNT 5
#define FILE_CAP 32768

static uint8_t sound[FILE_CAP];
static size_t sound_len;
static uint8_t ids[CHUNK_COUNT][SRM_DIGEST_LEN];

static int file_of(const uint8_t *bytes, size_t len) {
    int fd = memfd_create("table", MFD_CLOEXEC);
    HOLDS(fd >= 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len);
    return fd;
}

static void make_sound(void) {
    static const uint8_t note[INDEX_NOTE_LEN];
    srm_index *x;
    HOLDS(srm_index_new(&x) == SRM_OK);
    for (uint32_t i = 0; i < CHUNK_COUNT; i++) {
        srm_location at = {.off = i, .stored_len = i + 1, .raw_len = i + 2};
        uint8_t name[16] = {(uint8_t)(i % SEGMENT_COUNT)};
        blake3_digest((const uint8_t *)&i, sizeof i, ids[i]);
        HOLDS(srm_index_segment(x, name, &at.segment) == SRM_OK);
        HOLDS(i % 9 == 0 ? srm_index_remove(x, ids[i]) == SRM_OK
                         : srm_index_put(x, ids[i], &at) == SRM_OK);
    }
    int fd = file_of(note, 0);
    HOLDS(srm_index_save(x, fd, note, 1) == SRM_OK);
    ssize_t len = pread(fd, sound, sizeof sound, 0);
    HOLDS(len > 8192 && (size_t)len < sizeof sound);
    sound_len = (size_t)len;
    (void)close(fd);
    srm_index_free(x);
}

static void reseal(uint8_t *bytes, size_t len) {
    table_header h;
    if (len < sizeof h)
        return;
    memcpy(&h, bytes, sizeof h);
    if (len > TABLE_PAGE_LEN && h.segment_count <= (len - TABLE_PAGE_LEN) / 16)
        HOLDS(sha256_digest(bytes + TABLE_PAGE_LEN, (size_t)h.segment_count * 16, h.names_digest) ==
              SRM_OK);
    HOLDS(sha256_digest(&h, sizeof h - SRM_DIGEST_LEN, h.digest) == SRM_OK);
    memcpy(bytes, &h, sizeof h);
}

/* Whatever it holds: lookups end and name segments, and what is found is found again once saved. */
static void use(srm_index *x) {
    static const uint8_t note[INDEX_NOTE_LEN];
    srm_location at;
    srm_location again;
    uint8_t name[16];
    uint8_t other[16];
    srm_index *y;
    int fd = file_of(note, 0);
    HOLDS(srm_index_save(x, fd, note, 0) == SRM_OK);
    HOLDS(srm_index_new(&y) == SRM_OK && srm_index_add_table(y, fd) == SRM_OK);
    for (unsigned i = 0; i < CHUNK_COUNT; i++)
        if (srm_index_find(x, ids[i], &at) == 1) {
            HOLDS(at.stored_len >= 1 && at.stored_len <= at.raw_len);
            HOLDS(at.raw_len <= SRM_CHUNK_LEN);
            HOLDS(srm_index_segment_id(x, at.segment, name) == SRM_OK);
            HOLDS(srm_index_find(y, ids[i], &again) == 1 && again.off == at.off);
            HOLDS(srm_index_segment_id(y, again.segment, other) == SRM_OK);
            HOLDS(memcmp(name, other, sizeof name) == 0);
        }
    srm_index_free(y);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    uint8_t bytes[FILE_CAP];
    srm_index *x;
    if (sound_len == 0)
        make_sound();
    size_t file_len = sound_len;
    memcpy(bytes, sound, sizeof bytes);
    for (; len >= 4; data += 4, len -= 4) {
        size_t off = (load_be32(data) >> 8) % file_len;
        if (data[3] == 0)
            file_len = off + 1;
        bytes[off] ^= data[3];
    }
    reseal(bytes, file_len);
    int fd = file_of(bytes, file_len);
    HOLDS(srm_index_new(&x) == SRM_OK);
    srm_status status = srm_index_add_table(x, fd);
    HOLDS(status == SRM_OK || status == SRM_EDAMAGED || status == SRM_EUNSUPPORTED);
    if (status == SRM_OK)
        use(x);
    srm_index_free(x);
    (void)close(fd);
    return 0;
}
