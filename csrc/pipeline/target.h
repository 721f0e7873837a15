/* Where fetched chunks go: places in files, or memory. Any thread. */
#ifndef PIPELINE_TARGET_H
#define PIPELINE_TARGET_H

#include "strongroom.h"

#include <stdbool.h>

typedef struct target {
    const int32_t *fds; /* NULL: memory */
    uint32_t fd_count;
    uint8_t *mem;
    uint64_t mem_len;
} target;

/* Is there such a place? */
bool target_has(const target *t, const srm_want *want);

/* Write a chunk of want->raw_len bytes to its place. 0, or an errno value. */
int target_write(const target *t, const srm_want *want, const uint8_t *raw);

#endif
