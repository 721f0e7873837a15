/* Every stored byte of data segments, checked with the keys. */
#ifndef PIPELINE_VERIFY_H
#define PIPELINE_VERIFY_H

#include "pipeline/segments.h"

SRM_MUST_USE srm_status verify_start(segments *g, const uint8_t *ids, const uint8_t *roots,
    uint64_t count, srm_segment_status *statuses, uint32_t threads, srm_job **out);

#endif
