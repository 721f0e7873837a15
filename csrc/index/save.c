/* Tables and memory, merged into one table file. Every part of the ids is gone through twice: to
 * know how many places there will be, and to write them. */
#include "crypto/hash.h"
#include "index/tables.h"
#include "index/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define UNNUMBERED UINT32_MAX

typedef struct saving {
    const chunk_index *x;
    bool fresh_only;
    uint32_t known;    /* segments of the index */
    uint32_t *numbers; /* what they have in the file */
    uint8_t *ids;      /* their names */
    uint32_t segment_count;
    uint64_t count;
    writer *writer; /* NULL: count alone */
} saving;

static void number_segment(saving *s, uint32_t segment) {
    if (s->numbers[segment] != UNNUMBERED)
        return;
    memcpy(s->ids + (size_t)s->segment_count * NAME_LEN, names_get(&s->x->segments, segment)->id,
        NAME_LEN);
    s->numbers[segment] = s->segment_count++;
}

static srm_status take(saving *s, place p) {
    if (p.segment != PLACE_REMOVED) {
        if (p.segment >= s->known)
            return SRM_ESTATE; /* another thread goes on */
        number_segment(s, p.segment);
        place_renumber(&p, s->numbers[p.segment]);
    }
    s->count++;
    p.overrules = 0;
    return s->writer == NULL ? SRM_OK : writer_add(s->writer, &p);
}

static srm_status take_fresh(saving *s, const place *p) {
    place removed = {.segment = PLACE_REMOVED, .stored_len = 1};
    if (fresh_meaning(s->x, p) == HERE)
        return take(s, *p);
    if (!s->fresh_only || !p->overrules)
        return SRM_OK;
    memcpy(removed.id, p->id, sizeof removed.id);
    return take(s, removed);
}

static srm_status walk_fresh(saving *s, unsigned number) {
    srm_status status = SRM_OK;
    uint8_t first[INDEX_ID_LEN] = {(uint8_t)(number << (8 - PARTS_LOG2))};
    part *p = fresh_enter(&s->x->fresh, first);
    for (size_t i = 0; status == SRM_OK && i < p->capacity; i++)
        if (!place_is_empty(&p->places[i]))
            status = take_fresh(s, &p->places[i]);
    fresh_leave(p);
    return status;
}

/* Of a table: is it still to be found there? */
static bool is_current(const saving *s, unsigned number, const place *p) {
    const chunk_index *x = s->x;
    place newer;
    if (p->segment == PLACE_REMOVED || !names_is_live(&x->segments, p->segment))
        return false;
    if (fresh_get(&x->fresh, p->id, &newer) && fresh_meaning(x, &newer) != AS_TABLES_SAY)
        return false;
    for (unsigned i = number + 1; i < x->table_count; i++)
        if (table_get(&x->tables[i], p->id, &newer) &&
            (newer.segment == PLACE_REMOVED || names_is_live(&x->segments, newer.segment)))
            return false;
    return true;
}

static srm_status walk_table(saving *s, unsigned number, unsigned part_number) {
    const table *t = &s->x->tables[number];
    srm_status status = SRM_OK;
    uint8_t first[INDEX_ID_LEN] = {(uint8_t)(part_number << (8 - PARTS_LOG2))};
    uint8_t last[INDEX_ID_LEN] = {(uint8_t)(first[0] | (0xff >> PARTS_LOG2))};
    memset(last + 1, 0xff, sizeof last - 1);
    uint64_t last_home = table_home(t->home_count, last);
    for (uint64_t at = table_home(t->home_count, first); at < t->slot_count; at++) {
        place p;
        if (at > last_home && place_is_empty(&t->slots[at]))
            break;
        if (part_of(t->slots[at].id) == part_number && table_at(t, at, &p) &&
            is_current(s, number, &p))
            status = take(s, p);
        if (status != SRM_OK)
            break;
    }
    return status;
}

static srm_status walk(saving *s) {
    srm_status status = SRM_OK;
    s->count = 0;
    for (unsigned i = 0; status == SRM_OK && i < PART_COUNT; i++) {
        if (s->writer != NULL)
            status = writer_advance(s->writer, i);
        if (status == SRM_OK)
            status = walk_fresh(s, i);
        for (unsigned t = 0; !s->fresh_only && status == SRM_OK && t < s->x->table_count; t++)
            status = walk_table(s, t, i);
    }
    return status;
}

/* Every segment that no older table will name, even if it holds no chunk. */
static srm_status number_segments(saving *s) {
    uint32_t count = names_count(&s->x->segments);
    s->known = count;
    s->numbers = calloc((size_t)count + 1, sizeof *s->numbers);
    s->ids = calloc((size_t)count + 1, NAME_LEN);
    if (s->numbers == NULL || s->ids == NULL)
        return SRM_ENOMEM;
    memset(s->numbers, 0xff, count * sizeof *s->numbers);
    for (uint32_t i = 0; i < count; i++)
        if (names_is_live(&s->x->segments, i) &&
            !(s->fresh_only && names_get(&s->x->segments, i)->in_table))
            number_segment(s, i);
    return SRM_OK;
}

static srm_status write_header(
    const saving *s, int fd, const uint8_t note[INDEX_NOTE_LEN], uint64_t slot_count) {
    uint8_t page[TABLE_PAGE_LEN];
    size_t ids_len = (size_t)s->segment_count * NAME_LEN;
    table_header h = {
        .home_count = s->writer->home_count,
        .slot_count = slot_count,
        .count = s->count,
        .segment_count = s->segment_count,
    };
    memcpy(h.note, note, INDEX_NOTE_LEN);
    srm_status status = sha256_digest(s->ids, ids_len, h.names_digest);
    if (status == SRM_OK)
        status = write_all_at(fd, s->ids, ids_len, TABLE_PAGE_LEN);
    if (status == SRM_OK)
        status = table_header_seal(&h, page);
    return status == SRM_OK ? write_all_at(fd, page, sizeof page, 0) : status;
}

srm_status index_save(
    const chunk_index *x, int fd, const uint8_t note[INDEX_NOTE_LEN], bool fresh_only) {
    saving s = {.x = x, .fresh_only = fresh_only};
    writer w = {0};
    uint64_t slot_count = 0;
    srm_status status = number_segments(&s);
    if (status == SRM_OK)
        status = walk(&s);
    uint64_t expected = s.count;
    if (status == SRM_OK) {
        writer_begin(&w, fd, table_places_off(s.segment_count), s.count);
        s.writer = &w;
        status = walk(&s);
    }
    if (status == SRM_OK)
        status = s.count == expected ? writer_end(&w, &slot_count) : SRM_ESTATE;
    if (status == SRM_OK)
        status = write_header(&s, fd, note, slot_count);
    writer_free(&w);
    free(s.numbers);
    free(s.ids);
    return status;
}
