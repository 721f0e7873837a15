/* Data segments of a repository, opened by name: keys unwrapped, layout found. Some stay open. */
#ifndef PIPELINE_SEGMENTS_H
#define PIPELINE_SEGMENTS_H

#include "segment/data.h"
#include "segment/header.h"

#define SEGMENT_ID_LEN 16

typedef struct opened_segment {
    uint8_t id[SEGMENT_ID_LEN];
    bool is_open;
    int fd;
    uint64_t length; /* of the file, bytes */
    bool whole;      /* the trailer is where it belongs and fits the length */
    layout layout;   /* where not whole, what could be found; last_len 0: the last frame is lost */
    segment_keys keys;
    uint8_t header[SRM_HEADER_LEN];
} opened_segment;

typedef struct srm_segments segments;

SRM_MUST_USE srm_status segments_new(const uint8_t repo_id[SRM_REPO_ID_LEN],
    const uint8_t wrap_key[SRM_KEY_LEN], const uint8_t chunk_key[SRM_KEY_LEN], int folder_fd,
    segments **out);
/* Closes all. NULL is fine. */
void segments_free(segments *g);

const uint8_t *segments_chunk_key(const segments *g);

/* Open a segment as it is now. A trailer that is missing or damaged is no failure; the last frame
 * is then looked for. SRM_ENOTFOUND: no such file. The caller closes *out. Any thread. */
SRM_MUST_USE srm_status segments_open(
    const segments *g, const uint8_t id[SEGMENT_ID_LEN], opened_segment *out, srm_failure *failure);
/* Also for one that was only zeroed. */
void opened_segment_close(opened_segment *s);

/* The same, shared and kept open; to be returned. A thread holds one at a time, and uses a copy of
 * its keys. */
SRM_MUST_USE srm_status segments_take(segments *g, const uint8_t id[SEGMENT_ID_LEN],
    const opened_segment **out, srm_failure *failure);
/* sound: no; it is not kept, as what is read again may be another file. */
void segments_return(segments *g, const opened_segment *s, bool sound);

/* Stored bytes of an opened segment; fewer than asked for are SRM_EDAMAGED. */
SRM_MUST_USE srm_status opened_segment_read(
    const opened_segment *s, uint64_t off, uint8_t *out, size_t len, srm_failure *failure);

/* Note what went wrong and return status. */
srm_status failed(srm_failure *failure, srm_status status, srm_place place, int os_error);

/* Does this concern what is stored or written, so that a job may go on with the rest? */
bool concerns_one(srm_status status);

#endif
