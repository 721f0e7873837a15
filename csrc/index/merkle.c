#include "index/merkle.h"

#include <string.h>

static srm_status node(sha256 *h, const uint8_t *left, const uint8_t *right, uint8_t *out) {
    uint8_t both[1 + 2 * SRM_DIGEST_LEN];
    both[0] = 0x01;
    memcpy(both + 1, left, SRM_DIGEST_LEN);
    memcpy(both + 1 + SRM_DIGEST_LEN, right, SRM_DIGEST_LEN);
    srm_status status = sha256_begin(h);
    if (status == SRM_OK)
        status = sha256_add(h, both, sizeof both);
    if (status == SRM_OK)
        status = sha256_end(h, out);
    return status;
}

srm_status merkle_leaf(merkle *m, const uint8_t *record, size_t len, uint8_t leaf[SRM_DIGEST_LEN]) {
    const uint8_t prefix = 0x00;
    srm_status status = sha256_begin(&m->hash);
    if (status == SRM_OK)
        status = sha256_add(&m->hash, &prefix, 1);
    if (status == SRM_OK)
        status = sha256_add(&m->hash, record, len);
    if (status == SRM_OK)
        status = sha256_end(&m->hash, leaf);
    return status;
}

srm_status merkle_begin(merkle *m) {
    memset(m, 0, sizeof *m);
    return sha256_begin(&m->hash);
}

void merkle_free(merkle *m) {
    sha256_free(&m->hash);
}

/* How many subtree roots stand on the edge. */
static unsigned edge_count(uint64_t leaf_count) {
    return (unsigned)__builtin_popcountll(leaf_count);
}

srm_status merkle_add(merkle *m, const uint8_t leaf[SRM_DIGEST_LEN]) {
    unsigned top = edge_count(m->leaf_count);
    memcpy(m->edge[top], leaf, SRM_DIGEST_LEN);
    /* As when adding 1 in binary: each carry joins two subtrees of equal size. */
    for (uint64_t carry = m->leaf_count; (carry & 1) != 0; carry >>= 1, top--) {
        srm_status status = node(&m->hash, m->edge[top - 1], m->edge[top], m->edge[top - 1]);
        if (status != SRM_OK)
            return status;
    }
    m->leaf_count++;
    return SRM_OK;
}

srm_status merkle_end(merkle *m, uint8_t root[SRM_DIGEST_LEN]) {
    if (m->leaf_count == 0)
        return SRM_EINVAL;
    unsigned top = edge_count(m->leaf_count) - 1;
    memcpy(root, m->edge[top], SRM_DIGEST_LEN);
    while (top > 0) {
        top--;
        srm_status status = node(&m->hash, m->edge[top], root, root);
        if (status != SRM_OK)
            return status;
    }
    return SRM_OK;
}

srm_status merkle_root(const uint8_t *leaves, uint64_t leaf_count, uint8_t root[SRM_DIGEST_LEN]) {
    merkle m;
    srm_status status = merkle_begin(&m);
    for (uint64_t i = 0; status == SRM_OK && i < leaf_count; i++)
        status = merkle_add(&m, leaves + i * SRM_DIGEST_LEN);
    if (status == SRM_OK)
        status = merkle_end(&m, root);
    merkle_free(&m);
    return status;
}

uint64_t merkle_split(uint64_t count) {
    return (uint64_t)1 << (63 - __builtin_clzll(count - 1));
}

srm_status merkle_path(const uint8_t *leaves, uint64_t leaf_count, uint64_t index,
    uint8_t path[MERKLE_DEPTH_MAX][SRM_DIGEST_LEN], size_t *path_count) {
    *path_count = 0;
    if (index >= leaf_count)
        return SRM_EINVAL;
    uint8_t down[MERKLE_DEPTH_MAX][SRM_DIGEST_LEN];
    size_t depth = 0;
    while (leaf_count > 1) {
        uint64_t left = merkle_split(leaf_count);
        const uint8_t *right_leaves = leaves + left * SRM_DIGEST_LEN;
        bool goes_left = index < left;
        srm_status status = goes_left ? merkle_root(right_leaves, leaf_count - left, down[depth])
                                      : merkle_root(leaves, left, down[depth]);
        if (status != SRM_OK)
            return status;
        depth++;
        leaves = goes_left ? leaves : right_leaves;
        index = goes_left ? index : index - left;
        leaf_count = goes_left ? left : leaf_count - left;
    }
    for (size_t i = 0; i < depth; i++)
        memcpy(path[i], down[depth - 1 - i], SRM_DIGEST_LEN);
    *path_count = depth;
    return SRM_OK;
}

srm_status merkle_root_from_path(const uint8_t leaf[SRM_DIGEST_LEN], uint64_t index,
    uint64_t leaf_count, const uint8_t *path, size_t path_count, uint8_t root[SRM_DIGEST_LEN]) {
    if (index >= leaf_count)
        return SRM_EDAMAGED;
    sha256 hash = {0};
    srm_status status = SRM_OK;
    uint64_t at = index;
    uint64_t last = leaf_count - 1;
    memcpy(root, leaf, SRM_DIGEST_LEN);
    for (size_t i = 0; status == SRM_OK && i < path_count; i++) {
        const uint8_t *sibling = path + i * SRM_DIGEST_LEN;
        if (last == 0) {
            status = SRM_EDAMAGED;
        } else if ((at & 1) != 0 || at == last) {
            status = node(&hash, sibling, root, root);
            while ((at & 1) == 0 && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            status = node(&hash, root, sibling, root);
        }
        at >>= 1;
        last >>= 1;
    }
    sha256_free(&hash);
    return status == SRM_OK && last != 0 ? SRM_EDAMAGED : status;
}
