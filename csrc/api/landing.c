#include "pipeline/landing.h"

srm_status srm_land_start(
    srm_landing *files, uint64_t count, const char *names, size_t names_len, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if ((files == NULL && count > 0) || (names == NULL && names_len > 0))
        return SRM_EINVAL;
    return landing_start(files, count, names, names_len, out);
}
