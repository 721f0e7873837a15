#include "index/names.h"

#include <stdlib.h>

void names_begin(names *n) {
    (void)pthread_mutex_init(&n->lock, NULL);
}

void names_free(names *n) {
    for (uint32_t i = 0; i < names_count(n); i += NAMES_A_BLOCK)
        free(atomic_load(&n->blocks[i / NAMES_A_BLOCK]));
    free(n->slots);
    (void)pthread_mutex_destroy(&n->lock);
}

uint32_t names_count(const names *n) {
    return atomic_load_explicit(&n->count, memory_order_acquire);
}

name *names_get(const names *n, uint32_t number) {
    if (number >= names_count(n))
        return NULL;
    name *block = atomic_load_explicit(&n->blocks[number / NAMES_A_BLOCK], memory_order_acquire);
    return &block[number % NAMES_A_BLOCK];
}

bool names_is_live(const names *n, uint32_t number) {
    const name *found = names_get(n, number);
    return found != NULL && !atomic_load_explicit(&found->dropped, memory_order_relaxed);
}

/* Where a live segment's number stands, or would. There is always a free slot. */
static uint32_t *slot_of(const names *n, const uint8_t id[NAME_LEN]) {
    uint32_t mask = n->slot_count - 1;
    uint32_t at = load_be32(id) & mask;
    for (; n->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t number = n->slots[at] - 1;
        if (names_is_live(n, number) && memcmp(names_get(n, number)->id, id, NAME_LEN) == 0)
            break;
    }
    return &n->slots[at];
}

static srm_status grow(names *n) {
    uint32_t count = names_count(n);
    if (count < n->slot_count / 2)
        return SRM_OK;
    uint32_t slot_count = n->slot_count == 0 ? NAMES_A_BLOCK : n->slot_count * 2;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return SRM_ENOMEM;
    free(n->slots);
    n->slots = slots;
    n->slot_count = slot_count;
    for (uint32_t number = 0; number < count; number++)
        if (names_is_live(n, number))
            *slot_of(n, names_get(n, number)->id) = number + 1;
    return SRM_OK;
}

static srm_status append(names *n, const uint8_t id[NAME_LEN], uint32_t *number) {
    uint32_t count = names_count(n);
    if (count == NAMES_MAX)
        return SRM_ELIMIT;
    srm_status status = grow(n);
    if (status != SRM_OK)
        return status;
    _Atomic(name *) *block = &n->blocks[count / NAMES_A_BLOCK];
    name *names_of_block = atomic_load(block);
    if (names_of_block == NULL) {
        names_of_block = calloc(NAMES_A_BLOCK, sizeof *names_of_block);
        if (names_of_block == NULL)
            return SRM_ENOMEM;
        atomic_store_explicit(block, names_of_block, memory_order_release);
    }
    uint32_t *slot = slot_of(n, id);
    memcpy(names_of_block[count % NAMES_A_BLOCK].id, id, NAME_LEN);
    *slot = count + 1;
    *number = count;
    atomic_store_explicit(&n->count, count + 1, memory_order_release);
    return SRM_OK;
}

srm_status names_add(names *n, const uint8_t id[NAME_LEN], uint32_t *number) {
    srm_status status = SRM_OK;
    *number = 0;
    (void)pthread_mutex_lock(&n->lock);
    uint32_t found = n->slot_count == 0 ? 0 : *slot_of(n, id);
    if (found != 0)
        *number = found - 1;
    else
        status = append(n, id, number);
    (void)pthread_mutex_unlock(&n->lock);
    return status;
}
