/* Sealing, on all cores. Every worker does whatever is next: seal a frame that is laid out, lay
 * out the next chunk in order, or read and encode a further one. Chunks may be encoded, and
 * frames sealed, in any order; laying out and, on a pipe, reading and writing keep theirs, each
 * a role that one worker has at a time. */
#include "base/bytes.h"
#include "codec/probe.h"
#include "codec/zstd.h"
#include "pipeline/buffers.h"
#include "pipeline/io.h"
#include "pipeline/leaves.h"
#include "pipeline/stream.h"
#include "segment/frame.h"
#include "segment/packer.h"
#include "threads/crew.h"

#include <stdlib.h>

#define QUEUE_LEN 8  /* frames laid out ahead of sealing */
#define MAGIC_LEN 16 /* enough of a file's start to know media by */

typedef enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_ENCODED, SLOT_LAID_OUT } slot_state;

/* A chunk on its way. */
typedef struct chunk_slot {
    slot_state state;
    uint8_t *buffer;     /* SRM_FRAME_LEN bytes; NULL while it is free, or where none is needed */
    uint8_t *compressed; /* compressor_bound() bytes, made when first needed */
    packed_chunk chunk;
} chunk_slot;

/* A frame laid out, to be sealed. */
typedef struct task {
    packed_frame frame;
    chunk_slot *slot; /* whose chunk it is made of, or NULL */
} task;

typedef struct worker {
    segment_keys keys;
    compressor *codec;
} worker;

typedef struct seal_work {
    input source;
    output sink;
    job_control *control;
    int level;
    bool pad;
    uint8_t header[SRM_HEADER_LEN];
    segment_keys keys;
    unsigned worker_count;
    worker *workers;
    unsigned slot_count;
    chunk_slot *slots;

    crew crew;
    /* Under its lock: */
    uint64_t next_read;
    uint64_t chunk_count; /* LEN_UNKNOWN until the end of a pipe */
    bool reading;         /* a role: the next bytes of a pipe */
    bool is_media;
    uint64_t next_layout;
    bool laying_out; /* a role: the packer */
    bool laid_out;   /* the last frame is queued */
    packer packer;
    buffers frames; /* SRM_FRAME_LEN bytes each, so that plaintext is sealed where it lies */
    task queue[QUEUE_LEN];
    unsigned queue_first;
    unsigned queue_count;
    unsigned sealing; /* tasks in hand */
    leaves leaves;
    uint64_t next_write; /* frame, where the sink takes them in order */
} seal_work;

/* --- under lock --- */

static bool is_done(const void *work) {
    const seal_work *w = work;
    return w->laid_out && w->queue_count == 0 && w->sealing == 0;
}

static bool may_seal(const seal_work *w) {
    return w->queue_count > 0 && leaves_room(&w->leaves, w->queue[w->queue_first].frame.index);
}

/* A frame's buffer; false while there is none. */
static bool take_buffer(seal_work *w, uint8_t **buffer) {
    srm_status status;
    *buffer = buffers_take(&w->frames, &status);
    if (*buffer == NULL)
        crew_stop(&w->crew, status);
    return *buffer != NULL;
}

/* Feed the packer; false while there is nothing to feed it. */
static bool packer_is_fed(seal_work *w) {
    while (packer_hungry(&w->packer)) {
        uint8_t *buffer;
        if (!take_buffer(w, &buffer))
            return false;
        packer_feed(&w->packer, buffer);
    }
    return true;
}

/* Memory is read where it lies, and written where it will lie. */
static bool slots_need_buffers(const seal_work *w) {
    return w->source.given.fd >= 0 || w->sink.given.fd >= 0;
}

/* The bytes of a chunk, where a frame of its own has them. */
static uint8_t *slot_chunk(const chunk_slot *slot) {
    return slot->buffer + RECORD_HEAD_LEN;
}

static void free_slot(seal_work *w, chunk_slot *slot) {
    slot->state = SLOT_FREE;
    buffers_return(&w->frames, slot->buffer);
    slot->buffer = NULL;
}

static bool may_lay_out(seal_work *w) {
    if (w->laying_out || w->laid_out || w->queue_count + 2 > QUEUE_LEN)
        return false;
    bool ready = w->next_layout == w->chunk_count ||
                 w->slots[w->next_layout % w->slot_count].state == SLOT_ENCODED;
    return ready && packer_is_fed(w);
}

