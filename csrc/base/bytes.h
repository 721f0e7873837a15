/* Big-endian integers, and memory that held secrets. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void store_be16(uint8_t *out, uint16_t value) {
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static inline void store_be32(uint8_t *out, uint32_t value) {
    store_be16(out, (uint16_t)(value >> 16));
    store_be16(out + 2, (uint16_t)value);
}

static inline void store_be64(uint8_t *out, uint64_t value) {
    store_be32(out, (uint32_t)(value >> 32));
    store_be32(out + 4, (uint32_t)value);
}

static inline uint16_t load_be16(const uint8_t *in) {
    return (uint16_t)((in[0] << 8) | in[1]);
}

static inline uint32_t load_be32(const uint8_t *in) {
    return ((uint32_t)load_be16(in) << 16) | load_be16(in + 2);
}

static inline uint64_t load_be64(const uint8_t *in) {
    return ((uint64_t)load_be32(in) << 32) | load_be32(in + 4);
}

static inline size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Overwrite secrets so that the compiler cannot leave it out. NULL is fine with len 0. */
static inline void wipe(void *secret, size_t len) {
    if (len > 0)
        explicit_bzero(secret, len);
}

/* Wipe what was allocated and free it. NULL is fine. */
void wipe_free(void *secret, size_t len);

/* How many leading bytes of data are zero. */
size_t zero_run(const uint8_t *data, size_t len);

#endif
