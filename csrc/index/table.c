#include "index/table.h"

#include "index/tables.h"

#include <stdlib.h>

#define AHEAD 16 /* lookups that are on their way from memory at once */

void index_free(chunk_index *x) {
    if (x == NULL)
        return;
    for (unsigned i = 0; i < x->table_count; i++)
        table_close(&x->tables[i]);
    fresh_free(&x->fresh);
    names_free(&x->segments);
    free(x);
}

srm_status index_new(chunk_index **out) {
    void *made = NULL;
    *out = NULL;
    if (posix_memalign(&made, _Alignof(chunk_index), sizeof(chunk_index)) != 0)
        return SRM_ENOMEM;
    chunk_index *x = made;
    memset(x, 0, sizeof *x);
    names_begin(&x->segments);
    fresh_begin(&x->fresh);
    *out = x; /* the caller owns it now */
    return SRM_OK;
}

srm_status index_add_table(chunk_index *x, int fd) {
    if (x->table_count == TABLES_MAX)
        return SRM_ELIMIT;
    srm_status status = table_open(&x->tables[x->table_count], fd, &x->segments);
    if (status == SRM_OK)
        x->table_count++;
    return status;
}

srm_status index_segment(chunk_index *x, const uint8_t id[NAME_LEN], uint32_t *number) {
    return names_add(&x->segments, id, number);
}

srm_status index_segment_id(const chunk_index *x, uint32_t number, uint8_t id[NAME_LEN]) {
    memset(id, 0, NAME_LEN);
    if (!names_is_live(&x->segments, number))
        return SRM_ENOTFOUND;
    memcpy(id, names_get(&x->segments, number)->id, NAME_LEN);
    return SRM_OK;
}

uint32_t index_segment_count(const chunk_index *x) {
    return names_count(&x->segments);
}

void index_drop_segment(chunk_index *x, uint32_t number) {
    name *found = names_get(&x->segments, number);
    if (found != NULL)
        atomic_store(&found->dropped, true);
}

bool tables_find(const chunk_index *x, unsigned end, const uint8_t id[INDEX_ID_LEN], place *out) {
    for (unsigned i = end; i-- > 0;)
        if (table_get(&x->tables[i], id, out)) {
            if (out->segment == PLACE_REMOVED)
                return false;
            if (names_is_live(&x->segments, out->segment))
                return true;
        }
    return false;
}

meaning fresh_meaning(const chunk_index *x, const place *p) {
    if (p->segment == PLACE_REMOVED)
        return NOWHERE;
    if (p->segment == PLACE_CLAIMED)
        return CLAIMED;
    if (names_is_live(&x->segments, p->segment))
        return HERE;
    return p->overrules ? NOWHERE : AS_TABLES_SAY;
}

/* With the lock of its part: what overrules tables goes on doing so. */
static srm_status set(part *p, const uint8_t id[INDEX_ID_LEN], const srm_location *at) {
    place new_place = place_from(id, at);
    const place *old = part_find(p, id);
    new_place.overrules = at->segment == PLACE_REMOVED || (old != NULL && old->overrules);
    return part_set(p, &new_place);
}

static bool is_sound(const chunk_index *x, const srm_location *at) {
    return at->segment < names_count(&x->segments) && at->segment < PLACE_CLAIMED &&
           at->off < 1u << OFF_BITS && at->stored_len > 0 && at->stored_len <= at->raw_len &&
           at->raw_len <= SRM_CHUNK_LEN;
}

srm_status index_put(chunk_index *x, const uint8_t id[SRM_DIGEST_LEN], const srm_location *at) {
    if (!is_sound(x, at))
        return SRM_EINVAL;
    part *p = fresh_enter(&x->fresh, id);
    srm_status status = set(p, id, at);
    fresh_leave(p);
    return status;
}

srm_status index_learn(
    chunk_index *x, const uint8_t id[SRM_DIGEST_LEN], const srm_location *at, bool mere_find) {
    place stored;
    srm_status status = SRM_OK;
    if (!is_sound(x, at))
        return SRM_EINVAL;
    bool in_tables = mere_find && tables_find(x, x->table_count, id, &stored);
    part *p = fresh_enter(&x->fresh, id);
    const place *known = part_find(p, id);
    meaning m = known == NULL ? AS_TABLES_SAY : fresh_meaning(x, known);
    if (m == HERE ? !mere_find && known->segment <= at->segment : m != AS_TABLES_SAY || !in_tables)
        status = set(p, id, at);
    fresh_leave(p);
    return status;
}

srm_status index_remove(chunk_index *x, const uint8_t id[SRM_DIGEST_LEN]) {
    part *p = fresh_enter(&x->fresh, id);
    srm_status status = set(p, id, &(srm_location){.segment = PLACE_REMOVED, .stored_len = 1});
    fresh_leave(p);
    return status;
}

srm_status index_claim(chunk_index *x, const uint8_t id[SRM_DIGEST_LEN], bool *mine) {
    place stored;
    srm_status status = SRM_OK;
    bool in_tables = tables_find(x, x->table_count, id, &stored);
    part *p = fresh_enter(&x->fresh, id);
    const place *known = part_find(p, id);
    meaning m = known == NULL ? AS_TABLES_SAY : fresh_meaning(x, known);
    *mine = m == NOWHERE || (m == AS_TABLES_SAY && !in_tables);
    if (*mine)
        status = set(p, id, &(srm_location){.segment = PLACE_CLAIMED, .stored_len = 1});
    fresh_leave(p);
    *mine = *mine && status == SRM_OK;
    return status;
}

bool index_find(const chunk_index *x, const uint8_t id[SRM_DIGEST_LEN], srm_location *at) {
    place found;
    meaning m = fresh_get(&x->fresh, id, &found) ? fresh_meaning(x, &found) : AS_TABLES_SAY;
    *at = (srm_location){0};
    if (m == AS_TABLES_SAY && tables_find(x, x->table_count, id, &found))
        m = HERE;
    if (m != HERE)
        return false;
    *at = place_location(&found);
    return true;
}

void index_find_all(const chunk_index *x, const uint8_t *ids, uint64_t count, uint32_t *raw_lens) {
    srm_location at;
    for (uint64_t i = 0; i < count; i++) {
        for (unsigned t = 0; i + AHEAD < count && t < x->table_count; t++)
            table_expect(&x->tables[t], ids + (i + AHEAD) * SRM_DIGEST_LEN);
        raw_lens[i] = index_find(x, ids + i * SRM_DIGEST_LEN, &at) ? at.raw_len : 0;
    }
}

uint64_t index_count(const chunk_index *x) {
    uint64_t count = fresh_count(&x->fresh);
    for (unsigned i = 0; i < x->table_count; i++)
        count += x->tables[i].count;
    return count;
}

srm_status index_note(int fd, uint8_t note[INDEX_NOTE_LEN]) {
    table_header h;
    memset(note, 0, INDEX_NOTE_LEN);
    srm_status status = table_header_read(fd, &h);
    if (status == SRM_OK)
        memcpy(note, h.note, INDEX_NOTE_LEN);
    return status;
}
