/* Where each chunk of a stream begins: the entries of its directory. */
#ifndef SEGMENT_OFFSETS_H
#define SEGMENT_OFFSETS_H

#include "segment/layout.h"

/* While every chunk is raw, chunk i begins at i frames and nothing is kept. */
typedef struct offsets {
    uint64_t count;
    uint8_t *entries;  /* big-endian u64 each; NULL while all are raw */
    uint64_t capacity; /* entries */
} offsets;

/* The next chunk begins at plaintext offset off. SRM_ELIMIT, SRM_ENOMEM. */
SRM_MUST_USE srm_status offsets_add(offsets *o, uint64_t off, bool raw);

/* Bytes of the directory's entries; 0 when no directory is needed. */
uint64_t offsets_len(const offsets *o);

/* Also for one that was only zeroed. */
void offsets_free(offsets *o);

#endif