static bool may_read(seal_work *w) {
    chunk_slot *slot = &w->slots[w->next_read % w->slot_count];
    if (w->reading || w->next_read >= w->chunk_count || slot->state != SLOT_FREE)
        return false;
    return !slots_need_buffers(w) || take_buffer(w, &slot->buffer);
}

static void enqueue(seal_work *w, const packed_frame *frame, chunk_slot *slot) {
    task *at = &w->queue[(w->queue_first + w->queue_count++) % QUEUE_LEN];
    at->frame = *frame;
    at->slot = frame->buffer == NULL ? slot : NULL;
}

/* --- each of these has the lock when it is called and when it returns, not in between --- */

static srm_status write_in_turn(seal_work *w, uint64_t index, const uint8_t *data, size_t len) {
    srm_status status = crew_await_turn(&w->crew, &w->next_write, index);
    if (status != SRM_OK)
        return status;
    crew_leave(&w->crew);
    status = output_write_next(&w->sink, w->control, data, len);
    crew_enter(&w->crew);
    w->next_write++;
    return status;
}

/* Seal one frame, without the lock; where the sink allows, write it too. */
static srm_status seal_frame(seal_work *w, worker *me, const task *t, const uint8_t **sealed,
    uint8_t digest[SRM_DIGEST_LEN]) {
    const packed_frame *frame = &t->frame;
    uint64_t off = SRM_HEADER_LEN + frame->index * SRM_FRAME_LEN;
    uint8_t *out;
    srm_status status = output_memory(&w->sink, w->control, off, frame->stored_len, &out);
    if (status != SRM_OK)
        return status;
    if (out == NULL)
        out = t->slot != NULL ? t->slot->buffer : frame->buffer;
    *sealed = out;
    aead_piece pieces[2] = {{frame->head, frame->head_len}, {frame->data, frame->data_len}};
    status =
        frame_seal(&me->keys, frame->index, frame->last, pieces, 2, out, frame->stored_len, digest);
    if (status == SRM_OK && !w->sink.in_order)
        status = output_write_at(&w->sink, w->control, off, out, frame->stored_len);
    return status;
}

static void seal_next(seal_work *w, worker *me) {
    task t = w->queue[w->queue_first];
    uint8_t digest[SRM_DIGEST_LEN];
    const uint8_t *sealed = NULL;
    w->queue_first = (w->queue_first + 1) % QUEUE_LEN;
    w->queue_count--;
    w->sealing++;
    crew_leave(&w->crew);
    srm_status status = seal_frame(w, me, &t, &sealed, digest);
    crew_enter(&w->crew);
    if (status == SRM_OK)
        status = leaves_put(&w->leaves, t.frame.index, digest, t.frame.stored_len, t.frame.last);
    if (status == SRM_OK && w->sink.in_order)
        status = write_in_turn(w, t.frame.index, sealed, t.frame.stored_len);
    if (t.slot != NULL)
        free_slot(w, t.slot);
    buffers_return(&w->frames, t.frame.buffer);
    w->sealing--;
    crew_stop(&w->crew, status);
}

static void lay_out_next(seal_work *w) {
    packed_frame frames[2];
    size_t count = 0;
    bool done = false;
    bool tail = w->next_layout == w->chunk_count;
    chunk_slot *slot = tail ? NULL : &w->slots[w->next_layout % w->slot_count];
    w->laying_out = true;
    crew_leave(&w->crew);
    srm_status status = tail ? packer_tail(&w->packer, frames, &count, &done)
                             : packer_put(&w->packer, &slot->chunk, frames, &count);
    crew_enter(&w->crew);
    w->laying_out = false;
    w->laid_out = done;
    if (!tail) {
        if (count > 0 && frames[count - 1].buffer == NULL)
            slot->state = SLOT_LAID_OUT; /* it is that frame now */
        else
            free_slot(w, slot);
        w->next_layout++;
    }
    for (size_t i = 0; i < count; i++)
        enqueue(w, &frames[i], slot);
    crew_stop(&w->crew, status);
}

/* Compress a chunk if that pays, without the lock. */
static srm_status encode(
    seal_work *w, worker *me, chunk_slot *slot, const uint8_t *raw, size_t raw_len, bool is_media) {
    slot->chunk = (packed_chunk){.stored = raw, .stored_len = raw_len, .raw_len = raw_len};
    if (w->level == 0 || probe_chunk(raw, raw_len, is_media) == PROBE_RAW)
        return SRM_OK;
    if (slot->compressed == NULL)
        slot->compressed = malloc(compressor_bound());
    if (slot->compressed == NULL)
        return SRM_ENOMEM;
    size_t stored_len = 0;
    srm_status status = SRM_OK;
    if (me->codec == NULL)
        status = compressor_new(w->level, &me->codec);
    if (status == SRM_OK)
        status = compressor_try(me->codec, raw, raw_len, is_media, slot->compressed, &stored_len);
    if (status == SRM_OK && stored_len > 0) {
        slot->chunk.stored = slot->compressed;
        slot->chunk.stored_len = stored_len;
    }
    return status;
}

