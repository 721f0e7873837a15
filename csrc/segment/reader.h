/* Stored frames in, chunks out: a stream segment read in order, in constant memory.
 *
 *     reader_new; for each frame: reader_feed, then reader_next until it yields nothing;
 *     reader_end with the trailer.
 *
 * What reader_next yields comes from frames whose tags verified, and is complete only if
 * reader_end says SRM_OK. After an error every later call is SRM_ESTATE. */
#ifndef SEGMENT_READER_H
#define SEGMENT_READER_H

#include "strongroom.h"

#include <stdbool.h>

/* One thread at a time. */
typedef struct reader reader;

/* SRM_EAUTH: the session key is not this segment's, or the header was altered. The caller frees
 * *out with reader_free. */
SRM_MUST_USE srm_status reader_new(
    const uint8_t header[SRM_HEADER_LEN], const uint8_t session_key[SRM_KEY_LEN], reader **out);
/* Wipes keys and plaintext. NULL is fine. */
void reader_free(reader *r);

/* Take the next frame: len stored bytes. The one before must have been drained. */
SRM_MUST_USE srm_status reader_feed(reader *r, const uint8_t *stored, size_t len, bool last);

/* More of the plaintext, in the reader's own memory until its next call; *len = 0 when the frame
 * is drained. */
SRM_MUST_USE srm_status reader_next(reader *r, const uint8_t **data, size_t *len);

/* After the last frame was drained: hold everything against footer and trailer. */
SRM_MUST_USE srm_status reader_end(reader *r, const uint8_t trailer[SRM_TRAILER_LEN]);

/* Once reader_end said SRM_OK. */
void reader_result(const reader *r, srm_result *out);

/* Where the reader stands, and the frame in hand. */
srm_place reader_place(const reader *r, uint64_t *frame);

/* The authenticated plaintext length, from a stream's last frame alone. */
SRM_MUST_USE srm_status reader_raw_len(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t session_key[SRM_KEY_LEN], uint64_t last_index, const uint8_t *stored, size_t len,
    uint64_t *raw_len);

#endif
