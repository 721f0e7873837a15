/* Merkle trees: known roots, and audit paths that lead to the root from one place only. */
#include "check.h"
#include "index/merkle.h"

#include <string.h>

#define LEAF_MAX 70

static uint8_t leaves[LEAF_MAX][SRM_DIGEST_LEN];

static void fill_leaves(void) {
    for (uint8_t i = 0; i < LEAF_MAX; i++)
        CHECK_STATUS(SRM_OK, sha256_digest(&i, 1, leaves[i]));
}

static void parse_root(const char *text, uint8_t root[SRM_DIGEST_LEN]) {
    for (size_t i = 0; i < SRM_DIGEST_LEN; i++) {
        unsigned value = 0;
        CHECK(sscanf(text + 2 * i, "%2x", &value) == 1);
        root[i] = (uint8_t)value;
    }
}

/* The leaves that implementations of Certificate Transparency test with; the roots were computed
 * from RFC 6962's recursive definition. */
static void roots_are_those_of_rfc_6962(void) {
    static const struct {
        const char *leaf;
        size_t leaf_len;
        const char *root;
    } grown[] = {
        {"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {"\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {"\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
        {"@ABC", 4, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
        {"PQRSTUVW", 8, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {"`abcdefghijklmno", 16,
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
    };
    uint8_t hashes[8][SRM_DIGEST_LEN];
    uint8_t wanted[SRM_DIGEST_LEN];
    uint8_t root[SRM_DIGEST_LEN];
    merkle m;
    CHECK_STATUS(SRM_OK, merkle_begin(&m));
    CHECK_STATUS(SRM_EINVAL, merkle_end(&m, root));
    for (size_t i = 0; i < 8; i++) {
        const uint8_t *leaf = (const uint8_t *)grown[i].leaf;
        CHECK_STATUS(SRM_OK, merkle_leaf(&m, leaf, grown[i].leaf_len, hashes[i]));
        CHECK_STATUS(SRM_OK, merkle_add(&m, hashes[i]));
        CHECK_STATUS(SRM_OK, merkle_end(&m, root));
        parse_root(grown[i].root, wanted);
        CHECK(memcmp(root, wanted, sizeof root) == 0);
        CHECK_STATUS(SRM_OK, srm_merkle_root(hashes[0], i + 1, root));
        CHECK(memcmp(root, wanted, sizeof root) == 0);
    }
    merkle_free(&m);
}

/* Does this path lead to `root`? Any status but SRM_OK is a no. */
static bool leads(const uint8_t *leaf, uint64_t index, uint64_t leaf_count, const uint8_t *path,
    size_t path_len, const uint8_t *root) {
    uint8_t reached[SRM_DIGEST_LEN];
    srm_status status = srm_merkle_root_from_path(leaf, index, leaf_count, path, path_len, reached);
    CHECK(status == SRM_OK || status == SRM_EDAMAGED);
    return status == SRM_OK && memcmp(reached, root, sizeof reached) == 0;
}

static void check_path(uint64_t leaf_count, uint64_t index, const uint8_t *root) {
    static uint8_t path[(MERKLE_DEPTH_MAX + 1) * SRM_DIGEST_LEN];
    const size_t step = SRM_DIGEST_LEN;
    size_t len = 0;
    CHECK_STATUS(
        SRM_OK, srm_merkle_path(leaves[0], leaf_count, index, path, MERKLE_DEPTH_MAX * step, &len));
    const uint8_t *leaf = leaves[index];
    CHECK(leads(leaf, index, leaf_count, path, len, root));
    for (uint64_t other = 0; other < LEAF_MAX + 2; other++)
        CHECK(other == index || !leads(leaf, other, leaf_count, path, len, root));
    CHECK(!leads(leaves[(index + 1) % LEAF_MAX], index, leaf_count, path, len, root));
    CHECK(!leads(leaf, index, leaf_count, path, len + step, root));
    CHECK(!leads(leaf, index, leaf_count, path, len + 1, root));
    for (size_t i = 0; i < len; i += step) {
        CHECK(!leads(leaf, index, leaf_count, path + i + step, len - i - step, root));
        CHECK(!leads(leaf, index, leaf_count, path, i, root));
        path[i] ^= 1;
        CHECK(!leads(leaf, index, leaf_count, path, len, root));
        path[i] ^= 1;
    }
}

static void every_path_leads_to_the_root_from_its_own_place_only(void) {
    uint8_t root[SRM_DIGEST_LEN];
    for (uint64_t leaf_count = 1; leaf_count <= LEAF_MAX; leaf_count++) {
        CHECK_STATUS(SRM_OK, merkle_root(leaves[0], leaf_count, root));
        for (uint64_t index = 0; index < leaf_count; index++)
            check_path(leaf_count, index, root);
    }
}

/* A path alone does not name the size of its tree: other sizes may give the same shape to the left
 * of a leaf. Sizes for which the path has the wrong length must be refused, and no size may turn
 * it into the path of another root. */
static void a_path_is_refused_for_sizes_that_need_another_length(void) {
    uint8_t path[MERKLE_DEPTH_MAX * SRM_DIGEST_LEN];
    uint8_t other_path[MERKLE_DEPTH_MAX * SRM_DIGEST_LEN];
    uint8_t root[SRM_DIGEST_LEN];
    uint8_t other_root[SRM_DIGEST_LEN];
    for (uint64_t size = 1; size <= LEAF_MAX; size += 7)
        for (uint64_t index = 0; index < size; index++) {
            size_t len = 0;
            size_t other_len = 0;
            CHECK_STATUS(SRM_OK, srm_merkle_path(leaves[0], size, index, path, sizeof path, &len));
            CHECK_STATUS(SRM_OK, merkle_root(leaves[0], size, root));
            for (uint64_t other = index + 1; other <= LEAF_MAX; other++) {
                CHECK_STATUS(SRM_OK, srm_merkle_path(leaves[0], other, index, other_path,
                                         sizeof other_path, &other_len));
                CHECK_STATUS(SRM_OK, merkle_root(leaves[0], other, other_root));
                if (other_len != len)
                    CHECK(!leads(leaves[index], index, other, path, len, root));
                CHECK(other == size || !leads(leaves[index], index, other, path, len, other_root));
            }
        }
}

static void wrong_arguments_are_refused_with_empty_outputs(void) {
    uint8_t path[MERKLE_DEPTH_MAX * SRM_DIGEST_LEN];
    uint8_t root[SRM_DIGEST_LEN];
    size_t len = 1;
    CHECK_STATUS(SRM_EINVAL, srm_merkle_root(NULL, 1, root));
    CHECK_STATUS(SRM_EINVAL, srm_merkle_root(leaves[0], 0, root));
    CHECK_STATUS(SRM_EINVAL, srm_merkle_path(leaves[0], 3, 3, path, sizeof path, &len));
    CHECK(len == 0);
    len = 1;
    CHECK_STATUS(SRM_ELIMIT, srm_merkle_path(leaves[0], 5, 0, path, 2 * SRM_DIGEST_LEN, &len));
    CHECK(len == 0);
    memset(root, 1, sizeof root);
    CHECK_STATUS(SRM_EDAMAGED, srm_merkle_root_from_path(leaves[0], 5, 5, path, 0, root));
    CHECK(root[0] == 0);
    CHECK_STATUS(SRM_EDAMAGED, srm_merkle_root_from_path(leaves[0], 0, 0, path, 0, root));
    CHECK_STATUS(SRM_EINVAL, srm_merkle_root_from_path(leaves[0], 0, 5, NULL, 32, root));
    CHECK_STATUS(SRM_EDAMAGED,
        srm_merkle_root_from_path(leaves[0], UINT64_MAX - 1, UINT64_MAX, path, 64, root));
}

int main(void) {
    static const fact facts[] = {
        FACT(roots_are_those_of_rfc_6962),
        FACT(every_path_leads_to_the_root_from_its_own_place_only),
        FACT(a_path_is_refused_for_sizes_that_need_another_length),
        FACT(wrong_arguments_are_refused_with_empty_outputs),
    };
    fill_leaves();
    return check_facts(facts, sizeof facts / sizeof facts[0]);
}