/* Read chunk `index` from memory or a regular file, without the lock. */
static srm_status read_at(
    seal_work *w, chunk_slot *slot, uint64_t index, const uint8_t **raw, size_t *raw_len) {
    uint64_t off = index * SRM_CHUNK_LEN;
    *raw_len = w->source.len - off < SRM_CHUNK_LEN ? (size_t)(w->source.len - off) : SRM_CHUNK_LEN;
    *raw = input_memory(&w->source, off);
    if (*raw != NULL) {
        atomic_fetch_add(&w->control->bytes_in, *raw_len);
        return atomic_load(&w->control->cancelled) ? SRM_ECANCELLED : SRM_OK;
    }
    *raw = slot_chunk(slot);
    return input_read_at(&w->source, w->control, off, slot_chunk(slot), *raw_len);
}

/* Read the next chunk of a pipe. raw_len 0: there is none. */
static srm_status read_next(seal_work *w, chunk_slot *slot, uint64_t index, size_t *raw_len) {
    w->reading = true;
    crew_leave(&w->crew);
    srm_status status =
        input_read_next(&w->source, w->control, slot_chunk(slot), SRM_CHUNK_LEN, raw_len);
    bool is_media = index == 0 && probe_is_media(slot_chunk(slot), *raw_len);
    crew_enter(&w->crew);
    w->reading = false;
    if (*raw_len < SRM_CHUNK_LEN)
        w->chunk_count = index + (*raw_len > 0);
    w->is_media = w->is_media || is_media;
    return status;
}

static void fill_next(seal_work *w, worker *me) {
    uint64_t index = w->next_read++;
    chunk_slot *slot = &w->slots[index % w->slot_count];
    const uint8_t *raw = NULL;
    size_t raw_len = 0;
    srm_status status = SRM_OK;
    slot->state = SLOT_FILLING;
    if (w->source.len == LEN_UNKNOWN) {
        status = read_next(w, slot, index, &raw_len);
        raw = slot_chunk(slot);
        crew_stop(&w->crew, status); /* before anyone takes a failure for the end */
        crew_tell(&w->crew);         /* another may read on */
    }
    bool is_media = w->is_media;
    crew_leave(&w->crew);
    if (raw == NULL)
        status = read_at(w, slot, index, &raw, &raw_len);
    if (status == SRM_OK && raw_len > 0)
        status = encode(w, me, slot, raw, raw_len, is_media);
    crew_enter(&w->crew);
    if (raw_len > 0)
        slot->state = SLOT_ENCODED;
    else
        free_slot(w, slot);
    crew_stop(&w->crew, status);
}

static bool do_next(void *work, unsigned number) {
    seal_work *w = work;
    worker *me = &w->workers[number];
    if (may_seal(w))
        seal_next(w, me);
    else if (may_lay_out(w))
        lay_out_next(w);
    else if (w->crew.status == SRM_OK && may_read(w)) /* laying out may have failed for memory */
        fill_next(w, me);
    else
        return false;
    return true;
}

/* --- one thread again --- */

static srm_status prepare(seal_work *w) {
    w->slots = calloc(w->slot_count, sizeof *w->slots);
    w->workers = calloc(w->worker_count, sizeof *w->workers);
    if (w->slots == NULL || w->workers == NULL)
        return SRM_ENOMEM;
    srm_status status = leaves_begin(&w->leaves, w->header, QUEUE_LEN + 2 * w->worker_count);
    if (status == SRM_OK)
        status = buffers_begin(&w->frames, SRM_FRAME_LEN,
            QUEUE_LEN + w->worker_count + 2 /* the packer's */ + w->slot_count);
    for (unsigned i = 0; status == SRM_OK && i < w->worker_count; i++)
        status = segment_keys_copy(&w->keys, &w->workers[i].keys);
    packer_begin(&w->packer, &w->keys, w->pad);
    return status;
}

