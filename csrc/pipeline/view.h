/* A stream read at any place: exactly the frames that are asked for are read and verified. */
#ifndef PIPELINE_VIEW_H
#define PIPELINE_VIEW_H

#include "threads/job.h"

/* One thread at a time. */
typedef struct srm_view view;

SRM_MUST_USE srm_status view_open(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], srm_source source, view **out, srm_failure *failure);
uint64_t view_len(const view *v);
SRM_MUST_USE srm_status view_read(
    view *v, uint64_t off, uint8_t *out, size_t len, size_t *got, srm_failure *failure);
void view_free(view *v);

#endif
