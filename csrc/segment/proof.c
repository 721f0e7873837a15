#include "segment/proof.h"

#include "base/bytes.h"
#include "segment/header.h"

enum {
    AT_VERSION = 8,
    AT_TYPE = 9,
    AT_ZERO = 10,
    AT_FRAME_COUNT = 12,
    AT_LAST_LEN = 16,
    AT_STEPS = 20,
    AT_INDEX = 24,
    AT_HEADER_DIGEST = 32,
    AT_SALT = 64,
    AT_PATH = 80,
};

#define PROOF_VERSION 1
#define STEPS_MAX 24
_Static_assert(AT_PATH + STEPS_MAX * SRM_DIGEST_LEN == SRM_PROOF_LEN_MAX, "longest proof");
_Static_assert(FRAME_COUNT_MAX == (uint64_t)1 << STEPS_MAX, "deepest tree");

static const uint8_t MAGIC[8] = {0x89, 'S', 'R', 'P', '\r', '\n', 0x1a, '\n'};

/* Walk from the root down to the leaf; what is not on the way is a side. Sides to the left of the
 * leaf come out from left to right, those to its right the other way round. */
static void find_sides(prover *p) {
    uint64_t begin = 0;
    uint64_t end = p->leaf_count;
    unsigned depth = 0;
    unsigned left = 0;
    unsigned right = MERKLE_DEPTH_MAX;
    for (; end - begin > 1; depth++) {
        uint64_t middle = begin + merkle_split(end - begin);
        bool goes_left = p->index < middle;
        unsigned at = goes_left ? --right : left++;
        p->sides[at].begin = goes_left ? middle : begin;
        p->sides[at].end = goes_left ? end : middle;
        p->sides[at].depth = depth;
        begin = goes_left ? begin : middle;
        end = goes_left ? middle : end;
    }
    p->side_count = depth;
    for (unsigned i = 0; right + i < MERKLE_DEPTH_MAX; i++)
        p->sides[left + i] = p->sides[right + i];
}

srm_status prover_begin(prover *p, uint64_t leaf_count, uint64_t index) {
    memset(p, 0, sizeof *p);
    p->leaf_count = leaf_count;
    p->index = index;
    find_sides(p);
    return merkle_begin(&p->tree);
}

srm_status prover_add(prover *p, const uint8_t leaf[SRM_DIGEST_LEN]) {
    uint64_t at = p->next++;
    if (at == p->index || p->side == p->side_count)
        return SRM_OK;
    srm_status status = merkle_add(&p->tree, leaf);
    if (status != SRM_OK || at + 1 < p->sides[p->side].end)
        return status;
    status = merkle_end(&p->tree, p->path[p->sides[p->side].depth]);
    merkle_free(&p->tree);
    p->side++;
    return status == SRM_OK ? merkle_begin(&p->tree) : status;
}

void prover_free(prover *p) {
    merkle_free(&p->tree);
}

size_t proof_store(const prover *p, const root_builder *root, uint8_t out[SRM_PROOF_LEN_MAX]) {
    memset(out, 0, SRM_PROOF_LEN_MAX);
    memcpy(out, MAGIC, sizeof MAGIC);
    out[AT_VERSION] = PROOF_VERSION;
    out[AT_TYPE] = root->type;
    store_be32(out + AT_FRAME_COUNT, (uint32_t)p->leaf_count);
    store_be32(out + AT_LAST_LEN, root->last_len);
    store_be32(out + AT_STEPS, p->side_count);
    store_be64(out + AT_INDEX, p->index);
    memcpy(out + AT_HEADER_DIGEST, root->header_digest, SRM_DIGEST_LEN);
    memcpy(out + AT_SALT, root->salt, sizeof root->salt);
    for (unsigned i = 0; i < p->side_count; i++)
        memcpy(out + AT_PATH + i * SRM_DIGEST_LEN, p->path[p->side_count - 1 - i], SRM_DIGEST_LEN);
    return AT_PATH + (size_t)p->side_count * SRM_DIGEST_LEN;
}

/* The layout a proof claims, and its place in it. */
static srm_status parse(const uint8_t *proof, size_t proof_len, layout *l, uint64_t *index) {
    if (proof_len < AT_PATH || memcmp(proof, MAGIC, sizeof MAGIC) != 0)
        return SRM_EDAMAGED;
    if (proof[AT_VERSION] != PROOF_VERSION || !segment_type_is_known(proof[AT_TYPE]))
        return SRM_EUNSUPPORTED;
    uint64_t steps = load_be32(proof + AT_STEPS);
    uint64_t frame_count = load_be32(proof + AT_FRAME_COUNT);
    uint32_t last_len = load_be32(proof + AT_LAST_LEN);
    *index = load_be64(proof + AT_INDEX);
    if (load_be16(proof + AT_ZERO) != 0 || steps > STEPS_MAX ||
        proof_len != AT_PATH + steps * SRM_DIGEST_LEN || frame_count == 0 ||
        frame_count > FRAME_COUNT_MAX || *index >= frame_count || last_len > SRM_FRAME_LEN)
        return SRM_EDAMAGED;
    srm_status status = layout_of_length((frame_count - 1) * SRM_FRAME_LEN + last_len, l);
    /* A last frame of no bytes would pass for one frame fewer. */
    return status == SRM_OK && l->frame_count != frame_count ? SRM_EDAMAGED : status;
}

srm_status proof_check(const uint8_t *proof, size_t proof_len, const uint8_t *frame, size_t len,
    const uint8_t root[SRM_DIGEST_LEN]) {
    layout l;
    uint64_t index = 0;
    uint8_t digest[SRM_DIGEST_LEN];
    uint8_t leaf[SRM_DIGEST_LEN];
    uint8_t tree_root[SRM_DIGEST_LEN];
    uint8_t reached[SRM_DIGEST_LEN];
    srm_status status = parse(proof, proof_len, &l, &index);
    if (status != SRM_OK)
        return status;
    bool last = index + 1 == l.frame_count;
    if (len != (last ? l.last_len : SRM_FRAME_LEN))
        return SRM_EDAMAGED;
    blake3_digest(frame, len, digest);
    root_builder b = {.type = proof[AT_TYPE], .last_len = l.last_len};
    memcpy(b.header_digest, proof + AT_HEADER_DIGEST, SRM_DIGEST_LEN);
    memcpy(b.salt, proof + AT_SALT, sizeof b.salt);
    status = root_leaf(&b, index, digest, len, last, leaf);
    if (status == SRM_OK)
        status = merkle_root_from_path(leaf, index, l.frame_count, proof + AT_PATH,
            (proof_len - AT_PATH) / SRM_DIGEST_LEN, tree_root);
    if (status == SRM_OK)
        status = root_of_tree(&b, &l, tree_root, reached);
    root_free(&b);
    if (status == SRM_OK && !equal_secret(reached, root, sizeof reached))
        status = SRM_EDAMAGED;
    return status;
}
