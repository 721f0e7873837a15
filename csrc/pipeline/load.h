/* What segments hold, into the index. */
#ifndef PIPELINE_LOAD_H
#define PIPELINE_LOAD_H

#include "index/table.h"
#include "pipeline/segments.h"

SRM_MUST_USE srm_status load_start(segments *g, chunk_index *index, const uint8_t *ids,
    uint64_t count, srm_segment_status *statuses, uint32_t threads, srm_job **out);

#endif
