/* What stands inside the frames: record heads, and the footer. */
#ifndef SEGMENT_RECORD_H
#define SEGMENT_RECORD_H

#include "segment/layout.h"

enum { RECORD_END = 0, RECORD_DATA = 1, RECORD_DIRECTORY = 2 };
enum { CODEC_RAW = 0, CODEC_ZSTD = 1 };

typedef struct record_head {
    uint8_t type;
    uint8_t codec;
    uint32_t stored_len;
    uint32_t raw_len;
    uint8_t id[32]; /* zero but for data */
} record_head;

void record_head_store(const record_head *head, uint8_t out[RECORD_HEAD_LEN]);

/* Checks everything a head says of itself: known type and codec, zero fields zero, lengths in
 * range for its type. Not the id of a data record, nor where it stands. SRM_EDAMAGED. */
SRM_MUST_USE srm_status record_head_load(const uint8_t in[RECORD_HEAD_LEN], record_head *out);

typedef struct footer {
    uint64_t records_end;   /* plaintext offset of the end record's head */
    uint64_t directory_off; /* plaintext offset of the directory record's head; 0: none */
    uint64_t directory_len; /* bytes of its entries */
    uint64_t count;         /* data records */
    uint64_t raw_total;
} footer;

void footer_store(const footer *f, uint8_t out[FOOTER_LEN]);

/* Checks magic, zeros and counts against each other. SRM_EDAMAGED. */
SRM_MUST_USE srm_status footer_load(const uint8_t in[FOOTER_LEN], footer *out);
/* The same for a data segment, whose chunks have any length and whose entries are longer. */
SRM_MUST_USE srm_status footer_load_data(const uint8_t in[FOOTER_LEN], footer *out);

#endif
