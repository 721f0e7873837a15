#include "index/marks.h"

#include <stdbool.h>
#include <string.h>

srm_status srm_index_new(srm_index **out) {
    return out == NULL ? SRM_EINVAL : index_new(out);
}

srm_status srm_index_add_table(srm_index *x, int fd) {
    return x == NULL || fd < 0 ? SRM_EINVAL : index_add_table(x, fd);
}

srm_status srm_index_segment(srm_index *x, const uint8_t id[16], uint32_t *number) {
    if (number == NULL)
        return SRM_EINVAL;
    *number = 0;
    return x == NULL || id == NULL ? SRM_EINVAL : index_segment(x, id, number);
}

srm_status srm_index_segment_id(const srm_index *x, uint32_t number, uint8_t id[16]) {
    return x == NULL || id == NULL ? SRM_EINVAL : index_segment_id(x, number, id);
}

uint32_t srm_index_segment_count(const srm_index *x) {
    return x == NULL ? 0 : index_segment_count(x);
}

void srm_index_drop_segment(srm_index *x, uint32_t number) {
    if (x != NULL)
        index_drop_segment(x, number);
}

srm_status srm_index_put(srm_index *x, const uint8_t id[32], const srm_location *at) {
    return x == NULL || id == NULL || at == NULL ? SRM_EINVAL : index_put(x, id, at);
}

srm_status srm_index_put_all(
    srm_index *x, const uint8_t *ids, const srm_location *at, uint64_t count) {
    if (x == NULL || (count > 0 && (ids == NULL || at == NULL)))
        return SRM_EINVAL;
    srm_status status = SRM_OK;
    for (uint64_t i = 0; status == SRM_OK && i < count; i++)
        status = index_put(x, ids + i * SRM_DIGEST_LEN, &at[i]);
    return status;
}

srm_status srm_index_remove(srm_index *x, const uint8_t id[32]) {
    return x == NULL || id == NULL ? SRM_EINVAL : index_remove(x, id);
}

int32_t srm_index_find(const srm_index *x, const uint8_t id[32], srm_location *at) {
    if (at == NULL)
        return 0;
    *at = (srm_location){0};
    return x != NULL && id != NULL && index_find(x, id, at);
}

srm_status srm_index_find_all(
    const srm_index *x, const uint8_t *ids, uint64_t count, uint32_t *raw_lens) {
    if (x == NULL || (count > 0 && (ids == NULL || raw_lens == NULL)))
        return SRM_EINVAL;
    index_find_all(x, ids, count, raw_lens);
    return SRM_OK;
}

uint64_t srm_index_count(const srm_index *x) {
    return x == NULL ? 0 : index_count(x);
}

uint64_t srm_index_mark_count(const srm_index *x) {
    return x == NULL ? 0 : index_mark_count(x);
}

static bool marks_fit(
    const srm_index *x, const uint8_t *ids, uint64_t count, const uint8_t *marks, uint64_t len) {
    return x != NULL && marks != NULL && len == (index_mark_count(x) + 7) / 8 &&
           (count == 0 || ids != NULL);
}

srm_status srm_index_mark(const srm_index *x, const uint8_t *ids, uint64_t count, uint8_t *marks,
    uint64_t marks_len, uint8_t *found) {
    if (!marks_fit(x, ids, count, marks, marks_len) || (count > 0 && found == NULL))
        return SRM_EINVAL;
    index_mark(x, ids, count, marks, found);
    return SRM_OK;
}

srm_status srm_index_marked(const srm_index *x, const uint8_t *ids, uint64_t count,
    const uint8_t *marks, uint64_t marks_len, uint8_t *out) {
    if (!marks_fit(x, ids, count, marks, marks_len) || (count > 0 && out == NULL))
        return SRM_EINVAL;
    index_marked(x, ids, count, marks, out);
    return SRM_OK;
}

srm_status srm_index_tally(const srm_index *x, const uint8_t *marks, uint64_t marks_len,
    uint64_t *lens, uint32_t len_count) {
    if (!marks_fit(x, NULL, 0, marks, marks_len) || (len_count > 0 && lens == NULL))
        return SRM_EINVAL;
    index_tally(x, marks, lens, len_count);
    return SRM_OK;
}

srm_status srm_index_save(const srm_index *x, int fd, const uint8_t note[64], int32_t fresh_only) {
    return x == NULL || fd < 0 || note == NULL ? SRM_EINVAL
                                               : index_save(x, fd, note, fresh_only != 0);
}

srm_status srm_index_note(int fd, uint8_t note[64]) {
    if (note == NULL)
        return SRM_EINVAL;
    memset(note, 0, INDEX_NOTE_LEN);
    return fd < 0 ? SRM_EINVAL : index_note(fd, note);
}

void srm_index_free(srm_index *x) {
    index_free(x);
}
