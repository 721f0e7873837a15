#include "crypto/hash.h"

srm_status srm_equal(const uint8_t *a, const uint8_t *b, size_t len) {
    if (a == NULL || b == NULL)
        return SRM_EINVAL;
    return equal_secret(a, b, len) ? SRM_OK : SRM_EAUTH;
}
