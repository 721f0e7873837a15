#include "segment/offsets.h"

#include "base/bytes.h"

#include <stdlib.h>

void offsets_free(offsets *o) {
    if (o->entries != NULL)
        wipe(o->entries, o->capacity * OFFSET_LEN); /* how well the chunks compressed */
    free(o->entries);
    memset(o, 0, sizeof *o);
}

uint64_t offsets_len(const offsets *o) {
    return o->entries == NULL ? 0 : o->count * OFFSET_LEN;
}

static srm_status grow(offsets *o, uint64_t wanted) {
    if (o->entries != NULL && wanted <= o->capacity)
        return SRM_OK;
    uint64_t capacity = 1024;
    while (capacity < wanted)
        capacity *= 2;
    uint8_t *entries = realloc(o->entries, capacity * OFFSET_LEN);
    if (entries == NULL)
        return SRM_ENOMEM;
    if (o->entries == NULL)
        for (uint64_t i = 0; i < o->count; i++)
            store_be64(entries + i * OFFSET_LEN, i * FRAME_PLAIN_LEN);
    o->entries = entries;
    o->capacity = capacity;
    return SRM_OK;
}

srm_status offsets_add(offsets *o, uint64_t off, bool raw) {
    if (o->count == CHUNK_COUNT_MAX)
        return SRM_ELIMIT;
    if (o->entries != NULL || !raw) {
        srm_status status = grow(o, o->count + 1);
        if (status != SRM_OK)
            return status;
        store_be64(o->entries + o->count * OFFSET_LEN, off);
    }
    o->count++;
    return SRM_OK;
}
