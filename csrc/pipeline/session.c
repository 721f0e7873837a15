#include "pipeline/session.h"

#include "base/bytes.h"
#include "codec/probe.h"
#include "codec/zstd.h"
#include "crypto/hash.h"
#include "index/table.h"
#include "segment/header.h"
#include "segment/record.h"
#include "threads/crew.h"

#include <stdlib.h>
#include <unistd.h>

/* Input for which one more worker is worth its segments. */
#define WORKER_SHARE ((uint64_t)8 << 20)

/* A worker keeps two segments open: whole raw chunks each fill a frame and are sealed where they
 * were read; everything else is packed. */
enum { WHOLE, PACKED, OPEN_COUNT };

typedef struct open_segment {
    segment_writer *writer; /* NULL: none yet */
    uint32_t number;        /* the index's */
} open_segment;

struct session_worker {
    uint8_t *frame;      /* SRM_FRAME_LEN bytes: a chunk is read to its place in a frame */
    uint8_t *compressed; /* compressor_bound() bytes, made when first needed */
    uint8_t *sealed;     /* SRM_FRAME_LEN bytes: for all that does not lie in `frame` */
    compressor *codec;
    open_segment open[OPEN_COUNT];
    open_segment ended; /* on its way to disk while the next one fills */
};

typedef enum session_state { READY, BUSY, FINISHED, FAILED } session_state;

struct srm_session {
    srm_seal_options header; /* what goes into every segment's */
    uint8_t envelopes[SRM_ENVELOPES_LEN_MAX];
    uint8_t chunk_key[SRM_KEY_LEN];
    int spool;
    chunk_index *index;
    pid_t owner;
    atomic_int state;
    atomic_bool is_broken; /* a segment holds half of something: nothing may follow it */
    unsigned worker_count;
    session_worker *workers;
    uint64_t expected; /* bytes; under the running job's lock */
    pthread_mutex_t lock;
    /* Under lock: */
    srm_segment_info *complete; /* and not taken yet */
    size_t complete_count;
    size_t complete_cap;
};

/* --- the session --- */

static srm_status prepare(session *s, const srm_session_options *options) {
    uint8_t header[SRM_HEADER_LEN];
    segment_keys keys;
    s->header = (srm_seal_options){
        .type = SEGMENT_DATA,
        .level = options->level,
        .envelopes = s->envelopes,
        .envelopes_len = options->envelopes_len,
    };
    if (options->envelopes_len > 0)
        memcpy(s->envelopes, options->envelopes, options->envelopes_len);
    memcpy(s->header.repo_id, options->repo_id, sizeof s->header.repo_id);
    memcpy(s->header.session_id, options->session_id, sizeof s->header.session_id);
    memcpy(s->header.session_key, options->session_key, sizeof s->header.session_key);
    memcpy(s->chunk_key, options->chunk_key, sizeof s->chunk_key);
    s->workers = calloc(s->worker_count, sizeof *s->workers);
    if (s->workers == NULL)
        return SRM_ENOMEM;
    srm_status status = header_build(&s->header, header, &keys); /* are the options sound? */
    segment_keys_wipe(&keys);
    return status;
}

srm_status session_begin(const srm_session_options *options, chunk_index *index, session **out) {
    *out = NULL;
    if (options->level < 0 || options->level > SRM_LEVEL_MAX ||
        options->envelopes_len > SRM_ENVELOPES_LEN_MAX)
        return SRM_EINVAL;
    session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return SRM_ENOMEM;
    pthread_mutex_init(&s->lock, NULL);
    s->spool = options->spool_fd;
    s->index = index;
    s->owner = getpid();
    s->worker_count = crew_size(options->threads, SRM_THREADS_MAX);
    srm_status status = prepare(s, options);
    if (status == SRM_OK) {
        *out = s; /* the caller owns it now */
        s = NULL;
    }
    session_free(s);
    return status;
}

/* What is not on disk was never there. */
static void drop_segment(session *s, open_segment *o) {
    if (o->writer != NULL)
        index_drop_segment(s->index, o->number);
    segment_writer_free(o->writer);
    o->writer = NULL;
}

