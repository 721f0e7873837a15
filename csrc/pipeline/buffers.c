#include "pipeline/buffers.h"

#include "base/bytes.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

srm_status buffers_begin(buffers *b, size_t len, unsigned most) {
    *b = (buffers){.len = len, .most = most};
    b->free = calloc(most, sizeof *b->free);
    return b->free == NULL ? SRM_ENOMEM : SRM_OK;
}

uint8_t *buffers_take(buffers *b, srm_status *status) {
    *status = SRM_OK;
    if (b->free_count > 0) {
        uint8_t *kept = b->free[--b->free_count];
        ASAN_UNPOISON_MEMORY_REGION(kept, b->len);
        return kept;
    }
    if (b->made == b->most)
        return NULL;
    uint8_t *buffer = malloc(b->len);
    if (buffer == NULL)
        *status = SRM_ENOMEM;
    else
        b->made++;
    return buffer;
}

void buffers_return(buffers *b, uint8_t *buffer) {
    if (buffer == NULL)
        return;
    b->free[b->free_count++] = buffer;
    ASAN_POISON_MEMORY_REGION(buffer, b->len);
}

void buffers_free(buffers *b) {
    for (unsigned i = 0; i < b->free_count; i++) {
        ASAN_UNPOISON_MEMORY_REGION(b->free[i], b->len);
        wipe_free(b->free[i], b->len);
    }
    free(b->free);
    b->free = NULL;
    b->free_count = 0;
}
