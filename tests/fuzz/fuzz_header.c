/* Headers with the right magic and digest and anything between. The input is the header from its
 * version on; what it leaves out is zero. */
#include "base/bytes.h"
#include "crypto/hash.h"
#include "fuzz.h"
#include "segment/header.h"

#define DIGEST_OFF ((size_t)SRM_HEADER_LEN - SRM_DIGEST_LEN)

static void check_info(const srm_header_info *info) {
    HOLDS(info->version == 1 && info->suite == 1 && info->type >= 1 && info->type <= 3);
    HOLDS(info->envelope_count >= 1 && info->envelope_count <= SRM_ENVELOPES_MAX);
    for (uint32_t i = 0; i < info->envelope_count; i++) {
        const srm_envelope *e = &info->envelopes[i];
        HOLDS(e->body_off >= 164 && e->body_len > 0);
        HOLDS(e->body_off <= DIGEST_OFF && e->body_len <= DIGEST_OFF - e->body_off);
        HOLDS(i == 0 || e->type > info->envelopes[i - 1].type);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const uint8_t magic[8] = {0x89, 'S', 'R', 'M', '\r', '\n', 0x1a, '\n'};
    static const uint8_t key[SRM_KEY_LEN];
    uint8_t *header = calloc(1, SRM_HEADER_LEN); /* to the byte, for the sanitizers */
    srm_header_info info;
    segment_keys keys;
    HOLDS(header != NULL);
    memcpy(header, magic, sizeof magic);
    len = min_size(len, DIGEST_OFF - sizeof magic);
    if (len > 0)
        memcpy(header + sizeof magic, data, len);
    HOLDS(sha256_digest(header, DIGEST_OFF, header + DIGEST_OFF) == SRM_OK);

    srm_status status = header_parse(header, &info);
    if (status == SRM_OK) {
        check_info(&info);
        HOLDS(header_unlock(header, key, &keys) == SRM_EAUTH && keys.frames == NULL);
    } else {
        HOLDS(status == SRM_EDAMAGED || status == SRM_EUNSUPPORTED);
        HOLDS(info.envelope_count == 0 && info.version == 0);
    }
    free(header);
    return 0;
}
