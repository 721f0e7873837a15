/* Chunks in, stored bytes out: a stream segment written in order, in constant memory.
 *
 *     writer_new -> header; writer_put for each chunk; writer_tail until it says done.
 *
 * Any error, and any use after a fork, abandons the segment: every later call is SRM_ESTATE. */
#ifndef SEGMENT_WRITER_H
#define SEGMENT_WRITER_H

#include "strongroom.h"

#include <stdbool.h>

/* Room that one call may fill. */
#define WRITER_OUT_LEN ((size_t)2 * SRM_FRAME_LEN)

/* One thread at a time. */
typedef struct writer writer;

/* header: the segment's first bytes. The caller frees *out with writer_free. */
SRM_MUST_USE srm_status writer_new(
    const srm_seal_options *options, uint8_t header[SRM_HEADER_LEN], writer **out);
/* Wipes keys and plaintext. NULL is fine. */
void writer_free(writer *w);

/* Store one chunk: SRM_CHUNK_LEN bytes, or 1 and more for the last.
 * out: WRITER_OUT_LEN bytes, of which *out_len are filled with the frames this completed. */
SRM_MUST_USE srm_status writer_put(
    writer *w, const uint8_t *raw, size_t raw_len, uint8_t *out, size_t *out_len);

/* After the last chunk (there may be none): the frames that remain, then the trailer, piece by
 * piece until *done. out, *out_len: as above. */
SRM_MUST_USE srm_status writer_tail(writer *w, uint8_t *out, size_t *out_len, bool *done);

/* Once done. raw_len, stored_len in bytes. */
void writer_result(const writer *w, srm_result *out);

#endif
