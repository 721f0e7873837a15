/* Opening, on all cores. Every worker does whatever is next: take the next piece out of the frame
 * that is parsed, and decompress and write it, or read and open a further frame. Frames may be
 * opened, and pieces written to a file, in any order; parsing and, on a pipe, reading and writing
 * keep theirs, each a role that one worker has at a time. What fails shows when its turn to be
 * parsed or written has come, so that the first damage is the one that is named, and a pipe gets
 * all before it. */
#include "base/bytes.h"
#include "codec/zstd.h"
#include "pipeline/buffers.h"
#include "pipeline/frames.h"
#include "pipeline/stream.h"
#include "segment/frame.h"
#include "segment/parser.h"
#include "segment/root.h"
#include "threads/crew.h"

#include <stdlib.h>

#define NO_PIECE UINT64_MAX

typedef enum slot_state { SLOT_FREE, SLOT_OPENING, SLOT_OPENED, SLOT_DRAINED } slot_state;

/* A frame on its way. */
typedef struct frame_slot {
    slot_state state;
    srm_status status; /* of reading and opening it */
    srm_place place;   /* where that failed */
    bool last;
    bool begun;      /* its pieces are being taken out */
    unsigned in_use; /* pieces of it in hand */
    uint8_t *buffer; /* SRM_FRAME_LEN bytes: as stored, then plaintext */
    uint8_t *chunk; /* a whole raw chunk, opened where it belongs; its head is in buffer. Or NULL */
    size_t stored_len;
    uint8_t digest[SRM_DIGEST_LEN];
} frame_slot;

typedef struct worker {
    segment_keys keys;
    decompressor *codec;
    uint8_t *raw;   /* SRM_CHUNK_LEN bytes, made when first needed */
    uint64_t piece; /* in hand, or NO_PIECE */
} worker;

typedef struct open_work {
    frames frames;
    output sink;
    job_control *control;
    srm_source source;
    uint32_t threads;
    uint8_t header[SRM_HEADER_LEN];
    segment_keys keys;
    unsigned worker_count;
    worker *workers;
    unsigned slot_count;
    frame_slot *slots;

    crew crew;
    /* Under its lock: */
    uint64_t next_read;
    bool reading; /* a role: the next bytes of a pipe */
    bool cut_off; /* there is nothing more to read */
    uint64_t next_parse;
    bool parsing; /* a role: the parser, and the root */
    parser *parser;
    buffers spares;
    root_builder root;
    bool parsed;      /* the last frame is drained */
    unsigned writing; /* pieces in hand */
    uint64_t next_piece;
    uint64_t next_write; /* piece, where the sink takes them in order */
} open_work;

/* --- under lock --- */

static frame_slot *slot_of(open_work *w, uint64_t index) {
    return &w->slots[index % w->slot_count];
}

static bool is_done(const void *work) {
    const open_work *w = work;
    return w->parsed && w->writing == 0;
}

static bool may_parse(open_work *w) {
    if (w->parsing || w->parsed || slot_of(w, w->next_parse)->state != SLOT_OPENED)
        return false;
    if (parser_hungry(w->parser)) {
        srm_status status;
        uint8_t *buffer = buffers_take(&w->spares, &status);
        if (buffer == NULL) {
            crew_stop(&w->crew, status);
            return false;
        }
        parser_feed(w->parser, buffer);
    }
    return true;
}

static bool may_read(open_work *w) {
    return !w->reading && !w->cut_off && w->next_read < w->frames.layout.frame_count &&
           slot_of(w, w->next_read)->state == SLOT_FREE;
}

static void free_if_unused(frame_slot *slot) {
    if (slot->state == SLOT_DRAINED && slot->in_use == 0) {
        slot->state = SLOT_FREE;
        slot->begun = false;
    }
}

/* --- without the lock --- */

