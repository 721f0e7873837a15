#include "index/merkle.h"

#include <string.h>

srm_status srm_merkle_root(const uint8_t *leaves, uint64_t leaf_count, uint8_t root[32]) {
    if (root == NULL)
        return SRM_EINVAL;
    memset(root, 0, SRM_DIGEST_LEN);
    if (leaves == NULL || leaf_count == 0)
        return SRM_EINVAL;
    uint8_t reached[SRM_DIGEST_LEN];
    srm_status status = merkle_root(leaves, leaf_count, reached);
    if (status == SRM_OK)
        memcpy(root, reached, sizeof reached);
    return status;
}

srm_status srm_merkle_path(const uint8_t *leaves, uint64_t leaf_count, uint64_t index,
    uint8_t *path, size_t path_cap, size_t *path_len) {
    if (path_len == NULL)
        return SRM_EINVAL;
    *path_len = 0;
    if (leaves == NULL || index >= leaf_count || path == NULL)
        return SRM_EINVAL;
    uint8_t hashes[MERKLE_DEPTH_MAX][SRM_DIGEST_LEN];
    size_t count = 0;
    srm_status status = merkle_path(leaves, leaf_count, index, hashes, &count);
    if (status != SRM_OK)
        return status;
    if (count * SRM_DIGEST_LEN > path_cap)
        return SRM_ELIMIT;
    memcpy(path, hashes, count * SRM_DIGEST_LEN);
    *path_len = count * SRM_DIGEST_LEN;
    return SRM_OK;
}

srm_status srm_merkle_root_from_path(const uint8_t leaf[32], uint64_t index, uint64_t leaf_count,
    const uint8_t *path, size_t path_len, uint8_t root[32]) {
    if (root == NULL)
        return SRM_EINVAL;
    memset(root, 0, SRM_DIGEST_LEN);
    if (leaf == NULL || (path == NULL && path_len > 0))
        return SRM_EINVAL;
    if (path_len % SRM_DIGEST_LEN != 0)
        return SRM_EDAMAGED;
    uint8_t reached[SRM_DIGEST_LEN];
    srm_status status =
        merkle_root_from_path(leaf, index, leaf_count, path, path_len / SRM_DIGEST_LEN, reached);
    if (status == SRM_OK)
        memcpy(root, reached, sizeof reached);
    return status;
}
