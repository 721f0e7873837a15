/* A table file, mapped: places spread by id over slots, with linear probing.
 *
 *     header (4096) || names of segments, 16 bytes each, filled up to 4096 || places, 28 bytes each
 *
 * A chunk's home is the slot that its first 8 bytes, as a fraction of 2^64, fall on; it stands
 * there or in the slots behind, before the first that is empty. Slots follow the last home as
 * needed. Integers are the machine's: a file belongs to the machine that wrote it. */
#ifndef INDEX_FILE_H
#define INDEX_FILE_H

#include "index/names.h"

#define TABLE_PAGE_LEN 4096
#define TABLE_VERSION 2

typedef struct table_header {
    uint8_t magic[8];
    uint32_t order; /* TABLE_ORDER where bytes stand as in the writer */
    uint32_t version;
    uint64_t home_count;
    uint64_t slot_count;
    uint64_t count; /* places */
    uint64_t segment_count;
    uint8_t note[INDEX_NOTE_LEN];
    uint8_t names_digest[SRM_DIGEST_LEN]; /* SHA-256 of the names */
    uint8_t digest[SRM_DIGEST_LEN];       /* SHA-256 of all before */
} table_header;

typedef struct table {
    uint8_t *map;
    size_t map_len;
    const place *slots;
    uint64_t home_count;
    uint64_t slot_count;
    uint64_t count;
    uint32_t segment_count;
    uint32_t *numbers; /* of its segments, in the index */
} table;

/* Fill in what the other fields leave open. */
SRM_MUST_USE srm_status table_header_seal(table_header *h, uint8_t page[TABLE_PAGE_LEN]);
SRM_MUST_USE srm_status table_header_read(int fd, table_header *h);
/* Where the places begin. */
uint64_t table_places_off(uint64_t segment_count);

/* Map a file and name its segments. SRM_EDAMAGED, SRM_EUNSUPPORTED, SRM_EIO, SRM_ENOMEM. */
SRM_MUST_USE srm_status table_open(table *t, int fd, names *n);
void table_close(table *t);

/* The home of an id in a table of so many. */
uint64_t table_home(uint64_t home_count, const uint8_t id[INDEX_ID_LEN]);

/* What the table says of a chunk, segment numbers being the index's; false: nothing. */
bool table_get(const table *t, const uint8_t id[INDEX_ID_LEN], place *out);
/* The same for slot `at`; false: nothing is there, or nothing sound. */
bool table_at(const table *t, uint64_t at, place *out);
/* Soon its id will be asked for. */
void table_expect(const table *t, const uint8_t id[INDEX_ID_LEN]);

#endif
