/* Inclusion proofs: that a frame is part of the segment a root names. No key is needed, neither
 * to make one nor to check it. docs/FORMAT.md, 3.8. */
#ifndef SEGMENT_PROOF_H
#define SEGMENT_PROOF_H

#include "segment/root.h"

/* The audit path of one leaf (RFC 6962, 2.1.1), gathered while leaves go by in order. */
typedef struct prover {
    uint64_t leaf_count;
    uint64_t index;
    uint64_t next; /* the leaf that comes next */
    /* The subtrees beside the way from the leaf to the root, from left to right. */
    struct {
        uint64_t begin;
        uint64_t end;
        unsigned depth; /* of its parent: where its root goes in the path, from the top */
    } sides[MERKLE_DEPTH_MAX];
    unsigned side_count;
    unsigned side; /* the one being hashed */
    merkle tree;
    uint8_t path[MERKLE_DEPTH_MAX][SRM_DIGEST_LEN]; /* from the top */
} prover;

/* index < leaf_count <= FRAME_COUNT_MAX. */
SRM_MUST_USE srm_status prover_begin(prover *p, uint64_t leaf_count, uint64_t index);
SRM_MUST_USE srm_status prover_add(prover *p, const uint8_t leaf[SRM_DIGEST_LEN]);
/* Also for one that was only zeroed. */
void prover_free(prover *p);

/* Once all leaves came. Returns the length of the proof. */
size_t proof_store(const prover *p, const root_builder *root, uint8_t out[SRM_PROOF_LEN_MAX]);

/* Does the proof lead from this frame, len stored bytes, to the root? SRM_EDAMAGED: no. */
SRM_MUST_USE srm_status proof_check(const uint8_t *proof, size_t proof_len, const uint8_t *frame,
    size_t len, const uint8_t root[SRM_DIGEST_LEN]);

#endif
