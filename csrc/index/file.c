#include "index/file.h"

#include "crypto/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLE_ORDER 0x01020304u
#define SLOTS_MAX ((uint64_t)1 << 40)

static const uint8_t MAGIC[8] = {0x89, 'S', 'R', 'X', '\r', '\n', 0x1a, '\n'};

_Static_assert(sizeof(table_header) == 176, "no gaps");
#define SEALED_LEN (sizeof(table_header) - SRM_DIGEST_LEN)

__extension__ typedef unsigned __int128 u128;

srm_status table_header_seal(table_header *h, uint8_t page[TABLE_PAGE_LEN]) {
    memcpy(h->magic, MAGIC, sizeof MAGIC);
    h->order = TABLE_ORDER;
    h->version = TABLE_VERSION;
    srm_status status = sha256_digest(h, SEALED_LEN, h->digest);
    memset(page, 0, TABLE_PAGE_LEN);
    memcpy(page, h, sizeof *h);
    return status;
}

static srm_status check_header(const table_header *h) {
    uint8_t digest[SRM_DIGEST_LEN];
    srm_status status = sha256_digest(h, SEALED_LEN, digest);
    if (status != SRM_OK)
        return status;
    if (memcmp(h->magic, MAGIC, sizeof MAGIC) != 0 || memcmp(h->digest, digest, sizeof digest) != 0)
        return SRM_EDAMAGED;
    if (h->order != TABLE_ORDER || h->version != TABLE_VERSION)
        return SRM_EUNSUPPORTED;
    if (h->home_count == 0 || h->home_count > h->slot_count || h->slot_count > SLOTS_MAX ||
        h->count > h->slot_count || h->segment_count > NAMES_MAX)
        return SRM_EDAMAGED;
    return SRM_OK;
}

srm_status table_header_read(int fd, table_header *h) {
    uint8_t *to = (uint8_t *)h;
    size_t have = 0;
    memset(h, 0, sizeof *h);
    while (have < sizeof *h) {
        ssize_t got = pread(fd, to + have, sizeof *h - have, (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return SRM_EIO;
        if (got == 0)
            return SRM_EDAMAGED;
        have += (size_t)got;
    }
    return check_header(h);
}

uint64_t table_places_off(uint64_t segment_count) {
    uint64_t names_len = segment_count * NAME_LEN;
    return TABLE_PAGE_LEN + (names_len + TABLE_PAGE_LEN - 1) / TABLE_PAGE_LEN * TABLE_PAGE_LEN;
}

static srm_status map(table *t, int fd, const table_header *h) {
    struct stat info;
    uint64_t len = table_places_off(h->segment_count) + h->slot_count * sizeof(place);
    if (fstat(fd, &info) != 0)
        return SRM_EIO;
    if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size != len || len > SIZE_MAX)
        return SRM_EDAMAGED;
    void *mapped = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return errno == ENOMEM ? SRM_ENOMEM : SRM_EIO;
    t->map = mapped;
    t->map_len = (size_t)len;
    t->slots = (const place *)(const void *)(t->map + table_places_off(h->segment_count));
    t->home_count = h->home_count;
    t->slot_count = h->slot_count;
    t->count = h->count;
    t->segment_count = (uint32_t)h->segment_count;
    return SRM_OK;
}

static srm_status name_segments(table *t, const table_header *h, names *n) {
    const uint8_t *ids = t->map + TABLE_PAGE_LEN;
    uint8_t digest[SRM_DIGEST_LEN];
    srm_status status = sha256_digest(ids, (size_t)t->segment_count * NAME_LEN, digest);
    if (status == SRM_OK && memcmp(digest, h->names_digest, sizeof digest) != 0)
        status = SRM_EDAMAGED;
    if (status != SRM_OK)
        return status;
    t->numbers = calloc((size_t)t->segment_count + 1, sizeof *t->numbers);
    if (t->numbers == NULL)
        return SRM_ENOMEM;
    for (uint32_t i = 0; status == SRM_OK && i < t->segment_count; i++) {
        status = names_add(n, ids + (size_t)i * NAME_LEN, &t->numbers[i]);
        if (status == SRM_OK)
            names_get(n, t->numbers[i])->in_table = true;
    }
    return status;
}

srm_status table_open(table *t, int fd, names *n) {
    table_header h;
    memset(t, 0, sizeof *t);
    srm_status status = table_header_read(fd, &h);
    if (status == SRM_OK)
        status = map(t, fd, &h);
    if (status == SRM_OK)
        status = name_segments(t, &h, n);
    if (status != SRM_OK)
        table_close(t);
    return status;
}

void table_close(table *t) {
    if (t->map != NULL)
        (void)munmap(t->map, t->map_len);
    free(t->numbers);
    memset(t, 0, sizeof *t);
}

uint64_t table_home(uint64_t home_count, const uint8_t id[INDEX_ID_LEN]) {
    return (uint64_t)(((u128)load_be64(id) * home_count) >> 64);
}

bool table_at(const table *t, uint64_t at, place *out) {
    *out = t->slots[at];
    if (place_is_empty(out))
        return false;
    if (out->segment == PLACE_REMOVED)
        return true;
    if (out->segment >= t->segment_count || out->stored_len > out->raw_len ||
        out->raw_len > SRM_CHUNK_LEN || out->overrules)
        return false;
    place_renumber(out, t->numbers[out->segment]);
    return true;
}

bool table_get(const table *t, const uint8_t id[INDEX_ID_LEN], place *out) {
    for (uint64_t at = table_home(t->home_count, id); at < t->slot_count; at++) {
        const place *p = &t->slots[at];
        if (place_is_empty(p))
            return false;
        if (place_is_of(p, id))
            return table_at(t, at, out);
    }
    return false;
}

void table_expect(const table *t, const uint8_t id[INDEX_ID_LEN]) {
    __builtin_prefetch(&t->slots[table_home(t->home_count, id)]);
}
