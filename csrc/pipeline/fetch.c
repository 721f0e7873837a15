/* Chunks are taken in the order in which they are stored: each worker opens the frames of a stretch
 * of one segment, once each, and writes what is wanted of them. */
#include "pipeline/fetch.h"

#include "base/bytes.h"
#include "pipeline/reader.h"
#include "threads/crew.h"

#include <stdlib.h>

/* Frames a stretch may begin in. A chunk at its end may reach into one more, which the next
 * stretch opens again. */
#define STRETCH_FRAMES 16

/* A want that has a place. */
typedef struct placed {
    uint32_t segment;
    uint32_t off;
    uint32_t want;
} placed;

typedef struct worker {
    reader reader;
    bool has_keys;
    segment_keys keys;
} worker;

typedef struct fetch_work {
    segments *segments;
    chunk_index *index;
    srm_want *wants;
    uint64_t want_count;
    target to;
    uint32_t threads;
    job_control *control;
    placed *placed;
    size_t placed_count;
    unsigned worker_count;
    worker *workers;

    crew crew;
    size_t next; /* under its lock: placed */
} fetch_work;

static void settle(srm_want *want, const srm_failure *failure) {
    want->status = failure->status;
    want->place = failure->place;
    want->os_error = failure->os_error;
}

/* --- without the lock --- */

static srm_status have_keys(worker *me, const opened_segment *s) {
    if (me->has_keys && memcmp(me->keys.salt, s->keys.salt, SALT_LEN) == 0)
        return SRM_OK;
    if (me->has_keys)
        segment_keys_wipe(&me->keys);
    me->has_keys = false;
    srm_status status = segment_keys_copy(&s->keys, &me->keys);
    me->has_keys = status == SRM_OK;
    return status;
}

static void write_chunk(
    fetch_work *w, srm_want *want, const record_head *head, const uint8_t *raw) {
    srm_failure failure = {0};
    if (memcmp(want->id, head->id, sizeof want->id) != 0 || want->raw_len != head->raw_len) {
        (void)failed(&failure, SRM_EDAMAGED, SRM_AT_RECORD, 0);
    } else {
        int os_error = target_write(&w->to, want, raw);
        if (os_error != 0)
            (void)failed(&failure, SRM_EIO, SRM_AT_OUTPUT, os_error);
        else
            atomic_fetch_add_explicit(&w->control->bytes_out, want->raw_len, memory_order_relaxed);
    }
    settle(want, &failure);
}

/* What is wanted at one place; end: of those in hand. Returns how many wants that were. */
static size_t fetch_chunk(
    fetch_work *w, worker *me, const placed *at, const placed *end, srm_status *status) {
    record_head head;
    const uint8_t *raw = NULL;
    size_t count = 1;
    while (at + count < end && at[count].off == at->off)
        count++;
    srm_status found =
        reader_chunk(&me->reader, segments_chunk_key(w->segments), at->off, &head, &raw);
    for (size_t i = 0; i < count; i++) {
        srm_want *want = &w->wants[at[i].want];
        if (found == SRM_OK)
            write_chunk(w, want, &head, raw);
        else
            settle(want, &me->reader.failure);
    }
    *status = concerns_one(found) ? SRM_OK : found;
    return count;
}

static srm_status fetch_stretch(fetch_work *w, worker *me, const placed *at, const placed *end) {
    const opened_segment *s = NULL;
    srm_failure failure = {0};
    uint8_t id[SEGMENT_ID_LEN];
    srm_status status = index_segment_id(w->index, at->segment, id);
    if (status == SRM_OK)
        status = segments_take(w->segments, id, &s, &failure);
    else
        (void)failed(&failure, status, SRM_AT_NONE, 0); /* dropped since it was found */
    if (status != SRM_OK) {
        for (; at < end; at++)
            settle(&w->wants[at->want], &failure);
        return concerns_one(status) ? SRM_OK : status;
    }
    bool sound = true;
    status = have_keys(me, s);
    reader_turn(&me->reader, s, &me->keys, NULL);
    while (at < end && status == SRM_OK) {
        at += fetch_chunk(w, me, at, end, &status);
        sound = sound && me->reader.failure.status == SRM_OK;
    }
    segments_return(w->segments, s, sound);
    return status;
}

/* --- under lock --- */

static bool is_done(const void *work) {
    const fetch_work *w = work;
    return w->next == w->placed_count;
}