static srm_status decompress(
    open_work *w, worker *me, const parsed_piece *piece, const uint8_t **data) {
    uint8_t *out = NULL;
    srm_status status = output_memory(&w->sink, w->control, piece->raw_off, piece->raw_len, &out);
    if (status == SRM_OK && out == NULL) {
        if (me->raw == NULL)
            me->raw = malloc(SRM_CHUNK_LEN);
        out = me->raw;
        status = out == NULL ? SRM_ENOMEM : SRM_OK;
    }
    if (status == SRM_OK && me->codec == NULL)
        status = decompressor_new(&me->codec);
    if (status == SRM_OK)
        status = decompressor_run(me->codec, piece->data, piece->len, out, piece->raw_len);
    *data = out;
    return status;
}

/* Add a frame's digest to the root and hand its plaintext to the parser. */
static srm_status begin_frame(open_work *w, frame_slot *slot) {
    if (slot->status != SRM_OK)
        return slot->status;
    slot->begun = true;
    srm_status status = root_add(&w->root, slot->digest, slot->stored_len, slot->last);
    if (status != SRM_OK)
        return status;
    if (slot->chunk != NULL)
        return parser_whole_chunk(w->parser, slot->buffer, slot->chunk);
    return parser_frame(w->parser, slot->buffer, slot->stored_len - SRM_TAG_LEN, slot->last);
}

/* Where in the memory that is written the chunk of a frame belongs, if the frame is one whole raw
 * chunk and its head, as far as can be seen before it is opened. Else NULL. */
static uint8_t *belongs(
    open_work *w, worker *me, uint64_t index, const frame_slot *slot, const uint8_t *stored) {
    uint8_t head[RECORD_HEAD_LEN];
    uint64_t chunk = 0;
    if (w->sink.given.fd >= 0 || slot->last || stored == slot->buffer ||
        frame_peek(&me->keys, index, false, stored, slot->stored_len, head, sizeof head) !=
            SRM_OK ||
        !parser_is_whole_chunk(w->parser, head, &chunk) ||
        chunk >= w->sink.given.mem_cap / SRM_CHUNK_LEN)
        return NULL;
    return w->sink.given.mem + chunk * SRM_CHUNK_LEN;
}

/* Decrypt a frame that was read: into its buffer, or, where memory is written and it is a whole
 * chunk, to where that belongs, which saves a copy. */
static srm_status decrypt(
    open_work *w, worker *me, uint64_t index, frame_slot *slot, const uint8_t *stored) {
    slot->chunk = belongs(w, me, index, slot, stored);
    aead_place to = {.body = slot->buffer};
    if (slot->chunk != NULL)
        to = (aead_place){.head = slot->buffer, .head_len = RECORD_HEAD_LEN, .body = slot->chunk};
    return frame_open_apart(
        &me->keys, index, slot->last, stored, slot->stored_len, &to, slot->digest);
}

/* --- each of these has the lock when it is called and when it returns, not in between --- */

/* Write one piece where the order counts; a piece that could not be made, found, fails in its turn.
 */
static srm_status write_in_turn(
    open_work *w, uint64_t number, srm_status found, const uint8_t *data, size_t len) {
    srm_status status = crew_await_turn(&w->crew, &w->next_write, number);
    if (status != SRM_OK || found != SRM_OK)
        return status != SRM_OK ? status : found;
    crew_leave(&w->crew);
    status = output_write_next(&w->sink, w->control, data, len);
    crew_enter(&w->crew);
    w->next_write++;
    return status;
}

/* What an earlier piece fails of is what is named. */
static void await_earlier(open_work *w, uint64_t number) {
    for (unsigned i = 0; i < w->worker_count && w->crew.status == SRM_OK;)
        if (w->workers[i].piece < number)
            crew_wait(&w->crew);
        else
            i++;
}

