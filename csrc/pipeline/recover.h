/* The chunks of a segment whose directory cannot be read. */
#ifndef PIPELINE_RECOVER_H
#define PIPELINE_RECOVER_H

#include "index/table.h"
#include "pipeline/reader.h"

/* Look for record heads in every frame that can be opened, and put the chunks whose ids recompute
 * into the index, as chunks of segment `number`. *count: how many. The reader stands at the
 * segment. What cannot be read is no failure. */
SRM_MUST_USE srm_status recover_chunks(reader *r, const uint8_t chunk_key[SRM_KEY_LEN],
    chunk_index *index, uint32_t number, uint32_t *count);

#endif
