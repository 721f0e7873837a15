/* Buffers that held plaintext, reused and wiped. The caller guards them against other threads. */
#ifndef PIPELINE_BUFFERS_H
#define PIPELINE_BUFFERS_H

#include "strongroom.h"

typedef struct buffers {
    size_t len; /* of each, bytes */
    unsigned made;
    unsigned most;
    unsigned free_count;
    uint8_t **free;
} buffers;

/* At most `most` buffers, each made when it is first taken. */
SRM_MUST_USE srm_status buffers_begin(buffers *b, size_t len, unsigned most);
/* NULL: all are taken, or (*status) no memory was left. */
uint8_t *buffers_take(buffers *b, srm_status *status);
/* buffer: taken before, and not touched again (gcc's AddressSanitizer sees to it), or NULL. */
void buffers_return(buffers *b, uint8_t *buffer);
/* Wipes and frees what was returned. Also for one that was only zeroed. */
void buffers_free(buffers *b);

#endif
