/* One data segment on its way to disk, with its keys: laid out, sealed, written, closed. */
#ifndef PIPELINE_SEGMENT_WRITER_H
#define PIPELINE_SEGMENT_WRITER_H

#include "segment/data.h"
#include "threads/job.h"

/* One thread at a time. After a failure nothing may be put any more. */
typedef struct segment_writer segment_writer;

/* A new file in the folder, with a random name of its own. options: what goes into the header. */
SRM_MUST_USE srm_status segment_writer_new(
    const srm_seal_options *options, int folder, job_control *control, segment_writer **out);

const uint8_t *segment_writer_id(const segment_writer *w);

/* Is there room for one more chunk? Else it is to be ended. */
bool segment_writer_has_room(const segment_writer *w, uint32_t stored_len);

/* Lay out one chunk, seal and write what that completes. sealed: SRM_FRAME_LEN bytes to work in.
 * In a segment of raw chunks of SRM_CHUNK_LEN alone, the chunk may lie in them, behind room for
 * its head: it is then sealed in place.
 * *off: where its record stands in the plaintext. */
SRM_MUST_USE srm_status segment_writer_put(segment_writer *w, job_control *control,
    const data_chunk *chunk, uint8_t *sealed, uint32_t *off);

/* Write what is left, and the trailer; nothing can be put after that. The kernel begins to bring
 * it to disk. */
SRM_MUST_USE srm_status segment_writer_end(
    segment_writer *w, job_control *control, uint8_t *sealed);

/* Wait until all of an ended segment is on disk; *info: what it is. */
SRM_MUST_USE srm_status segment_writer_sync(
    segment_writer *w, job_control *control, srm_segment_info *info);

/* It is somebody else's file now: freeing the writer leaves it alone. */
void segment_writer_keep(segment_writer *w);

/* Wipes keys and plaintext, and removes the file unless it is kept. NULL is fine. */
void segment_writer_free(segment_writer *w);

#endif
