#include "segment/peek.h"

#include "base/bytes.h"
#include "segment/frame.h"
#include "segment/record.h"

#include <stdlib.h>

/* Could frames this many hold what the footer claims? A chunk takes a head and a byte at least. */
static bool footer_is_plausible(const footer *f, uint64_t plain_len) {
    return f->records_end < plain_len && f->count * (RECORD_HEAD_LEN + 1) <= f->records_end;
}

srm_status peek_raw_len(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], uint64_t last_index, const uint8_t *stored, size_t len,
    uint64_t *raw_len) {
    *raw_len = 0;
    segment_keys keys;
    footer f;
    uint8_t digest[SRM_DIGEST_LEN];
    srm_status status = header_unlock(header, session_key, &keys);
    if (status != SRM_OK)
        return status;
    uint8_t *plain = malloc(FRAME_PLAIN_LEN);
    status = plain == NULL ? SRM_ENOMEM : frame_open(&keys, last_index, true, stored, len, plain, digest);
    if (status == SRM_OK) {
        status = footer_load(plain + len - SRM_TAG_LEN - FOOTER_LEN, &f);
        wipe(plain, len - SRM_TAG_LEN);
    }
    layout l = {.frame_count = last_index + 1, .last_len = (uint32_t)len};
    if (status == SRM_OK && !footer_is_plausible(&f, layout_plain_len(&l)))
        status = SRM_EDAMAGED;
    if (status == SRM_OK)
        *raw_len = f.raw_total;
    free(plain);
    segment_keys_wipe(&keys);
    return status;
}