static void write_piece(open_work *w, worker *me, frame_slot *slot, const parsed_piece *piece) {
    uint64_t number = w->next_piece++;
    uint64_t frame = w->next_parse;
    const uint8_t *data = piece->data;
    srm_status status = SRM_OK;
    me->piece = number;
    w->writing++;
    slot->in_use++;
    crew_tell(&w->crew); /* the parser is free */
    crew_leave(&w->crew);
    if (piece->zstd)
        status = decompress(w, me, piece, &data);
    if (status == SRM_OK && !w->sink.in_order)
        status = output_write_at(&w->sink, w->control, piece->raw_off, data, piece->raw_len);
    crew_enter(&w->crew);
    if (w->sink.in_order)
        status = write_in_turn(w, number, status, data, piece->raw_len);
    else if (status == SRM_EDAMAGED)
        await_earlier(w, number);
    if (status == SRM_EDAMAGED && w->crew.status == SRM_OK)
        status = job_fail_at(w->control, status, SRM_AT_RECORD, frame);
    buffers_return(&w->spares, piece->buffer);
    slot->in_use--;
    free_if_unused(slot);
    me->piece = NO_PIECE;
    w->writing--;
    crew_stop(&w->crew, status);
}

static void parse_next(open_work *w, worker *me) {
    frame_slot *slot = slot_of(w, w->next_parse);
    parsed_piece piece = {0};
    w->parsing = true;
    crew_leave(&w->crew);
    srm_status status = slot->begun ? SRM_OK : begin_frame(w, slot);
    if (status == SRM_OK)
        status = parser_next(w->parser, &piece);
    crew_enter(&w->crew);
    w->parsing = false;
    if (status != SRM_OK) {
        w->parsing = true; /* nobody else tries; what came before is still written */
        while (w->writing > 0 && w->crew.status == SRM_OK)
            crew_wait(&w->crew);
        if (w->crew.status == SRM_OK) {
            srm_place place = slot->status != SRM_OK ? slot->place : parser_place(w->parser);
            crew_stop(&w->crew, job_fail_at(w->control, status, place, w->next_parse));
        }
    } else if (piece.len > 0) {
        write_piece(w, me, slot, &piece);
    } else {
        slot->state = SLOT_DRAINED;
        w->parsed = slot->last;
        w->next_parse++;
        free_if_unused(slot);
    }
}

static void open_next(open_work *w, worker *me) {
    uint64_t index = w->next_read++;
    frame_slot *slot = slot_of(w, index);
    bool piped = w->frames.source.len == LEN_UNKNOWN;
    const uint8_t *stored = NULL;
    slot->state = SLOT_OPENING;
    w->reading = piped;
    crew_leave(&w->crew);
    if (slot->buffer == NULL)
        slot->buffer = malloc(SRM_FRAME_LEN);
    srm_status status = slot->buffer == NULL
                            ? SRM_ENOMEM
                            : frames_read(&w->frames, w->control, index, slot->buffer, &stored,
                                  &slot->stored_len, &slot->last);
    slot->place = SRM_AT_TRAILER;
    bool cut_off = status == SRM_EDAMAGED;
    if (piped) {
        crew_enter(&w->crew);
        w->reading = false;
        w->cut_off = cut_off;
        crew_tell(&w->crew);
        crew_leave(&w->crew);
    }
    slot->status = cut_off ? status : SRM_OK;
    if (status == SRM_OK) {
        slot->place = SRM_AT_FRAME;
        slot->status = decrypt(w, me, index, slot, stored);
    }
    crew_enter(&w->crew);
    slot->state = SLOT_OPENED;
    crew_stop(&w->crew, cut_off ? SRM_OK : status);
}

static bool do_next(void *work, unsigned number) {
    open_work *w = work;
    worker *me = &w->workers[number];
    if (may_parse(w))
        parse_next(w, me);
    else if (may_read(w))
        open_next(w, me);
    else
        return false;
    return true;
}

/* --- one thread again --- */

