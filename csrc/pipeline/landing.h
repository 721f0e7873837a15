/* Files that were written without a name get owners, modes and times, and then their names. */
#ifndef PIPELINE_LANDING_H
#define PIPELINE_LANDING_H

#include "strongroom.h"

/* As srm_land_start. */
SRM_MUST_USE srm_status landing_start(
    srm_landing *files, uint64_t count, const char *names, size_t names_len, srm_job **out);

#endif
