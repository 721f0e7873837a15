/* One frame: 2^20 stored bytes, sealed under the segment's key and its own counter nonce. */
#ifndef SEGMENT_FRAME_H
#define SEGMENT_FRAME_H

#include "segment/header.h"

/* Seal the pieces, in all stored_len - SRM_TAG_LEN bytes, as frame `index`.
 * out: caller-owned, stored_len bytes; pieces may lie in it, see aead_seal. digest: BLAKE3 of them.
 * Whatever this returns, the index counts as used and must never be sealed again under these keys.
 */
SRM_MUST_USE srm_status frame_seal(const segment_keys *keys, uint64_t index, bool last,
    const aead_piece *pieces, size_t piece_count, uint8_t *out, size_t stored_len,
    uint8_t digest[SRM_DIGEST_LEN]);

/* Open one frame.
 * in: in_len stored bytes, tag included. out: caller-owned, in_len - SRM_TAG_LEN bytes, zeroed
 * unless SRM_OK; may be in itself. digest: BLAKE3 of in, or NULL. SRM_EAUTH: wrong key, damage or
 * tampering, not distinguishable. */
SRM_MUST_USE srm_status frame_open(const segment_keys *keys, uint64_t index, bool last,
    const uint8_t *in, size_t in_len, uint8_t *out, uint8_t digest[SRM_DIGEST_LEN]);

/* The same, to two places. */
SRM_MUST_USE srm_status frame_open_apart(const segment_keys *keys, uint64_t index, bool last,
    const uint8_t *in, size_t in_len, const aead_place *out, uint8_t digest[SRM_DIGEST_LEN]);

/* The first out_len bytes of a frame's plaintext, unverified: see aead_peek. SRM_EDAMAGED. */
SRM_MUST_USE srm_status frame_peek(const segment_keys *keys, uint64_t index, bool last,
    const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);

#endif