static srm_status prepare(open_work *w) {
    srm_status status = frames_begin(&w->frames, w->control, w->source, w->keys.type);
    if (status == SRM_EDAMAGED)
        return job_fail(w->control, status, SRM_AT_TRAILER, 0);
    if (status != SRM_OK)
        return status;
    w->worker_count = crew_size(w->threads, w->frames.layout.frame_count);
    w->slot_count = w->worker_count + 2;
    w->slots = calloc(w->slot_count, sizeof *w->slots);
    w->workers = calloc(w->worker_count, sizeof *w->workers);
    if (w->slots == NULL || w->workers == NULL)
        return SRM_ENOMEM;
    status = buffers_begin(&w->spares, SRM_CHUNK_LEN, w->worker_count + 1);
    for (unsigned i = 0; status == SRM_OK && i < w->worker_count; i++) {
        w->workers[i].piece = NO_PIECE;
        status = segment_keys_copy(&w->keys, &w->workers[i].keys);
    }
    if (status == SRM_OK)
        status = root_begin(&w->root, w->header);
    if (status == SRM_OK)
        status = parser_new(&w->keys, &w->parser);
    return status;
}

static srm_status compare(open_work *w) {
    srm_result *result = &w->control->result;
    if (!parser_complete(w->parser))
        return job_fail_at(w->control, SRM_EDAMAGED, SRM_AT_FOOTER, w->next_parse);
    layout l = root_layout(&w->root);
    srm_status status = root_end(&w->root, result->root);
    if (status == SRM_OK)
        status = trailer_check(w->frames.trailer, w->header, result->root, &l);
    result->frames = l.frame_count;
    result->raw_len = parser_raw_total(w->parser);
    result->stored_len = layout_trailer_off(&l) + SRM_TRAILER_LEN;
    return status;
}

static srm_status open_body(void *argument, job_control *control) {
    open_work *w = argument;
    w->control = control;
    srm_status status = prepare(w);
    if (status == SRM_OK)
        status = crew_run(&w->crew, w->worker_count, do_next, is_done, w);
    if (status == SRM_OK)
        status = compare(w);
    output_end(&w->sink); /* a pipe's reader sees the end now, not when the job is freed */
    if (status == SRM_OK) {
        output_leave_at(&w->sink, control->result.raw_len);
        return SRM_OK;
    }
    memset(&control->result, 0, sizeof control->result);
    return job_fail(control, status, SRM_AT_TRAILER, 0);
}

static void open_release(void *argument) {
    open_work *w = argument;
    for (unsigned i = 0; w->slots != NULL && i < w->slot_count; i++)
        wipe_free(w->slots[i].buffer, SRM_FRAME_LEN);
    for (unsigned i = 0; w->workers != NULL && i < w->worker_count; i++) {
        segment_keys_wipe(&w->workers[i].keys);
        decompressor_free(w->workers[i].codec);
        wipe_free(w->workers[i].raw, SRM_CHUNK_LEN);
    }
    if (w->parser != NULL)
        buffers_return(&w->spares, parser_surrender(w->parser));
    parser_free(w->parser);
    buffers_free(&w->spares);
    root_free(&w->root);
    frames_free(&w->frames);
    segment_keys_wipe(&w->keys);
    crew_end(&w->crew);
    output_end(&w->sink);
    free(w->slots);
    free(w->workers);
    free(w);
}

srm_status stream_open(const uint8_t header[SRM_HEADER_LEN], const uint8_t session_key[SRM_KEY_LEN],
    srm_source source, srm_sink sink, uint32_t threads, srm_job **out) {
    *out = NULL;
    open_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return SRM_ENOMEM;
    crew_begin(&w->crew);
    output_begin(&w->sink, sink);
    memcpy(w->header, header, SRM_HEADER_LEN);
    w->source = source;
    w->threads = threads;
    srm_status status = header_unlock_stream(header, session_key, &w->keys);
    if (status == SRM_OK)
        status = job_start(open_body, open_release, w, out);
    if (status != SRM_OK)
        open_release(w);
    return status;
}
