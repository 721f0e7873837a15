/* Each worker takes the next segment and reads its last frame, in which the directory lies. Of a
 * chunk that several segments have, the last of them counts: it was stored again because another
 * was lost. */
#include "pipeline/load.h"

#include "pipeline/each.h"
#include "pipeline/recover.h"

#include <stdlib.h>

typedef struct load_work {
    each each;
    chunk_index *index;
} load_work;

static srm_status put_entries(
    chunk_index *index, uint32_t number, const data_entry *entries, uint32_t count) {
    srm_status status = SRM_OK;
    for (uint32_t i = 0; i < count && status == SRM_OK; i++) {
        const srm_location at = {.segment = number,
            .off = entries[i].off,
            .stored_len = entries[i].stored_len,
            .raw_len = entries[i].raw_len};
        status = index_learn(index, entries[i].id, &at, false);
    }
    return status;
}

static srm_status load_one(
    each *e, reader *r, const opened_segment *s, uint64_t number, srm_segment_status *status) {
    (void)number;
    load_work *w = (load_work *)e;
    data_entry *entries = NULL;
    uint32_t segment = 0;
    reader_turn(r, s, &s->keys, NULL);
    srm_status found = reader_frame(r, s->layout.frame_count - 1);
    if (found != SRM_OK) {
        each_note(status, &r->failure);
    } else {
        found = data_directory(r->plain, r->plain_len, &s->layout, &entries, &status->chunks);
        if (concerns_one(found))
            each_note(status, &(srm_failure){.status = (int32_t)found,
                                  .place = SRM_AT_DIRECTORY,
                                  .frame = s->layout.frame_count - 1});
    }
    if (found == SRM_OK || concerns_one(found)) {
        srm_status numbered = index_segment(w->index, s->id, &segment);
        if (numbered != SRM_OK)
            found = numbered;
    }
    if (found == SRM_OK)
        found = put_entries(w->index, segment, entries, status->chunks);
    else if (concerns_one(found))
        found =
            recover_chunks(r, segments_chunk_key(e->segments), w->index, segment, &status->chunks);
    free(entries);
    return found;
}

srm_status load_start(segments *g, chunk_index *index, const uint8_t *ids, uint64_t count,
    srm_segment_status *statuses, uint32_t threads, srm_job **out) {
    *out = NULL;
    load_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return SRM_ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t number; /* in this order, whichever is read first */
        srm_status status = index_segment(index, ids + i * SRM_SESSION_ID_LEN, &number);
        if (status != SRM_OK) {
            free(w);
            return status;
        }
    }
    w->index = index;
    w->each = (each){.segments = g,
        .ids = ids,
        .count = count,
        .statuses = statuses,
        .threads = threads,
        .visit = load_one};
    return each_start(&w->each, out);
}
