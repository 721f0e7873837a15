#include "pipeline/id_list.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 1024

srm_status id_list_reserve(id_list *l, uint64_t count) {
    uint64_t cap = l->cap == 0 ? FIRST_CAP : l->cap;
    if (count <= l->cap)
        return SRM_OK;
    if (count > SIZE_MAX / SRM_DIGEST_LEN / 2)
        return SRM_ENOMEM;
    while (cap < count)
        cap *= 2;
    uint8_t *grown = realloc(l->ids, (size_t)cap * SRM_DIGEST_LEN);
    if (grown == NULL)
        return SRM_ENOMEM;
    l->ids = grown;
    l->cap = cap;
    return SRM_OK;
}

srm_status id_list_add(id_list *l, const uint8_t *ids, uint64_t count) {
    srm_status status = id_list_reserve(l, l->count + count);
    if (status != SRM_OK || count == 0)
        return status;
    memcpy(l->ids + l->count * SRM_DIGEST_LEN, ids, (size_t)count * SRM_DIGEST_LEN);
    l->count += count;
    return SRM_OK;
}

uint8_t *id_list_surrender(id_list *l, uint64_t *count) {
    uint8_t *ids = l->ids;
    *count = l->count;
    *l = (id_list){0};
    return ids;
}

void id_list_free(id_list *l) {
    free(l->ids);
    *l = (id_list){0};
}
