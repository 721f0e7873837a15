/* What changed since the tables were written: in memory, in parts with a lock each. */
#ifndef INDEX_FRESH_H
#define INDEX_FRESH_H

#include "index/place.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct part {
    _Alignas(64) pthread_mutex_t lock;
    atomic_size_t used; /* places; written under lock */
    /* Under lock: */
    place *places;
    size_t capacity; /* a power of two, or 0 */
} part;

typedef struct fresh {
    part parts[PART_COUNT];
} fresh;

void fresh_begin(fresh *f);
void fresh_free(fresh *f);

/* Take the lock of the part that an id belongs to, and give it up. */
part *fresh_enter(const fresh *f, const uint8_t id[INDEX_ID_LEN]);
void fresh_leave(part *p);

/* A copy of what is known of the chunk; false: nothing. Locks. */
bool fresh_get(const fresh *f, const uint8_t id[INDEX_ID_LEN], place *out);

/* With the lock: what is known of the chunk, or NULL. */
place *part_find(const part *p, const uint8_t id[INDEX_ID_LEN]);
/* With the lock: add, or put in its stead. SRM_ENOMEM. */
SRM_MUST_USE srm_status part_set(part *p, const place *new_place);

uint64_t fresh_count(const fresh *f);

#endif