void session_free(session *s) {
    if (s == NULL || s->owner != getpid())
        return; /* a child's copy: the files are its parent's */
    for (unsigned i = 0; s->workers != NULL && i < s->worker_count; i++) {
        session_worker *w = &s->workers[i];
        for (unsigned kind = 0; kind < OPEN_COUNT; kind++)
            drop_segment(s, &w->open[kind]);
        drop_segment(s, &w->ended);
        wipe_free(w->frame, SRM_FRAME_LEN);
        wipe_free(w->compressed, compressor_bound());
        free(w->sealed); /* ciphertext */
        compressor_free(w->codec);
    }
    pthread_mutex_destroy(&s->lock);
    free(s->workers);
    free(s->complete);
    wipe(s, sizeof *s);
    free(s);
}

srm_status session_enter(session *s) {
    int ready = READY;
    if (s->owner != getpid() || !atomic_compare_exchange_strong(&s->state, &ready, BUSY))
        return SRM_ESTATE;
    return SRM_OK;
}

void session_leave(session *s, srm_status status, bool last) {
    bool stopped_early = status == SRM_ECANCELLED && !last && !atomic_load(&s->is_broken);
    session_state state = status != SRM_OK && !stopped_early ? FAILED : last ? FINISHED : READY;
    atomic_store(&s->state, (int)state);
}

void session_forget(session *s) {
    atomic_store(&s->state, READY);
}

unsigned session_worker_count(const session *s) {
    return s->worker_count;
}

void session_expect(session *s, uint64_t len) {
    s->expected = UINT64_MAX - s->expected < len ? UINT64_MAX : s->expected + len;
}

bool session_admits(const session *s, unsigned number) {
    return s->expected / WORKER_SHARE >= number;
}

static srm_status report(session *s, const srm_segment_info *info) {
    srm_status status = SRM_OK;
    pthread_mutex_lock(&s->lock);
    if (s->complete_count == s->complete_cap) {
        size_t cap = s->complete_cap == 0 ? 16 : 2 * s->complete_cap;
        srm_segment_info *grown = realloc(s->complete, cap * sizeof *grown);
        if (grown == NULL) {
            status = SRM_ENOMEM;
        } else {
            s->complete = grown;
            s->complete_cap = cap;
        }
    }
    if (status == SRM_OK)
        s->complete[s->complete_count++] = *info;
    pthread_mutex_unlock(&s->lock);
    return status;
}

srm_status session_take_segments(session *s, srm_segment_info *out, size_t cap, size_t *count) {
    *count = 0;
    if (s->owner != getpid())
        return SRM_ESTATE;
    pthread_mutex_lock(&s->lock);
    *count = min_size(cap, s->complete_count);
    if (*count > 0) {
        memcpy(out, s->complete, *count * sizeof *out);
        s->complete_count -= *count;
        memmove(s->complete, s->complete + *count, s->complete_count * sizeof *out);
    }
    pthread_mutex_unlock(&s->lock);
    return SRM_OK;
}

/* --- its workers --- */

session_worker *session_worker_at(session *s, unsigned number) {
    session_worker *w = &s->workers[number];
    if (w->frame == NULL)
        w->frame = malloc(SRM_FRAME_LEN);
    if (w->sealed == NULL)
        w->sealed = malloc(SRM_FRAME_LEN);
    return w->frame == NULL || w->sealed == NULL ? NULL : w;
}

uint8_t *session_worker_buffer(session_worker *me) {
    return me->frame + RECORD_HEAD_LEN;
}

/* The segment that ended last is on disk, or nearly, by the time the next one ends. */
static srm_status settle_ended(session *s, session_worker *me, job_control *control) {
    srm_segment_info info;
    if (me->ended.writer == NULL)
        return SRM_OK;
    srm_status status = segment_writer_sync(me->ended.writer, control, &info);
    if (status == SRM_OK)
        status = report(s, &info);
    if (status != SRM_OK)
        return status;
    segment_writer_keep(me->ended.writer);
    segment_writer_free(me->ended.writer);
    me->ended.writer = NULL;
    return SRM_OK;
}

static srm_status end_segment(
    session *s, session_worker *me, open_segment *o, job_control *control) {
    if (o->writer == NULL)
        return SRM_OK;
    srm_status status = segment_writer_end(o->writer, control, me->sealed);
    if (status == SRM_OK)
        status = settle_ended(s, me, control);
    if (status != SRM_OK)
        return status;
    me->ended = *o;
    o->writer = NULL;
    return SRM_OK;
}

