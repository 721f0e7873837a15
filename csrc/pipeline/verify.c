/* Each worker takes the next segment. The directory, which the last frame holds, says where every
 * byte belongs: records, in order and without a gap, then zeros up to the directory itself. A frame
 * or chunk that is bad is noted, and the rest is checked all the same. */
#include "pipeline/verify.h"

#include "base/bytes.h"
#include "pipeline/each.h"
#include "pipeline/id_list.h"
#include "segment/root.h"

#include <stdlib.h>

typedef struct verify_work {
    each each;
    const uint8_t *roots;
    id_list bad; /* of all segments, under the crew's lock; its memory is the job's */
} verify_work;

/* A segment that is being checked. */
typedef struct check {
    verify_work *work;
    reader *reader;
    const opened_segment *segment;
    srm_segment_status *status;
    const uint8_t *root; /* it should have */
    uint64_t next_frame; /* frames before this one were opened */
    id_list bad;         /* its own */
    uint8_t digests[DATA_DIGESTS_LEN_MAX];
} check;

/* --- noting; each returns what fails the job --- */

static srm_status note(check *c, srm_status status, srm_place place) {
    each_note(c->status,
        &(srm_failure){
            .status = (int32_t)status, .place = (int32_t)place, .frame = c->reader->frame});
    return concerns_one(status) ? SRM_OK : status;
}

static srm_status note_failure(check *c) {
    const srm_failure *failure = &c->reader->failure;
    each_note(c->status, failure);
    return failure->status == SRM_OK || concerns_one((srm_status)failure->status)
               ? SRM_OK
               : (srm_status)failure->status;
}

/* Hand over the bad chunks of the segment, which then lie together. */
static srm_status tell_bad_chunks(check *c) {
    verify_work *w = c->work;
    job_control *control = w->each.control;
    crew_enter(&w->each.crew);
    const uint64_t first = w->bad.count;
    srm_status status = id_list_add(&w->bad, c->bad.ids, c->bad.count);
    control->ids = w->bad.ids;
    control->id_count = w->bad.count;
    crew_leave(&w->each.crew);
    if (status == SRM_OK) {
        c->status->bad_first = first;
        c->status->bad_chunks = c->bad.count;
    }
    return status;
}

/* --- checking --- */

/* Open the frames up to this one that were not opened yet. */
static srm_status pass_frames(check *c, uint64_t end) {
    srm_status status = SRM_OK;
    for (; c->next_frame < end && status == SRM_OK; c->next_frame++)
        if (reader_frame(c->reader, c->next_frame) != SRM_OK)
            status = note_failure(c);
    return status;
}

/* Nothing may stand between plaintext offsets `from` and `to`. */
static srm_status check_zeros(check *c, uint64_t from, uint64_t to) {
    while (from < to) {
        const uint64_t frame = from / FRAME_PLAIN_LEN;
        srm_status status = pass_frames(c, frame + 1);
        if (status != SRM_OK)
            return status;
        size_t at = (size_t)(from % FRAME_PLAIN_LEN);
        size_t len = FRAME_PLAIN_LEN - at;
        if (len > to - from)
            len = (size_t)(to - from);
        if (reader_frame(c->reader, frame) == SRM_OK &&
            (at + len > c->reader->plain_len || zero_run(c->reader->plain + at, len) != len))
            status = note(c, SRM_EDAMAGED, SRM_AT_PADDING);
        if (status != SRM_OK)
            return status;
        from += len;
    }
    return SRM_OK;
}

static bool agree(const record_head *head, const data_entry *entry) {
    return memcmp(head->id, entry->id, sizeof head->id) == 0 && head->codec == entry->codec &&
           head->stored_len == entry->stored_len && head->raw_len == entry->raw_len;
}

