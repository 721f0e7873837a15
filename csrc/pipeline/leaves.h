/* Frame digests that come in any order, added to the root in theirs. */
#ifndef PIPELINE_LEAVES_H
#define PIPELINE_LEAVES_H

#include "segment/proof.h"

typedef struct leaf {
    bool here;
    bool last;
    uint32_t len;
    uint8_t digest[SRM_DIGEST_LEN];
} leaf;

/* The caller guards it against other threads. */
typedef struct leaves {
    root_builder root;
    uint64_t next;  /* frames before this one are in the root */
    prover *prover; /* sees every leaf, or NULL */
    unsigned size;
    leaf *ring;
} leaves;

/* size: how far ahead of the others a digest may come. */
SRM_MUST_USE srm_status leaves_begin(
    leaves *l, const uint8_t header[SRM_HEADER_LEN], unsigned size);
/* May the digest of this frame be put yet? */
bool leaves_room(const leaves *l, uint64_t index);
SRM_MUST_USE srm_status leaves_put(
    leaves *l, uint64_t index, const uint8_t digest[SRM_DIGEST_LEN], size_t len, bool last);
/* Also for one that was only zeroed. */
void leaves_free(leaves *l);

#endif
