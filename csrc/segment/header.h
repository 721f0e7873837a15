/* The first 4096 bytes of a segment: what it is, and who can open it. */
#ifndef SEGMENT_HEADER_H
#define SEGMENT_HEADER_H

#include "crypto/aead.h"
#include "segment/layout.h"

#define SEGMENT_VERSION 1
#define SEGMENT_SUITE 1 /* AES-256-GCM, SHA-256, HKDF, BLAKE3 */
#define SEGMENT_STREAM 1
#define SEGMENT_DATA 2     /* chunks of a repository */
#define SEGMENT_MANIFEST 3 /* laid out as a stream */
#define RECORD_TAG_LEN 24
#define SALT_LEN 32

/* What a segment's own keys are, once its session key is known. */
typedef struct segment_keys {
    aead *frames;
    uint8_t base_nonce[AEAD_NONCE_LEN];
    uint8_t record_tag[RECORD_TAG_LEN]; /* begins every chunk id of a stream */
    uint8_t type;
    uint8_t salt[SALT_LEN]; /* public */
} segment_keys;

/* A new header with a fresh salt, its MAC and digest, and the keys that go with it. */
SRM_MUST_USE srm_status header_build(
    const srm_seal_options *options, uint8_t header[SRM_HEADER_LEN], segment_keys *keys);

bool segment_type_is_known(unsigned type);

/* As srm_header_parse. */
SRM_MUST_USE srm_status header_parse(const uint8_t header[SRM_HEADER_LEN], srm_header_info *out);

/* Check a parsed header's commitment and MAC under the session key; SRM_EAUTH. */
SRM_MUST_USE srm_status header_unlock(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], segment_keys *keys);

/* The same for what reads streams and manifests alone. SRM_EUNSUPPORTED: it is neither. */
SRM_MUST_USE srm_status header_unlock_stream(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], segment_keys *keys);

/* The same keys for another thread. */
SRM_MUST_USE srm_status segment_keys_copy(const segment_keys *keys, segment_keys *out);

/* Also for keys that were only zeroed. */
void segment_keys_wipe(segment_keys *keys);

#endif
