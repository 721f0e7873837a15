#include "base/bytes.h"

#include <stdlib.h>

void wipe_free(void *secret, size_t len) {
    if (secret != NULL)
        wipe(secret, len);
    free(secret);
}

size_t zero_run(const uint8_t *data, size_t len) {
    size_t i = 0;
    uint64_t word;
    for (; len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, data + i, sizeof word);
        if (word != 0)
            break;
    }
    while (i < len && data[i] == 0)
        i++;
    return i;
}
