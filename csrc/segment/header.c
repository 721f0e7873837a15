#include "segment/header.h"

#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/random.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_SUITE = 10,
    AT_TYPE = 12,
    AT_FRAME_LOG2 = 13,
    AT_PAGES = 14,
    AT_FLAGS = 15,
    AT_REPO_ID = 16,
    AT_SESSION_ID = 48,
    AT_SALT = 64,
    AT_COMMITMENT = 96, /* the bytes before it name the segment and feed its keys */
    AT_MAC = 128,
    AT_ENVELOPES = 160,
    AT_DIGEST = 4064,
};

#define COMMITMENT_LEN 32
#define ENVELOPE_HEAD_LEN 4
_Static_assert(AT_DIGEST - AT_ENVELOPES == SRM_ENVELOPES_LEN_MAX, "room for envelopes");

/* Like PNG's: a byte no text has, line endings that transfers in text mode break. */
static const uint8_t MAGIC[8] = {0x89, 'S', 'R', 'M', '\r', '\n', 0x1a, '\n'};

enum { ENVELOPE_PASSWORD = 2 };

/* Argon2id parameters a header may ask for: below, guessing is cheap; above, opening is an
 * attack on the reader. Whether this machine has the memory is the caller's question. */
#define KDF_KIB_MIN 65536
#define KDF_KIB_MAX 4194304
#define KDF_PASSES_MIN 3
#define KDF_PASSES_MAX 16
#define KDF_LANES_MAX 16

/* Envelope types, the length of their bodies, how often one may appear. */
static const struct {
    uint16_t body_len;
    unsigned most;
} ENVELOPES[] = {
    {0, 0},
    {112, 1}, /* 1 owner */
    {120, 1}, /* 2 password */
};
#define ENVELOPE_TYPE_COUNT (sizeof ENVELOPES / sizeof ENVELOPES[0])

/* HKDF info: "strongroom/1 " || label || 0x00 || header[0:96]. */
static srm_status expand(const uint8_t session_key[SRM_KEY_LEN], const char *label,
    const uint8_t header[SRM_HEADER_LEN], uint8_t *out, size_t out_len) {
    static const char prefix[] = "strongroom/1 ";
    uint8_t info[sizeof prefix + 16 + AT_COMMITMENT];
    size_t label_len = strlen(label) + 1; /* with its zero */
    size_t prefix_len = sizeof prefix - 1;
    if (label_len > 16)
        return SRM_EINVAL;
    memcpy(info, prefix, prefix_len);
    memcpy(info + prefix_len, label, label_len);
    memcpy(info + prefix_len + label_len, header, AT_COMMITMENT);
    return hkdf_expand(session_key, info, prefix_len + label_len + AT_COMMITMENT, out, out_len);
}

bool segment_type_is_known(unsigned type) {
    return type >= SEGMENT_STREAM && type <= SEGMENT_MANIFEST;
}

void segment_keys_wipe(segment_keys *keys) {
    aead_free(keys->frames);
    wipe(keys, sizeof *keys);
}

srm_status segment_keys_copy(const segment_keys *keys, segment_keys *out) {
    *out = *keys;
    return aead_copy(keys->frames, &out->frames);
}

/* Keys and commitment from header[0:96]. */
static srm_status derive(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], segment_keys *keys, uint8_t commitment[32]) {
    uint8_t okm[SRM_KEY_LEN + AEAD_NONCE_LEN + COMMITMENT_LEN + RECORD_TAG_LEN];
    memset(keys, 0, sizeof *keys);
    srm_status status = expand(session_key, "segment", header, okm, sizeof okm);
    if (status == SRM_OK)
        status = aead_new(okm, &keys->frames);
    if (status == SRM_OK) {
        const uint8_t *at = okm + SRM_KEY_LEN;
        memcpy(keys->base_nonce, at, AEAD_NONCE_LEN);
        memcpy(commitment, at + AEAD_NONCE_LEN, COMMITMENT_LEN);
        memcpy(keys->record_tag, at + AEAD_NONCE_LEN + COMMITMENT_LEN, RECORD_TAG_LEN);
        memcpy(keys->salt, header + AT_SALT, SALT_LEN);
        keys->type = header[AT_TYPE];
    }
    wipe(okm, sizeof okm);
    return status;
}

/* Over everything before the digest, with the MAC's own place zero. */
static srm_status compute_mac(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], uint8_t mac[SRM_DIGEST_LEN]) {
    uint8_t mac_key[SRM_KEY_LEN];
    uint8_t blanked[AT_DIGEST];
    memcpy(blanked, header, sizeof blanked);
    memset(blanked + AT_MAC, 0, SRM_DIGEST_LEN);
    srm_status status = expand(session_key, "header", header, mac_key, sizeof mac_key);
    if (status == SRM_OK)
        status = hmac_sha256(mac_key, sizeof mac_key, blanked, sizeof blanked, mac);
    wipe(mac_key, sizeof mac_key);
    return status;
}

