/* The segment root: one hash over every stored byte, rebuilt by anyone, and the trailer that
 * states it. */
#ifndef SEGMENT_ROOT_H
#define SEGMENT_ROOT_H

#include "index/merkle.h"
#include "segment/layout.h"

/* Frames are added in order. One thread at a time. */
typedef struct root_builder {
    merkle tree;
    uint8_t header_digest[SRM_DIGEST_LEN];
    uint8_t type;
    uint8_t salt[16]; /* the first half of the segment's */
    uint32_t last_len;
    uint8_t leaf[SRM_DIGEST_LEN]; /* the one added last */
} root_builder;

SRM_MUST_USE srm_status root_begin(root_builder *b, const uint8_t header[SRM_HEADER_LEN]);
/* The next frame, by the BLAKE3 digest of its len stored bytes. */
SRM_MUST_USE srm_status root_add(
    root_builder *b, const uint8_t digest[SRM_DIGEST_LEN], size_t len, bool last);
/* The leaf hash of frame `index`. */
SRM_MUST_USE srm_status root_leaf(root_builder *b, uint64_t index,
    const uint8_t digest[SRM_DIGEST_LEN], size_t len, bool last, uint8_t leaf[SRM_DIGEST_LEN]);
/* The segment root over a tree. */
SRM_MUST_USE srm_status root_of_tree(const root_builder *b, const layout *l,
    const uint8_t tree_root[SRM_DIGEST_LEN], uint8_t root[SRM_DIGEST_LEN]);

/* Once the last frame was added. */
SRM_MUST_USE srm_status root_end(root_builder *b, uint8_t root[SRM_DIGEST_LEN]);
layout root_layout(const root_builder *b);
/* Also for one that was never begun, if zeroed. */
void root_free(root_builder *b);

void trailer_store(const uint8_t header[SRM_HEADER_LEN], const uint8_t root[SRM_DIGEST_LEN],
    const layout *l, uint8_t out[SRM_TRAILER_LEN]);

/* A data segment's trailer is longer: one digest a frame, then the trailer as above. */
size_t data_trailer_len(const layout *l);
void data_trailer_store(const uint8_t header[SRM_HEADER_LEN], const uint8_t root[SRM_DIGEST_LEN],
    const layout *l, const uint8_t *digests, uint8_t *out);

/* The root of a whole segment, from the digests of all its frames. */
SRM_MUST_USE srm_status root_of_digests(const uint8_t header[SRM_HEADER_LEN], const layout *l,
    const uint8_t *digests, uint8_t root[SRM_DIGEST_LEN]);

/* Does this end as a trailer does? Not a check, but it tells a cut-off file from a damaged one. */
bool trailer_has_magic(const uint8_t in[SRM_TRAILER_LEN]);

/* SRM_EDAMAGED unless the trailer is to the byte what these parts make. */
SRM_MUST_USE srm_status trailer_check(const uint8_t in[SRM_TRAILER_LEN],
    const uint8_t header[SRM_HEADER_LEN], const uint8_t root[SRM_DIGEST_LEN], const layout *l);

/* The same for data_trailer_len(l) bytes of a data segment. */
SRM_MUST_USE srm_status data_trailer_check(const uint8_t *in, const uint8_t header[SRM_HEADER_LEN],
    const uint8_t root[SRM_DIGEST_LEN], const layout *l, const uint8_t *digests);

#endif
