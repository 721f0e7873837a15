/* Merkle trees in the shape of RFC 6962, 2.1, over SHA-256. Leaves come hashed:
 * SHA-256(0x00 || record). Nodes are SHA-256(0x01 || left || right). */
#ifndef INDEX_MERKLE_H
#define INDEX_MERKLE_H

#include "crypto/hash.h"

#define MERKLE_DEPTH_MAX 64

/* A tree that grows leaf by leaf and keeps only its right edge. One thread at a time. */
typedef struct merkle {
    sha256 hash;
    uint64_t leaf_count;
    /* Roots of the perfect subtrees left to right: one for each bit set in leaf_count. */
    uint8_t edge[MERKLE_DEPTH_MAX][SRM_DIGEST_LEN];
} merkle;

SRM_MUST_USE srm_status merkle_begin(merkle *m);
SRM_MUST_USE srm_status merkle_add(merkle *m, const uint8_t leaf[SRM_DIGEST_LEN]);
/* The root of what was added, at least one leaf. The tree may grow on after. */
SRM_MUST_USE srm_status merkle_end(merkle *m, uint8_t root[SRM_DIGEST_LEN]);
/* Also for one that was never begun, if zeroed. */
void merkle_free(merkle *m);

SRM_MUST_USE srm_status merkle_leaf(
    merkle *m, const uint8_t *record, size_t len, uint8_t leaf[SRM_DIGEST_LEN]);

/* Where a tree of count leaves, at least 2, is split: the largest power of two below count. */
uint64_t merkle_split(uint64_t count);

/* The root over leaf_count hashes, at least one. */
SRM_MUST_USE srm_status merkle_root(
    const uint8_t *leaves, uint64_t leaf_count, uint8_t root[SRM_DIGEST_LEN]);

/* The audit path of a leaf (RFC 6962, 2.1.1), bottom up: *path_count hashes. */
SRM_MUST_USE srm_status merkle_path(const uint8_t *leaves, uint64_t leaf_count, uint64_t index,
    uint8_t path[MERKLE_DEPTH_MAX][SRM_DIGEST_LEN], size_t *path_count);

/* The root a leaf and its path lead to (RFC 9162, 2.1.3.2). SRM_EDAMAGED: wrong path length. */
SRM_MUST_USE srm_status merkle_root_from_path(const uint8_t leaf[SRM_DIGEST_LEN], uint64_t index,
    uint64_t leaf_count, const uint8_t *path, size_t path_count, uint8_t root[SRM_DIGEST_LEN]);

#endif
