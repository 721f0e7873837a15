/* One chunk in a table, in memory as on disk. */
#ifndef INDEX_PLACE_H
#define INDEX_PLACE_H

#include "base/bytes.h"
#include "index/table.h"

#define SEGMENT_BITS 26
#define OFF_BITS 27
#define LEN_BITS 21
#define LOW_BITS(value, bits) ((value) & ((1u << (bits)) - 1))

/* Zero, as a whole: nothing here. Packed, as there may be hundreds of millions. */
typedef struct __attribute__((packed, aligned(4))) place {
    uint8_t id[INDEX_ID_LEN];        /* how the chunk's id begins */
    uint32_t segment : SEGMENT_BITS; /* its number, or PLACE_REMOVED, or PLACE_CLAIMED */
    uint32_t off : OFF_BITS;
    uint32_t stored_len : LEN_BITS; /* never 0 */
    uint32_t raw_len : LEN_BITS;
    /* What older tables say of this chunk was wrong, so that they do not count even if the segment
     * here is dropped. In memory alone. */
    uint32_t overrules : 1;
} place;

#define PLACE_REMOVED LOW_BITS(UINT32_MAX, SEGMENT_BITS) /* nowhere, whatever older tables say */
#define PLACE_CLAIMED (PLACE_REMOVED - 1) /* somebody is about to store it; in memory alone */

_Static_assert(sizeof(place) == 28, "as stored");

/* Each number fits its bits: see index_put. */
static inline place place_from(const uint8_t id[INDEX_ID_LEN], const srm_location *at) {
    place p = {.segment = LOW_BITS(at->segment, SEGMENT_BITS),
        .off = LOW_BITS(at->off, OFF_BITS),
        .stored_len = LOW_BITS(at->stored_len, LEN_BITS),
        .raw_len = LOW_BITS(at->raw_len, LEN_BITS)};
    memcpy(p.id, id, INDEX_ID_LEN);
    return p;
}

static inline srm_location place_location(const place *p) {
    return (srm_location){
        .segment = p->segment, .off = p->off, .stored_len = p->stored_len, .raw_len = p->raw_len};
}

static inline void place_renumber(place *p, uint32_t segment) {
    p->segment = LOW_BITS(segment, SEGMENT_BITS);
}

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
