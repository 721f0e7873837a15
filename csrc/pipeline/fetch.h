/* Chunks, wherever they are stored, to the places where they are wanted. */
#ifndef PIPELINE_FETCH_H
#define PIPELINE_FETCH_H

#include "index/table.h"
#include "pipeline/segments.h"
#include "pipeline/target.h"

SRM_MUST_USE srm_status fetch_start(segments *g, chunk_index *index, srm_want *wants,
    uint64_t count, target to, uint32_t threads, srm_job **out);

#endif
