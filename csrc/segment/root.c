#include "segment/root.h"

#include "base/bytes.h"
#include "segment/header.h"

#define LEAF_RECORD_LEN 64
#define LEAF_VERSION 1
#define HEADER_TYPE_OFF 12
#define HEADER_SALT_OFF 64

static const uint8_t TRAILER_MAGIC[8] = {0x89, 'S', 'R', 'T', '\r', '\n', 0x1a, '\n'};

void root_free(root_builder *b) {
    merkle_free(&b->tree);
}

srm_status root_begin(root_builder *b, const uint8_t header[SRM_HEADER_LEN]) {
    memset(b, 0, sizeof *b);
    b->type = header[HEADER_TYPE_OFF];
    memcpy(b->salt, header + HEADER_SALT_OFF, sizeof b->salt);
    srm_status status = sha256_digest(header, SRM_HEADER_LEN, b->header_digest);
    if (status == SRM_OK)
        status = merkle_begin(&b->tree);
    return status;
}

srm_status root_leaf(root_builder *b, uint64_t index, const uint8_t digest[SRM_DIGEST_LEN],
    size_t len, bool last, uint8_t leaf[SRM_DIGEST_LEN]) {
    uint8_t record[LEAF_RECORD_LEN] = {LEAF_VERSION, b->type, last};
    store_be32(record + 4, (uint32_t)len);
    store_be64(record + 8, index);
    memcpy(record + 16, b->salt, sizeof b->salt);
    memcpy(record + 32, digest, SRM_DIGEST_LEN);
    return merkle_leaf(&b->tree, record, sizeof record, leaf);
}

srm_status root_add(root_builder *b, const uint8_t digest[SRM_DIGEST_LEN], size_t len, bool last) {
    if (last)
        b->last_len = (uint32_t)len;
    srm_status status = root_leaf(b, b->tree.leaf_count, digest, len, last, b->leaf);
    if (status == SRM_OK)
        status = merkle_add(&b->tree, b->leaf);
    return status;
}

layout root_layout(const root_builder *b) {
    return (layout){.frame_count = b->tree.leaf_count, .last_len = b->last_len};
}

srm_status root_of_tree(const root_builder *b, const layout *l,
    const uint8_t tree_root[SRM_DIGEST_LEN], uint8_t root[SRM_DIGEST_LEN]) {
    /* 0x02 || SHA-256(header) || n || last_len || trailer offset || tree root */
    uint8_t named[1 + SRM_DIGEST_LEN + 4 + 4 + 8 + SRM_DIGEST_LEN];
    named[0] = 0x02;
    memcpy(named + 1, b->header_digest, SRM_DIGEST_LEN);
    store_be32(named + 33, (uint32_t)l->frame_count);
    store_be32(named + 37, l->last_len);
    store_be64(named + 41, layout_trailer_off(l));
    memcpy(named + 49, tree_root, SRM_DIGEST_LEN);
    return sha256_digest(named, sizeof named, root);
}

srm_status root_end(root_builder *b, uint8_t root[SRM_DIGEST_LEN]) {
    uint8_t tree_root[SRM_DIGEST_LEN];
    layout l = root_layout(b);
    srm_status status = merkle_end(&b->tree, tree_root);
    return status == SRM_OK ? root_of_tree(b, &l, tree_root, root) : status;
}

void trailer_store(const uint8_t header[SRM_HEADER_LEN], const uint8_t root[SRM_DIGEST_LEN],
    const layout *l, uint8_t out[SRM_TRAILER_LEN]) {
    memset(out, 0, SRM_TRAILER_LEN);
    uint8_t *at = out + SRM_HEADER_LEN;
    memcpy(out, header, SRM_HEADER_LEN);
    memcpy(at, root, SRM_DIGEST_LEN);
    store_be32(at + 32, (uint32_t)l->frame_count);
    store_be32(at + 36, l->last_len);
    store_be64(at + 40, layout_trailer_off(l));
    memcpy(at + 56, TRAILER_MAGIC, sizeof TRAILER_MAGIC);
}

bool trailer_has_magic(const uint8_t in[SRM_TRAILER_LEN]) {
    const uint8_t *end = in + SRM_TRAILER_LEN;
    return memcmp(end - sizeof TRAILER_MAGIC, TRAILER_MAGIC, sizeof TRAILER_MAGIC) == 0;
}

srm_status trailer_check(const uint8_t in[SRM_TRAILER_LEN], const uint8_t header[SRM_HEADER_LEN],
    const uint8_t root[SRM_DIGEST_LEN], const layout *l) {
    uint8_t expected[SRM_TRAILER_LEN];
    trailer_store(header, root, l, expected);
    return memcmp(in, expected, sizeof expected) == 0 ? SRM_OK : SRM_EDAMAGED;
}

static size_t digests_len(const layout *l) {
    return (size_t)l->frame_count * SRM_DIGEST_LEN;
}

size_t data_trailer_len(const layout *l) {
    return digests_len(l) + SRM_TRAILER_LEN;
}

void data_trailer_store(const uint8_t header[SRM_HEADER_LEN], const uint8_t root[SRM_DIGEST_LEN],
    const layout *l, const uint8_t *digests, uint8_t *out) {
    memcpy(out, digests, digests_len(l));
    trailer_store(header, root, l, out + digests_len(l));
}

srm_status data_trailer_check(const uint8_t *in, const uint8_t header[SRM_HEADER_LEN],
    const uint8_t root[SRM_DIGEST_LEN], const layout *l, const uint8_t *digests) {
    if (memcmp(in, digests, digests_len(l)) != 0)
        return SRM_EDAMAGED;
    return trailer_check(in + digests_len(l), header, root, l);
}

srm_status root_of_digests(const uint8_t header[SRM_HEADER_LEN], const layout *l,
    const uint8_t *digests, uint8_t root[SRM_DIGEST_LEN]) {
    root_builder b;
    srm_status status = root_begin(&b, header);
    for (uint64_t i = 0; status == SRM_OK && i < l->frame_count; i++) {
        bool last = i + 1 == l->frame_count;
        status =
            root_add(&b, digests + i * SRM_DIGEST_LEN, last ? l->last_len : SRM_FRAME_LEN, last);
    }
    if (status == SRM_OK)
        status = root_end(&b, root);
    root_free(&b);
    return status;
}