static size_t stretch_end(const fetch_work *w, size_t from) {
    const placed *first = &w->placed[from];
    const uint64_t frames_end = first->off / FRAME_PLAIN_LEN + STRETCH_FRAMES;
    size_t to = from + 1;
    while (to < w->placed_count && w->placed[to].segment == first->segment &&
           w->placed[to].off / FRAME_PLAIN_LEN < frames_end)
        to++;
    return to;
}

static bool do_next(void *work, unsigned number) {
    fetch_work *w = work;
    const size_t from = w->next;
    const size_t to = stretch_end(w, from);
    w->next = to;
    crew_leave(&w->crew);
    srm_status status = fetch_stretch(w, &w->workers[number], w->placed + from, w->placed + to);
    crew_enter(&w->crew);
    crew_stop(&w->crew, status);
    return true;
}

/* --- one thread --- */

static int compare_places(const void *a, const void *b) {
    const placed *x = a;
    const placed *y = b;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    if (x->off != y->off)
        return x->off < y->off ? -1 : 1;
    return x->want < y->want ? -1 : x->want > y->want;
}

/* Find the place of each want; those that have none are settled. */
static srm_status find_places(fetch_work *w) {
    bool in_order = true;
    for (uint64_t i = 0; i < w->want_count; i++) {
        srm_want *want = &w->wants[i];
        srm_location at;
        srm_failure failure = {.status = SRM_ECANCELLED}; /* until it was taken in hand */
        if (want->raw_len == 0 || want->raw_len > SRM_CHUNK_LEN || !target_has(&w->to, want)) {
            failure.status = SRM_EINVAL;
        } else if (!index_find(w->index, want->id, &at)) {
            failure.status = SRM_ENOTFOUND;
        } else {
            const placed p = {.segment = at.segment, .off = at.off, .want = (uint32_t)i};
            if (w->placed_count > 0 && in_order)
                in_order = compare_places(&w->placed[w->placed_count - 1], &p) < 0;
            w->placed[w->placed_count++] = p;
        }
        settle(want, &failure);
        if (i % 4096 == 0 && atomic_load(&w->control->cancelled))
            return SRM_ECANCELLED;
    }
    if (!in_order)
        qsort(w->placed, w->placed_count, sizeof *w->placed, compare_places);
    return SRM_OK;
}

static srm_status prepare(fetch_work *w) {
    if (w->want_count > UINT32_MAX)
        return SRM_ELIMIT;
    w->placed = calloc(w->want_count > 0 ? (size_t)w->want_count : 1, sizeof *w->placed);
    if (w->placed == NULL)
        return SRM_ENOMEM;
    srm_status status = find_places(w);
    if (status != SRM_OK)
        return status;
    uint64_t stretch_count = 0;
    for (size_t i = 0; i < w->placed_count; i = stretch_end(w, i))
        stretch_count++;
    w->worker_count = crew_size(w->threads, stretch_count);
    w->workers = calloc(w->worker_count, sizeof *w->workers);
    if (w->workers == NULL)
        return SRM_ENOMEM;
    for (unsigned i = 0; i < w->worker_count; i++)
        reader_begin(&w->workers[i].reader, w->control);
    return SRM_OK;
}

static srm_status fetch_body(void *argument, job_control *control) {
    fetch_work *w = argument;
    w->control = control;
    srm_status status = prepare(w);
    if (status == SRM_OK)
        status = crew_run(&w->crew, w->worker_count, do_next, is_done, w);
    return status == SRM_OK ? SRM_OK : job_fail(control, status, SRM_AT_NONE, 0);
}

static void fetch_release(void *argument) {
    fetch_work *w = argument;
    for (unsigned i = 0; w->workers != NULL && i < w->worker_count; i++) {
        reader_end(&w->workers[i].reader);
        if (w->workers[i].has_keys)
            segment_keys_wipe(&w->workers[i].keys);
    }
    free(w->workers);
    free(w->placed);
    crew_end(&w->crew);
    free(w);
}

srm_status fetch_start(segments *g, chunk_index *index, srm_want *wants, uint64_t count, target to,
    uint32_t threads, srm_job **out) {
    *out = NULL;
    fetch_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return SRM_ENOMEM;
    crew_begin(&w->crew);
    w->segments = g;
    w->index = index;
    w->wants = wants;
    w->want_count = count;
    w->to = to;
    w->threads = threads;
    srm_status status = job_start(fetch_body, fetch_release, w, out);
    if (status != SRM_OK)
        fetch_release(w);
    return status;
}
