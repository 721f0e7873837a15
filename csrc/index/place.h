/* One chunk in a table, in memory as on disk. */
#ifndef INDEX_PLACE_H
#define INDEX_PLACE_H

#include "base/bytes.h"
#include "index/table.h"

/* Zero, as a whole: nothing here. */
typedef struct place {
    uint8_t id[INDEX_ID_LEN]; /* how the chunk's id begins */
    uint32_t segment;         /* its number, or PLACE_REMOVED, or PLACE_CLAIMED */
    uint32_t off;
    uint32_t stored_len; /* never 0 */
} place;

#define PLACE_REMOVED UINT32_MAX       /* nowhere, whatever older tables say */
#define PLACE_CLAIMED (UINT32_MAX - 1) /* somebody is about to store it; in memory alone */

_Static_assert(sizeof(place) == 28, "as stored");

static inline bool place_is_empty(const place *p) {
    return p->stored_len == 0;
}

static inline bool place_is_of(const place *p, const uint8_t id[INDEX_ID_LEN]) {
    return memcmp(p->id, id, INDEX_ID_LEN) == 0;
}

/* Ids are spread evenly, so what is ordered by them is cut into equal parts by their first bits. */
#define PARTS_LOG2 6
#define PART_COUNT (1u << PARTS_LOG2)

static inline unsigned part_of(const uint8_t id[INDEX_ID_LEN]) {
    return id[0] >> (8 - PARTS_LOG2);
}

#endif
