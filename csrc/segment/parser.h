/* The plaintexts of a stream's frames, in order, taken apart into chunks and checked against
 * directory and footer. Knows no key but the record tag, and no thread. The author of what it
 * reads holds the keys and may be hostile.
 *
 *     For each frame: parser_frame, then parser_next until it yields nothing. Before each
 *     parser_next the parser must not be hungry. Complete once the last frame is drained. */
#ifndef SEGMENT_PARSER_H
#define SEGMENT_PARSER_H

#include "segment/header.h"
#include "segment/record.h"

/* A chunk, or a part of a raw one. */
typedef struct parsed_piece {
    bool zstd;
    const uint8_t *data; /* in the frame, or in buffer */
    size_t len;
    size_t raw_len;   /* what it becomes; len if raw */
    uint64_t raw_off; /* where that stands in the file */
    uint8_t *buffer;  /* what the parser was fed and now hands back, or NULL */
} parsed_piece;

typedef struct parser parser;

SRM_MUST_USE srm_status parser_new(const segment_keys *keys, parser **out);
/* Frees nothing it was fed: parser_surrender gives that back. NULL is fine. */
void parser_free(parser *p);

bool parser_hungry(const parser *p);
/* buffer: SRM_CHUNK_LEN bytes, for a compressed chunk that spans frames. */
void parser_feed(parser *p, uint8_t *buffer);
/* The buffer the parser still holds, or NULL. */
uint8_t *parser_surrender(parser *p);

/* The next frame's plaintext, which must stay until what was made of it is used up. SRM_EDAMAGED:
 * too short for a footer, or the head of a whole raw chunk where no record begins, which nobody but
 * a segment's author can make. */
SRM_MUST_USE srm_status parser_frame(parser *p, const uint8_t *plain, size_t len, bool last);

/* Is this the head of a whole raw chunk of the parser's segment, which with its head fills a frame?
 * *index: which chunk it says it is. Any thread, at any time. */
bool parser_is_whole_chunk(const parser *p, const uint8_t head[RECORD_HEAD_LEN], uint64_t *index);

/* The next frame, not the last, whose plaintext is such a head and, elsewhere, its chunk. Errors as
 * of parser_frame. */
SRM_MUST_USE srm_status parser_whole_chunk(
    parser *p, const uint8_t head[RECORD_HEAD_LEN], const uint8_t *chunk);

/* The next piece, in order; piece->len = 0: the frame is drained. SRM_EDAMAGED. */
SRM_MUST_USE srm_status parser_next(parser *p, parsed_piece *piece);

/* The last frame is drained and everything agrees. */
bool parser_complete(const parser *p);
uint64_t parser_raw_total(const parser *p);

/* Where it stands: after an error, where that was. */
srm_place parser_place(const parser *p);

#endif
