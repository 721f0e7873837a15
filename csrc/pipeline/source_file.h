/* A regular file that is taken in: opened without waiting for anything, read at offsets, and
 * looked at before and after. */
#ifndef PIPELINE_SOURCE_FILE_H
#define PIPELINE_SOURCE_FILE_H

#include "strongroom.h"

#include <stdbool.h>

typedef struct source_file {
    int fd;       /* -1: closed */
    uint64_t len; /* when it was opened */
} source_file;

/* Open a path, of any length, relative to dir_fd, and fill all of *result but the ids. False: it
 * cannot be taken in, as result->status says, and is not open. */
bool source_file_open(source_file *f, int dir_fd, const char *path, srm_file_result *result);

/* Read up to len bytes at off; *got: fewer only where it ends. 0, or an errno value. */
int source_file_read(const source_file *f, uint64_t off, uint8_t *out, size_t len, size_t *got);

/* Once all was read, result->size bytes of it: whether it changed since it was opened, as
 * result->status. Closes it. */
void source_file_close(source_file *f, srm_file_result *result);

/* It could not be read: nothing of it is kept. Closes it. */
void source_file_give_up(source_file *f, int os_error, srm_file_result *result);

#endif
