/* What a segment holds, told to the caller. */
#ifndef PIPELINE_DIRECTORY_H
#define PIPELINE_DIRECTORY_H

#include "pipeline/segments.h"

/* As srm_segment_directory. Any thread. */
SRM_MUST_USE srm_status directory_read(const segments *g, const uint8_t id[SEGMENT_ID_LEN],
    srm_chunk_entry *out, uint64_t cap, uint64_t *count, srm_failure *failure);

#endif