srm_status header_build(
    const srm_seal_options *options, uint8_t header[SRM_HEADER_LEN], segment_keys *keys) {
    memset(header, 0, SRM_HEADER_LEN);
    memset(keys, 0, sizeof *keys);
    if (!segment_type_is_known(options->type) || options->envelopes_len > SRM_ENVELOPES_LEN_MAX)
        return SRM_EINVAL;
    memcpy(header + AT_MAGIC, MAGIC, sizeof MAGIC);
    store_be16(header + AT_VERSION, SEGMENT_VERSION);
    store_be16(header + AT_SUITE, SEGMENT_SUITE);
    header[AT_TYPE] = (uint8_t)options->type;
    header[AT_FRAME_LOG2] = FRAME_LOG2;
    header[AT_PAGES] = 1;
    memcpy(header + AT_REPO_ID, options->repo_id, SRM_REPO_ID_LEN);
    memcpy(header + AT_SESSION_ID, options->session_id, SRM_SESSION_ID_LEN);
    if (options->envelopes_len > 0)
        memcpy(header + AT_ENVELOPES, options->envelopes, options->envelopes_len);
    srm_status status = random_hedged(header + AT_SALT);
    if (status == SRM_OK)
        status = derive(header, options->session_key, keys, header + AT_COMMITMENT);
    if (status == SRM_OK)
        status = compute_mac(header, options->session_key, header + AT_MAC);
    if (status == SRM_OK)
        status = sha256_digest(header, AT_DIGEST, header + AT_DIGEST);
    srm_header_info info;
    if (status == SRM_OK)
        status = header_parse(header, &info);
    if (status == SRM_EDAMAGED || status == SRM_EUNSUPPORTED)
        status = SRM_EINVAL; /* the envelopes given were not a list any reader would take */
    return status;
}

/* m_KiB u32, t u8, p u8, zero u16, and what only the password can check. */
static srm_status check_password_body(const uint8_t *body) {
    uint32_t kib = load_be32(body);
    uint8_t passes = body[4];
    uint8_t lanes = body[5];
    if (load_be16(body + 6) != 0)
        return SRM_EDAMAGED;
    if (kib < KDF_KIB_MIN || kib > KDF_KIB_MAX || passes < KDF_PASSES_MIN ||
        passes > KDF_PASSES_MAX || lanes < 1 || lanes > KDF_LANES_MAX)
        return SRM_EUNSUPPORTED;
    return SRM_OK;
}

/* Walk the envelope list. Types ascend, each with its own length and limit; then zeros. */
static srm_status parse_envelopes(const uint8_t header[SRM_HEADER_LEN], srm_header_info *out) {
    size_t at = AT_ENVELOPES;
    unsigned previous = 0;
    unsigned seen = 0;
    while (at < AT_DIGEST && header[at] != 0) {
        unsigned type = header[at];
        if (type >= ENVELOPE_TYPE_COUNT)
            return SRM_EUNSUPPORTED;
        if (type < previous || AT_DIGEST - at < ENVELOPE_HEAD_LEN || header[at + 1] != 0)
            return SRM_EDAMAGED;
        seen = type == previous ? seen + 1 : 1;
        size_t body_len = load_be16(header + at + 2);
        at += ENVELOPE_HEAD_LEN;
        if (seen > ENVELOPES[type].most || body_len != ENVELOPES[type].body_len ||
            body_len > AT_DIGEST - at)
            return SRM_EDAMAGED;
        out->envelopes[out->envelope_count++] =
            (srm_envelope){.type = type, .body_off = (uint32_t)at, .body_len = (uint32_t)body_len};
        if (type == ENVELOPE_PASSWORD) {
            srm_status status = check_password_body(header + at);
            if (status != SRM_OK)
                return status;
        }
        at += body_len;
        previous = type;
    }
    if (out->envelope_count == 0 || zero_run(header + at, AT_DIGEST - at) != AT_DIGEST - at)
        return SRM_EDAMAGED;
    return SRM_OK;
}

srm_status header_parse(const uint8_t header[SRM_HEADER_LEN], srm_header_info *out) {
    memset(out, 0, sizeof *out);
    uint8_t digest[SRM_DIGEST_LEN];
    srm_status status = sha256_digest(header, AT_DIGEST, digest);
    if (status != SRM_OK)
        return status;
    if (memcmp(header, MAGIC, sizeof MAGIC) != 0 ||
        memcmp(digest, header + AT_DIGEST, sizeof digest) != 0)
        return SRM_EDAMAGED;
    if (load_be16(header + AT_VERSION) != SEGMENT_VERSION ||
        load_be16(header + AT_SUITE) != SEGMENT_SUITE || !segment_type_is_known(header[AT_TYPE]) ||
        header[AT_FRAME_LOG2] != FRAME_LOG2 || header[AT_PAGES] != 1 || header[AT_FLAGS] != 0)
        return SRM_EUNSUPPORTED;
    srm_header_info info = {
        .version = SEGMENT_VERSION, .suite = SEGMENT_SUITE, .type = header[AT_TYPE]};
    memcpy(info.repo_id, header + AT_REPO_ID, sizeof info.repo_id);
    memcpy(info.session_id, header + AT_SESSION_ID, sizeof info.session_id);
    status = parse_envelopes(header, &info);
    if (status == SRM_OK)
        *out = info;
    return status;
}

srm_status header_unlock(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], segment_keys *keys) {
    uint8_t commitment[COMMITMENT_LEN];
    uint8_t mac[SRM_DIGEST_LEN];
    srm_header_info info;
    memset(keys, 0, sizeof *keys);
    srm_status status = header_parse(header, &info);
    if (status == SRM_OK)
        status = derive(header, session_key, keys, commitment);
    if (status == SRM_OK && !equal_secret(commitment, header + AT_COMMITMENT, COMMITMENT_LEN))
        status = SRM_EAUTH;
    if (status == SRM_OK)
        status = compute_mac(header, session_key, mac);
    if (status == SRM_OK && !equal_secret(mac, header + AT_MAC, sizeof mac))
        status = SRM_EAUTH;
    if (status != SRM_OK)
        segment_keys_wipe(keys);
    return status;
}

srm_status header_unlock_stream(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], segment_keys *keys) {
    srm_header_info info;
    memset(keys, 0, sizeof *keys);
    srm_status status = header_parse(header, &info);
    if (status == SRM_OK && info.type == SEGMENT_DATA)
        status = SRM_EUNSUPPORTED;
    return status == SRM_OK ? header_unlock(header, session_key, keys) : status;
}
