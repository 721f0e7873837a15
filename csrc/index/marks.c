#include "index/marks.h"

#include "index/tables.h"

#define NO_MARK UINT64_MAX
#define HEAD_LEN 48 /* of a record, docs/FORMAT.md section 3.3 */

uint64_t index_mark_count(const chunk_index *x) {
    uint64_t count = 0;
    for (unsigned i = 0; i < x->table_count; i++)
        count += x->tables[i].slot_count;
    return count;
}

/* The mark of a chunk where it is found, as tables_find finds it. */
static uint64_t mark_of(const chunk_index *x, const uint8_t id[INDEX_ID_LEN]) {
    uint64_t base = index_mark_count(x);
    for (unsigned i = x->table_count; i-- > 0;) {
        const table *t = &x->tables[i];
        place p;
        base -= t->slot_count;
        for (uint64_t at = table_home(t->home_count, id);
            at < t->slot_count && !place_is_empty(&t->slots[at]); at++) {
            if (!place_is_of(&t->slots[at], id))
                continue;
            if (!table_at(t, at, &p))
                break;
            if (p.segment == PLACE_REMOVED)
                return NO_MARK;
            if (names_is_live(&x->segments, p.segment))
                return base + at;
            break;
        }
    }
    return NO_MARK;
}

static bool is_set(const uint8_t *marks, uint64_t at) {
    return (marks[at / 8] >> (at % 8) & 1) != 0;
}

void index_mark(
    const chunk_index *x, const uint8_t *ids, uint64_t count, uint8_t *marks, uint8_t *found) {
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = mark_of(x, ids + i * SRM_DIGEST_LEN);
        found[i] = at != NO_MARK;
        if (at != NO_MARK)
            marks[at / 8] = (uint8_t)(marks[at / 8] | 1u << (at % 8));
    }
}

void index_marked(
    const chunk_index *x, const uint8_t *ids, uint64_t count, const uint8_t *marks, uint8_t *out) {
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = mark_of(x, ids + i * SRM_DIGEST_LEN);
        out[i] = at != NO_MARK && is_set(marks, at);
    }
}

void index_tally(const chunk_index *x, const uint8_t *marks, uint64_t *lens, uint32_t len_count) {
    uint64_t base = 0;
    for (unsigned i = 0; i < x->table_count; i++) {
        const table *t = &x->tables[i];
        place p;
        for (uint64_t at = 0; at < t->slot_count; at++)
            if (is_set(marks, base + at) && table_at(t, at, &p) && p.segment < len_count)
                lens[p.segment] += HEAD_LEN + p.stored_len;
        base += t->slot_count;
    }
}
