/* Segments by number and by name. Numbers are given once and stay. Any number of threads. */
#ifndef INDEX_NAMES_H
#define INDEX_NAMES_H

#include "index/place.h"

#include <pthread.h>
#include <stdatomic.h>

#define NAME_LEN SRM_SESSION_ID_LEN
#define NAMES_MAX ((uint32_t)1 << 24) /* 1 PiB of data */
#define NAMES_A_BLOCK 1024

typedef struct name {
    uint8_t id[NAME_LEN];
    atomic_bool dropped;
    bool in_table; /* a table that was added names it */
} name;

typedef struct names {
    pthread_mutex_t lock;
    atomic_uint count;
    _Atomic(name *) blocks[NAMES_MAX / NAMES_A_BLOCK]; /* never moved once made */
    /* Under lock: numbers + 1 by name; 0: free. */
    uint32_t *slots;
    uint32_t slot_count; /* a power of two */
} names;

/* names: zeroed. */
void names_begin(names *n);
void names_free(names *n);

/* The number of a segment, given to it if it has none or the one it had was dropped. SRM_ELIMIT. */
SRM_MUST_USE srm_status names_add(names *n, const uint8_t id[NAME_LEN], uint32_t *number);

/* NULL if no segment has that number. */
name *names_get(const names *n, uint32_t number);
bool names_is_live(const names *n, uint32_t number);
uint32_t names_count(const names *n);

#endif
