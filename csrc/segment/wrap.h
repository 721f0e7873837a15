/* A secret wrapped by a key that seals it and nothing else in its life: docs/FORMAT.md, section 4.
 */
#ifndef SEGMENT_WRAP_H
#define SEGMENT_WRAP_H

#include "strongroom.h"

/* out: zeroed unless SRM_OK. Any thread. */
SRM_MUST_USE srm_status wrap_seal(const uint8_t key[SRM_KEY_LEN], const uint8_t *aad,
    size_t aad_len, const uint8_t secret[SRM_KEY_LEN], uint8_t out[SRM_WRAPPED_LEN]);

/* secret: zeroed unless SRM_OK. SRM_EAUTH: another key or aad, or damage. Any thread. */
SRM_MUST_USE srm_status wrap_open(const uint8_t key[SRM_KEY_LEN], const uint8_t *aad,
    size_t aad_len, const uint8_t wrapped[SRM_WRAPPED_LEN], uint8_t secret[SRM_KEY_LEN]);

#endif
