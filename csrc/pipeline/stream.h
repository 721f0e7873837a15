/* The three things done to a whole stream or manifest, as jobs; data segments are scrubbed alone.
 * threads: 0 for as many as there are processors. */
#ifndef PIPELINE_STREAM_H
#define PIPELINE_STREAM_H

#include "threads/job.h"

SRM_MUST_USE srm_status stream_seal(
    const srm_seal_options *options, srm_source source, srm_sink sink, srm_job **out);
SRM_MUST_USE srm_status stream_open(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], srm_source source, srm_sink sink, uint32_t threads,
    srm_job **out);
SRM_MUST_USE srm_status stream_scrub(
    const uint8_t header[SRM_HEADER_LEN], srm_source source, uint32_t threads, srm_job **out);

/* A scrub that also proves one frame. */
SRM_MUST_USE srm_status stream_prove(const uint8_t header[SRM_HEADER_LEN], srm_source source,
    uint64_t frame, uint32_t threads, srm_job **out);

#endif