srm_status session_close_segments(session *s, unsigned number, job_control *control) {
    session_worker *me = &s->workers[number];
    srm_status status = SRM_OK;
    for (unsigned kind = 0; status == SRM_OK && kind < OPEN_COUNT; kind++)
        status = end_segment(s, me, &me->open[kind], control);
    if (status == SRM_OK)
        status = settle_ended(s, me, control);
    if (status != SRM_OK)
        atomic_store(&s->is_broken, true);
    return status;
}

static srm_status begin_segment(session *s, open_segment *o, job_control *control) {
    segment_writer *writer = NULL;
    srm_status status = segment_writer_new(&s->header, s->spool, control, &writer);
    if (status == SRM_OK)
        status = index_segment(s->index, segment_writer_id(writer), &o->number);
    if (status == SRM_OK)
        o->writer = writer;
    else
        segment_writer_free(writer);
    return status;
}

/* Compress a chunk if that pays. */
static srm_status encode(
    session *s, session_worker *me, const uint8_t *raw, bool is_media, data_chunk *chunk) {
    size_t raw_len = chunk->raw_len;
    chunk->stored = raw;
    chunk->stored_len = chunk->raw_len;
    chunk->codec = CODEC_RAW;
    if (s->header.level == 0 || probe_chunk(raw, raw_len, is_media) == PROBE_RAW)
        return SRM_OK;
    if (me->compressed == NULL)
        me->compressed = malloc(compressor_bound());
    if (me->compressed == NULL)
        return SRM_ENOMEM;
    size_t stored_len = 0;
    srm_status status = SRM_OK;
    if (me->codec == NULL)
        status = compressor_new(s->header.level, &me->codec);
    if (status == SRM_OK)
        status = compressor_try(me->codec, raw, raw_len, is_media, me->compressed, &stored_len);
    if (status == SRM_OK && stored_len > 0) {
        chunk->stored = me->compressed;
        chunk->stored_len = (uint32_t)stored_len;
        chunk->codec = CODEC_ZSTD;
    }
    return status;
}

static srm_status store(
    session *s, session_worker *me, job_control *control, const data_chunk *chunk) {
    bool is_whole = chunk->stored_len == SRM_CHUNK_LEN;
    bool in_place = is_whole && chunk->stored == session_worker_buffer(me);
    open_segment *o = &me->open[is_whole ? WHOLE : PACKED];
    srm_status status = SRM_OK;
    if (o->writer != NULL && !segment_writer_has_room(o->writer, chunk->stored_len))
        status = end_segment(s, me, o, control);
    if (status == SRM_OK && o->writer == NULL)
        status = begin_segment(s, o, control);
    if (status != SRM_OK)
        return status;
    srm_location at = {
        .segment = o->number, .stored_len = chunk->stored_len, .raw_len = chunk->raw_len};
    uint8_t *out = in_place ? me->frame : me->sealed;
    status = segment_writer_put(o->writer, control, chunk, out, &at.off);
    return status == SRM_OK ? index_put(s->index, chunk->id, &at) : status;
}

srm_status session_take_chunk(session *s, session_worker *me, job_control *control,
    const uint8_t *raw, size_t raw_len, bool is_media, uint8_t id[SRM_DIGEST_LEN],
    uint64_t *stored_len) {
    data_chunk chunk = {.raw_len = (uint32_t)raw_len};
    bool mine = false;
    blake3_keyed(s->chunk_key, raw, raw_len, id);
    srm_status status = index_claim(s->index, id, &mine);
    if (status != SRM_OK || !mine)
        return status;
    memcpy(chunk.id, id, SRM_DIGEST_LEN);
    status = encode(s, me, raw, is_media, &chunk);
    if (status == SRM_OK)
        status = store(s, me, control, &chunk);
    if (status != SRM_OK)
        atomic_store(&s->is_broken, true);
    if (status == SRM_OK)
        *stored_len += RECORD_HEAD_LEN + chunk.stored_len;
    else if (index_remove(s->index, id) != SRM_OK) /* nobody may count on it */
        status = SRM_ENOMEM;
    return status;
}
