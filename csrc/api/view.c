#include "pipeline/view.h"

#include <string.h>

srm_status srm_view_open(const uint8_t header[4096], const uint8_t session_key[32],
    srm_source source, srm_view **out, srm_failure *failure) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (header == NULL || session_key == NULL || failure == NULL ||
        (source.fd < 0 && source.mem == NULL && source.mem_len > 0))
        return SRM_EINVAL;
    return view_open(header, session_key, source, out, failure);
}

uint64_t srm_view_len(const srm_view *v) {
    return v == NULL ? 0 : view_len(v);
}

srm_status srm_view_read(
    srm_view *v, uint64_t off, uint8_t *out, size_t len, size_t *got, srm_failure *failure) {
    if (got == NULL)
        return SRM_EINVAL;
    *got = 0;
    if (v == NULL || failure == NULL || (out == NULL && len > 0) || off + len < off)
        return SRM_EINVAL;
    return view_read(v, off, out, len, got, failure);
}

void srm_view_free(srm_view *v) {
    view_free(v);
}
