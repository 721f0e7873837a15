/* Data segments laid out and checked against what was put in. */
#ifndef TESTS_LAID_H
#define TESTS_LAID_H

#include "check.h"
#include "segment/data.h"
#include "support.h"

#define CHUNK ((uint32_t)SRM_CHUNK_LEN)
#define FRAMES_MOST (DATA_FRAMES_MAX + 1)

/* Two chunks of it, while laid_facts runs. */
extern uint8_t *laid_noise;

/* A segment laid out: its plaintext, and what was put in. */
typedef struct laid {
    uint8_t *plain;
    uint64_t frame_count;
    size_t last_plain_len;
    layout layout;
    data_entry *put;
    uint32_t count;
} laid;

/* Noise of this length, under an id that comes of the number. */
data_chunk laid_chunk_of(uint32_t number, uint32_t stored_len, uint32_t raw_len);

/* Begin, put, end; lay does all of that, and checks. Release after. */
void laid_begin(laid *s, data_packer **p);
void laid_put(laid *s, data_packer *p, uint32_t stored_len, uint32_t raw_len);
void laid_end(laid *s, data_packer *p);
void laid_lay(laid *s, const uint32_t *stored, const uint32_t *raw, uint32_t count);
void laid_release(laid *s);

/* The plaintext of the last frame. */
uint8_t *laid_last_of(const laid *s);
/* The caller frees the entries. */
srm_status laid_directory(const laid *s, data_entry **entries, uint32_t *count);
/* Everything put in is where its entry says, and the rest is as the format has it. */
void laid_check(const laid *s);

/* What main returns. */
int laid_facts(const fact *facts, size_t fact_count);

#endif