static srm_status check_chunk(check *c, const data_entry *entry) {
    record_head head;
    const uint8_t *raw = NULL;
    srm_status status = pass_frames(c, entry->off / FRAME_PLAIN_LEN);
    if (status != SRM_OK)
        return status;
    srm_status found = reader_chunk(
        c->reader, segments_chunk_key(c->work->each.segments), entry->off, &head, &raw);
    if (c->reader->frame >= c->next_frame)
        c->next_frame = c->reader->frame + 1;
    if (found == SRM_OK && agree(&head, entry))
        return SRM_OK;
    status = found == SRM_OK ? note(c, SRM_EDAMAGED, SRM_AT_DIRECTORY) : note_failure(c);
    return status == SRM_OK ? id_list_add(&c->bad, entry->id, 1) : status;
}

/* data_directory has seen to it that the entries follow each other. */
static srm_status check_records(check *c, const data_entry *entries, uint32_t count) {
    const uint64_t directory_len = (uint64_t)count * DATA_ENTRY_LEN + RECORD_HEAD_LEN + FOOTER_LEN;
    uint64_t end = 0;
    srm_status status = SRM_OK;
    for (uint32_t i = 0; i < count && status == SRM_OK; i++) {
        status = check_zeros(c, end, entries[i].off);
        if (status == SRM_OK)
            status = check_chunk(c, &entries[i]);
        end = (uint64_t)entries[i].off + RECORD_HEAD_LEN + entries[i].stored_len;
    }
    if (status == SRM_OK)
        status = check_zeros(c, end, layout_plain_len(&c->segment->layout) - directory_len);
    return status;
}

static srm_status check_root(check *c) {
    const opened_segment *s = c->segment;
    uint8_t root[SRM_DIGEST_LEN];
    uint8_t trailer[DATA_DIGESTS_LEN_MAX + SRM_TRAILER_LEN];
    srm_status status = root_of_digests(s->header, &s->layout, c->digests, root);
    if (status != SRM_OK)
        return status;
    if (memcmp(root, c->root, sizeof root) != 0)
        status = note(c, SRM_EDAMAGED, SRM_AT_ROOT);
    if (status != SRM_OK || !s->whole)
        return status;
    if (opened_segment_read(s, layout_trailer_off(&s->layout), trailer,
            data_trailer_len(&s->layout), &c->reader->failure) != SRM_OK)
        return note_failure(c);
    if (data_trailer_check(trailer, s->header, root, &s->layout, c->digests) != SRM_OK)
        return note(c, SRM_EDAMAGED, SRM_AT_TRAILER);
    return SRM_OK;
}

static srm_status verify_one(
    each *e, reader *r, const opened_segment *s, uint64_t number, srm_segment_status *status) {
    verify_work *w = (verify_work *)e;
    check c = {.work = w,
        .reader = r,
        .segment = s,
        .status = status,
        .root = w->roots + number * SRM_DIGEST_LEN};
    data_entry *entries = NULL;
    reader_turn(r, s, &s->keys, c.digests);
    srm_status found = reader_frame(r, s->layout.frame_count - 1);
    if (found == SRM_OK)
        found = data_directory(r->plain, r->plain_len, &s->layout, &entries, &status->chunks);
    srm_status result = found == SRM_OK || concerns_one(found) ? SRM_OK : found;
    if (found == SRM_OK)
        result = check_records(&c, entries, status->chunks);
    if (result == SRM_OK)
        result = pass_frames(&c, s->layout.frame_count);
    if (result == SRM_OK && found != SRM_OK)
        result = note(&c, SRM_EDAMAGED, SRM_AT_DIRECTORY);
    if (result == SRM_OK && s->layout.last_len > 0)
        result = check_root(&c);
    if (result == SRM_OK && c.bad.count > 0)
        result = tell_bad_chunks(&c);
    id_list_free(&c.bad);
    free(entries);
    return result;
}

srm_status verify_start(segments *g, const uint8_t *ids, const uint8_t *roots, uint64_t count,
    srm_segment_status *statuses, uint32_t threads, srm_job **out) {
    *out = NULL;
    verify_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return SRM_ENOMEM;
    w->roots = roots;
    w->each = (each){.segments = g,
        .ids = ids,
        .count = count,
        .statuses = statuses,
        .threads = threads,
        .visit = verify_one};
    return each_start(&w->each, out);
}
