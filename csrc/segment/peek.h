/* A look at a stream's end before the rest is read. */
#ifndef SEGMENT_PEEK_H
#define SEGMENT_PEEK_H

#include "strongroom.h"

/* The authenticated plaintext length, from a stream's last frame alone: last_index its number,
 * stored its len bytes. SRM_EAUTH, SRM_EDAMAGED. */
SRM_MUST_USE srm_status peek_raw_len(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], uint64_t last_index, const uint8_t *stored,
    size_t len, uint64_t *raw_len);

#endif
