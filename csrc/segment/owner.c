#include "segment/owner.h"

#include "base/bytes.h"
#include "crypto/hash.h"
#include "segment/header.h"
#include "segment/wrap.h"

#define ENVELOPE_OWNER 1
#define ESALT_LEN 32
#define COMMITMENT_LEN 32

static const char ENV[] = "strongroom/1 env"; /* both with their zero */
static const char ENV_SALT[] = "strongroom/1 env-salt";

/* ecommit || wk = HKDF-Expand(K_wrap, "strongroom/1 env" || 0x00 || session_id || esalt, 64) */
static srm_status derive(const uint8_t wrap_key[SRM_KEY_LEN],
    const uint8_t session_id[SRM_SESSION_ID_LEN], const uint8_t esalt[ESALT_LEN],
    uint8_t okm[COMMITMENT_LEN + SRM_KEY_LEN]) {
    uint8_t info[sizeof ENV + SRM_SESSION_ID_LEN + ESALT_LEN];
    memcpy(info, ENV, sizeof ENV);
    memcpy(info + sizeof ENV, session_id, SRM_SESSION_ID_LEN);
    memcpy(info + sizeof ENV + SRM_SESSION_ID_LEN, esalt, ESALT_LEN);
    return hkdf_expand(wrap_key, info, sizeof info, okm, COMMITMENT_LEN + SRM_KEY_LEN);
}

/* esalt = HMAC(K_wrap, "strongroom/1 env-salt" || 0x00 || session_id || SK) */
static srm_status salt_of(const uint8_t wrap_key[SRM_KEY_LEN],
    const uint8_t session_id[SRM_SESSION_ID_LEN], const uint8_t session_key[SRM_KEY_LEN],
    uint8_t esalt[ESALT_LEN]) {
    uint8_t data[sizeof ENV_SALT + SRM_SESSION_ID_LEN + SRM_KEY_LEN];
    memcpy(data, ENV_SALT, sizeof ENV_SALT);
    memcpy(data + sizeof ENV_SALT, session_id, SRM_SESSION_ID_LEN);
    memcpy(data + sizeof ENV_SALT + SRM_SESSION_ID_LEN, session_key, SRM_KEY_LEN);
    srm_status status = hmac_sha256(wrap_key, SRM_KEY_LEN, data, sizeof data, esalt);
    wipe(data, sizeof data);
    return status;
}

static srm_status unwrap(const uint8_t key[SRM_KEY_LEN], const srm_header_info *info,
    const uint8_t wrapped[SRM_WRAPPED_LEN], uint8_t session_key[SRM_KEY_LEN]) {
    uint8_t aad[1 + SRM_REPO_ID_LEN + SRM_SESSION_ID_LEN] = {ENVELOPE_OWNER};
    memcpy(aad + 1, info->repo_id, SRM_REPO_ID_LEN);
    memcpy(aad + 1 + SRM_REPO_ID_LEN, info->session_id, SRM_SESSION_ID_LEN);
    srm_status status = wrap_open(key, aad, sizeof aad, wrapped, session_key);
    return status == SRM_EAUTH ? SRM_EDAMAGED : status;
}

static srm_status open_body(const uint8_t *body, const srm_header_info *info,
    const uint8_t wrap_key[SRM_KEY_LEN], uint8_t session_key[SRM_KEY_LEN]) {
    const uint8_t *commitment = body + ESALT_LEN;
    const uint8_t *wrapped = commitment + COMMITMENT_LEN;
    uint8_t okm[COMMITMENT_LEN + SRM_KEY_LEN];
    uint8_t esalt[ESALT_LEN];
    srm_status status = derive(wrap_key, info->session_id, body, okm);
    if (status == SRM_OK && !equal_secret(okm, commitment, COMMITMENT_LEN))
        status = SRM_EAUTH;
    if (status == SRM_OK)
        status = unwrap(okm + COMMITMENT_LEN, info, wrapped, session_key);
    if (status == SRM_OK)
        status = salt_of(wrap_key, info->session_id, session_key, esalt);
    if (status == SRM_OK && !equal_secret(esalt, body, ESALT_LEN))
        status = SRM_EDAMAGED;
    wipe(okm, sizeof okm);
    return status;
}

srm_status owner_open(const uint8_t header[SRM_HEADER_LEN], const uint8_t wrap_key[SRM_KEY_LEN],
    uint8_t session_key[SRM_KEY_LEN]) {
    srm_header_info info;
    memset(session_key, 0, SRM_KEY_LEN);
    srm_status status = header_parse(header, &info);
    if (status != SRM_OK)
        return status;
    status = SRM_EAUTH;
    for (uint32_t i = 0; i < info.envelope_count; i++)
        if (info.envelopes[i].type == ENVELOPE_OWNER)
            status = open_body(header + info.envelopes[i].body_off, &info, wrap_key, session_key);
    if (status != SRM_OK)
        wipe(session_key, SRM_KEY_LEN);
    return status;
}
