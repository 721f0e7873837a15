#include "pipeline/leaves.h"

#include <stdlib.h>
#include <string.h>

srm_status leaves_begin(leaves *l, const uint8_t header[SRM_HEADER_LEN], unsigned size) {
    memset(l, 0, sizeof *l);
    l->size = size;
    l->ring = calloc(size, sizeof *l->ring);
    return l->ring == NULL ? SRM_ENOMEM : root_begin(&l->root, header);
}

bool leaves_room(const leaves *l, uint64_t index) {
    return index - l->next < l->size;
}

srm_status leaves_put(
    leaves *l, uint64_t index, const uint8_t digest[SRM_DIGEST_LEN], size_t len, bool last) {
    leaf *at = &l->ring[index % l->size];
    *at = (leaf){.here = true, .last = last, .len = (uint32_t)len};
    memcpy(at->digest, digest, SRM_DIGEST_LEN);
    for (at = &l->ring[l->next % l->size]; at->here; at = &l->ring[l->next % l->size]) {
        srm_status status = root_add(&l->root, at->digest, at->len, at->last);
        if (status == SRM_OK && l->prover != NULL)
            status = prover_add(l->prover, l->root.leaf);
        if (status != SRM_OK)
            return status;
        at->here = false;
        l->next++;
    }
    return SRM_OK;
}

void leaves_free(leaves *l) {
    root_free(&l->root);
    free(l->ring);
    l->ring = NULL;
}