/* Whether the file is media shows in its first bytes, before any chunk is encoded. */
static srm_status look_at_start(seal_work *w) {
    uint8_t start[MAGIC_LEN];
    if (w->source.len == LEN_UNKNOWN)
        return SRM_OK; /* read_next looks */
    size_t len = w->source.len < sizeof start ? (size_t)w->source.len : sizeof start;
    job_control aside = {0}; /* these bytes are read again and count then */
    srm_status status = input_read_at(&w->source, &aside, 0, start, len);
    if (status == SRM_OK)
        w->is_media = probe_is_media(start, len);
    else
        status = job_fail(w->control, status, SRM_AT_INPUT, aside.failure.os_error);
    return status;
}

static srm_status write_trailer(seal_work *w) {
    uint8_t trailer[SRM_TRAILER_LEN];
    srm_result *result = &w->control->result;
    srm_status status = root_end(&w->leaves.root, result->root);
    if (status != SRM_OK)
        return status;
    layout l = root_layout(&w->leaves.root);
    uint64_t off = layout_trailer_off(&l);
    trailer_store(w->header, result->root, &l, trailer);
    status = w->sink.in_order ? output_write_next(&w->sink, w->control, trailer, sizeof trailer)
                              : output_write_at(&w->sink, w->control, off, trailer, sizeof trailer);
    result->frames = l.frame_count;
    result->raw_len = w->packer.raw_total;
    result->stored_len = off + SRM_TRAILER_LEN;
    return status;
}

static srm_status seal_body(void *argument, job_control *control) {
    seal_work *w = argument;
    w->control = control;
    srm_status status = prepare(w);
    if (status == SRM_OK)
        status = look_at_start(w);
    if (status == SRM_OK)
        status = w->sink.in_order
                     ? output_write_next(&w->sink, control, w->header, SRM_HEADER_LEN)
                     : output_write_at(&w->sink, control, 0, w->header, SRM_HEADER_LEN);
    if (status == SRM_OK)
        status = crew_run(&w->crew, w->worker_count, do_next, is_done, w);
    if (status == SRM_OK)
        status = write_trailer(w);
    output_end(&w->sink); /* a pipe's reader sees the end now, not when the job is freed */
    if (status == SRM_OK)
        output_leave_at(&w->sink, control->result.stored_len);
    else
        memset(&control->result, 0, sizeof control->result);
    return status == SRM_OK ? SRM_OK : job_fail(control, status, SRM_AT_NONE, 0);
}

static void seal_release(void *argument) {
    seal_work *w = argument;
    for (unsigned i = 0; w->slots != NULL && i < w->slot_count; i++) {
        buffers_return(&w->frames, w->slots[i].buffer);
        wipe_free(w->slots[i].compressed, compressor_bound());
    }
    for (unsigned i = 0; w->workers != NULL && i < w->worker_count; i++) {
        segment_keys_wipe(&w->workers[i].keys);
        compressor_free(w->workers[i].codec);
    }
    for (unsigned i = 0; i < w->queue_count; i++)
        buffers_return(&w->frames, w->queue[(w->queue_first + i) % QUEUE_LEN].frame.buffer);
    for (uint8_t *held = packer_surrender(&w->packer); held != NULL;
        held = packer_surrender(&w->packer))
        buffers_return(&w->frames, held);
    buffers_free(&w->frames);
    packer_end(&w->packer);
    leaves_free(&w->leaves);
    segment_keys_wipe(&w->keys);
    crew_end(&w->crew);
    output_end(&w->sink);
    free(w->slots);
    free(w->workers);
    free(w);
}

static uint64_t count_chunks(uint64_t len) {
    return len == LEN_UNKNOWN ? LEN_UNKNOWN : len / SRM_CHUNK_LEN + (len % SRM_CHUNK_LEN != 0);
}

srm_status stream_seal(
    const srm_seal_options *options, srm_source given, srm_sink sink, srm_job **out) {
    *out = NULL;
    seal_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return SRM_ENOMEM;
    crew_begin(&w->crew);
    input_begin(&w->source, given);
    output_begin(&w->sink, sink);
    w->level = options->level;
    w->pad = options->pad != 0;
    w->chunk_count = count_chunks(w->source.len);
    w->worker_count = crew_size(options->threads, w->chunk_count);
    w->slot_count = w->worker_count + 2;
    srm_status status =
        options->level < 0 || options->level > SRM_LEVEL_MAX || options->type == SEGMENT_DATA
            ? SRM_EINVAL
            : header_build(options, w->header, &w->keys);
    if (status == SRM_OK)
        status = job_start(seal_body, seal_release, w, out);
    if (status != SRM_OK)
        seal_release(w);
    return status;
}
