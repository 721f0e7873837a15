/* Chunk ids, one after another in memory. */
#ifndef PIPELINE_ID_LIST_H
#define PIPELINE_ID_LIST_H

#include "strongroom.h"

/* The caller guards it against other threads. Begins zeroed. */
typedef struct id_list {
    uint8_t *ids;
    uint64_t count;
    uint64_t cap;
} id_list;

/* Make room for so many in all. */
SRM_MUST_USE srm_status id_list_reserve(id_list *l, uint64_t count);
SRM_MUST_USE srm_status id_list_add(id_list *l, const uint8_t *ids, uint64_t count);
/* Give the memory away, for free(3), and *count; the list is empty then. */
uint8_t *id_list_surrender(id_list *l, uint64_t *count);
void id_list_free(id_list *l);

#endif
