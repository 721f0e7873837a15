#include "index/fresh.h"

#include <stdlib.h>

#define CAPACITY_MIN 64

void fresh_begin(fresh *f) {
    for (unsigned i = 0; i < PART_COUNT; i++)
        (void)pthread_mutex_init(&f->parts[i].lock, NULL);
}

void fresh_free(fresh *f) {
    for (unsigned i = 0; i < PART_COUNT; i++) {
        free(f->parts[i].places);
        (void)pthread_mutex_destroy(&f->parts[i].lock);
    }
}

part *fresh_enter(const fresh *f, const uint8_t id[INDEX_ID_LEN]) {
    part *p = (part *)(uintptr_t)&f->parts[part_of(id)]; /* locking is no change */
    (void)pthread_mutex_lock(&p->lock);
    return p;
}

void fresh_leave(part *p) {
    (void)pthread_mutex_unlock(&p->lock);
}

/* Where the id's place is, or would be. There is always a free one. */
static place *slot_of(const part *p, const uint8_t id[INDEX_ID_LEN]) {
    size_t mask = p->capacity - 1;
    size_t at = (size_t)load_be64(id + 8) & mask; /* the first bits are the part's */
    while (!place_is_empty(&p->places[at]) && !place_is_of(&p->places[at], id))
        at = (at + 1) & mask;
    return &p->places[at];
}

place *part_find(const part *p, const uint8_t id[INDEX_ID_LEN]) {
    if (p->capacity == 0)
        return NULL;
    place *found = slot_of(p, id);
    return place_is_empty(found) ? NULL : found;
}

static srm_status grow(part *p) {
    size_t used = atomic_load(&p->used);
    if (used < p->capacity / 4 * 3)
        return SRM_OK;
    part bigger = {.capacity = p->capacity == 0 ? CAPACITY_MIN : p->capacity * 2};
    bigger.places = calloc(bigger.capacity, sizeof *bigger.places);
    if (bigger.places == NULL)
        return SRM_ENOMEM;
    for (size_t i = 0; i < p->capacity; i++)
        if (!place_is_empty(&p->places[i]))
            *slot_of(&bigger, p->places[i].id) = p->places[i];
    free(p->places);
    p->places = bigger.places;
    p->capacity = bigger.capacity;
    return SRM_OK;
}

srm_status part_set(part *p, const place *new_place) {
    srm_status status = grow(p);
    if (status != SRM_OK)
        return status;
    place *at = slot_of(p, new_place->id);
    if (place_is_empty(at))
        atomic_fetch_add(&p->used, 1);
    *at = *new_place;
    return SRM_OK;
}

bool fresh_get(const fresh *f, const uint8_t id[INDEX_ID_LEN], place *out) {
    if (atomic_load(&f->parts[part_of(id)].used) == 0)
        return false;
    part *p = fresh_enter(f, id);
    const place *found = part_find(p, id);
    if (found != NULL)
        *out = *found;
    fresh_leave(p);
    return found != NULL;
}

uint64_t fresh_count(const fresh *f) {
    uint64_t count = 0;
    for (unsigned i = 0; i < PART_COUNT; i++)
        count += atomic_load(&f->parts[i].used);
    return count;
}
