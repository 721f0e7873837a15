/* Is a chunk worth compressing? Decided from a few samples, before zstd sees it: media makes up
 * most of what is sealed and must not pay for zstd. */
#ifndef CODEC_PROBE_H
#define CODEC_PROBE_H

#include "strongroom.h"

#include <stdbool.h>

typedef enum probe_verdict {
    PROBE_RAW,   /* looks like noise */
    PROBE_TRIAL, /* compress one block to find out */
    PROBE_ZSTD,  /* zeros and the like: no trial needed */
} probe_verdict;

/* Does a file that begins so hold media or an archive that is compressed already? */
bool probe_is_media(const uint8_t *start, size_t len);

/* is_media: the chunk belongs to a file for which probe_is_media held; then it takes stronger
 * signs to suggest a trial. Reads at most 4096 bytes of the chunk. */
probe_verdict probe_chunk(const uint8_t *chunk, size_t len, bool is_media);

#endif
