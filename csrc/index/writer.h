/* Writing a table file from its beginning to its end, part by part. */
#ifndef INDEX_WRITER_H
#define INDEX_WRITER_H

#include "index/file.h"

typedef struct writer {
    int fd;
    uint64_t file_off;
    uint64_t home_count;
    uint64_t base;   /* slots before this one are written */
    place *window;   /* those from there on */
    size_t len;      /* used or passed over */
    size_t capacity; /* allocated, zero from len on */
} writer;

/* Room for count places, which begin at file_off. */
void writer_begin(writer *w, int fd, uint64_t file_off, uint64_t count);
/* A place of the part in hand or a later one, whose id is not there yet. SRM_ENOMEM. */
SRM_MUST_USE srm_status writer_add(writer *w, const place *p);
/* All parts before this one are complete: write them. SRM_EIO. */
SRM_MUST_USE srm_status writer_advance(writer *w, unsigned to_part);
/* Everything is added. */
SRM_MUST_USE srm_status writer_end(writer *w, uint64_t *slot_count);
/* Also for one that was only zeroed. */
void writer_free(writer *w);

SRM_MUST_USE srm_status write_all_at(int fd, const void *data, size_t len, uint64_t off);

#endif
