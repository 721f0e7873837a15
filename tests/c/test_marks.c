/* Marks on the chunks of an index: on those that were asked for, where they are found, and no
 * others. */
#include "check.h"
#include "support.h"

#include <string.h>
#include <unistd.h>

#define COUNT 3000u
#define HEAD 48u /* of a record */

static uint8_t ids[2 * COUNT][SRM_DIGEST_LEN]; /* the second half is never put */
static const uint8_t NAMES[2][16] = {"the first", "the second"};

/* Every third chunk in the second segment. */
static uint32_t segment_of(uint32_t i) {
    return i % 3 == 0;
}

static uint32_t stored_len_of(uint32_t i) {
    return 1 + i % 1000;
}

static srm_index *new_index(void) {
    srm_index *x;
    uint32_t number;
    CHECK_STATUS(SRM_OK, srm_index_new(&x));
    for (uint32_t s = 0; s < 2; s++) {
        CHECK_STATUS(SRM_OK, srm_index_segment(x, NAMES[s], &number));
        CHECK(number == s);
    }
    return x;
}

static void put(srm_index *x, uint32_t first, uint32_t count, uint32_t offset) {
    srm_location *at = must_alloc(count * sizeof *at);
    for (uint32_t i = 0; i < count; i++)
        at[i] = (srm_location){segment_of(first + i), offset, stored_len_of(first + i), 1000};
    CHECK_STATUS(SRM_OK, srm_index_put_all(x, ids[first], at, count));
    free(at);
}

/* Write what is in memory of x as a further table, and open all there are anew. */
static srm_index *saved(srm_index *x, int *fds, size_t count) {
    char path[] = "/tmp/strongroom-marks-XXXXXX";
    const uint8_t note[64] = "";
    fds[count] = mkstemp(path);
    CHECK(fds[count] >= 0 && unlink(path) == 0);
    CHECK_STATUS(SRM_OK, srm_index_save(x, fds[count], note, count > 0));
    srm_index_free(x);
    CHECK_STATUS(SRM_OK, srm_index_new(&x));
    for (size_t i = 0; i <= count; i++)
        CHECK_STATUS(SRM_OK, srm_index_add_table(x, fds[i]));
    return x;
}

/* Exactly as long as it must be, so that a byte too far is noticed. */
static uint8_t *no_marks(const srm_index *x, uint64_t *len) {
    *len = (srm_index_mark_count(x) + 7) / 8;
    uint8_t *marks = must_alloc((size_t)*len);
    memset(marks, 0, (size_t)*len);
    return marks;
}

static uint32_t count_of(const uint8_t *answers, uint32_t count) {
    uint32_t set = 0;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(answers[i] <= 1);
        set += answers[i];
    }
    return set;
}

static void what_is_marked_is_marked_and_nothing_else(void) {
    uint8_t answers[2 * COUNT];
    uint64_t lens[2] = {0, 0};
    uint64_t wanted[2] = {0, 0};
    uint64_t len;
    int fd;
    srm_index *x = new_index();
    put(x, 0, COUNT, 7);
    x = saved(x, &fd, 0);
    uint8_t *marks = no_marks(x, &len);
    CHECK(srm_index_mark_count(x) >= COUNT);
    for (uint32_t i = 0; i < COUNT; i += 2) {
        CHECK_STATUS(SRM_OK, srm_index_mark(x, ids[i], 1, marks, len, answers));
        CHECK(answers[0] == 1);
        wanted[segment_of(i)] += HEAD + stored_len_of(i);
    }
    CHECK_STATUS(SRM_OK, srm_index_mark(x, ids[COUNT], COUNT, marks, len, answers));
    CHECK(count_of(answers, COUNT) == 0);
    CHECK_STATUS(SRM_OK, srm_index_marked(x, ids[0], 2 * COUNT, marks, len, answers));
    for (uint32_t i = 0; i < 2 * COUNT; i++)
        CHECK(answers[i] == (i < COUNT && i % 2 == 0));
    CHECK_STATUS(SRM_OK, srm_index_tally(x, marks, len, lens, 2));
    CHECK(lens[0] == wanted[0] && lens[1] == wanted[1]);
    lens[0] = 0;
    CHECK_STATUS(SRM_OK, srm_index_tally(x, marks, len, lens, 1)); /* of fewer segments */
    CHECK(lens[0] == wanted[0] && lens[1] == wanted[1]);
    free(marks);
    srm_index_free(x);
    CHECK(close(fd) == 0);
}

/* A chunk that two tables have is one chunk; what was removed, or whose segment was dropped, is
 * none. */
static void a_mark_is_where_the_chunk_is_found(void) {
    uint8_t answers[COUNT];
    uint64_t lens[2] = {0, 0};
    uint64_t len;
    int fds[2];
    srm_index *x = new_index();
    put(x, 0, COUNT, 7);
    x = saved(x, fds, 0);
    put(x, 0, 30, 99); /* once more, elsewhere */
    for (uint32_t i = 30; i < 60; i++)
        CHECK_STATUS(SRM_OK, srm_index_remove(x, ids[i]));
    x = saved(x, fds, 1);
    uint8_t *marks = no_marks(x, &len);
    CHECK_STATUS(SRM_OK, srm_index_mark(x, ids[0], COUNT, marks, len, answers));
    CHECK(count_of(answers, 30) == 30 && count_of(answers + 30, 30) == 0);
    CHECK(count_of(answers, COUNT) == COUNT - 30);
    CHECK_STATUS(SRM_OK, srm_index_tally(x, marks, len, lens, 2));
    uint64_t all = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        all += i >= 30 && i < 60 ? 0 : HEAD + stored_len_of(i);
    CHECK(lens[0] + lens[1] == all);
    srm_index_drop_segment(x, 1);
    CHECK_STATUS(SRM_OK, srm_index_marked(x, ids[0], COUNT, marks, len, answers));
    for (uint32_t i = 0; i < COUNT; i++)
        CHECK(answers[i] == ((i < 30 || i >= 60) && segment_of(i) == 0));
    free(marks);
    srm_index_free(x);
    CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
}

static void an_index_without_tables_has_nothing_to_mark(void) {
    uint8_t answers[COUNT];
    uint8_t marks = 0;
    srm_index *x = new_index();
    put(x, 0, COUNT, 7);
    CHECK(srm_index_mark_count(x) == 0);
    CHECK_STATUS(SRM_OK, srm_index_mark(x, ids[0], COUNT, &marks, 0, answers));
    CHECK(count_of(answers, COUNT) == 0 && marks == 0);
    srm_index_free(x);
}

static void marks_of_another_length_are_refused(void) {
    uint8_t answer = 0;
    uint64_t lens[2];
    uint64_t len;
    int fd;
    srm_index *x = new_index();
    put(x, 0, COUNT, 7);
    x = saved(x, &fd, 0);
    uint8_t *marks = no_marks(x, &len);
    CHECK_STATUS(SRM_EINVAL, srm_index_mark(x, ids[0], 1, marks, len - 1, &answer));
    CHECK_STATUS(SRM_EINVAL, srm_index_marked(x, ids[0], 1, marks, len + 1, &answer));
    CHECK_STATUS(SRM_EINVAL, srm_index_tally(x, marks, len - 1, lens, 2));
    CHECK_STATUS(SRM_EINVAL, srm_index_mark(NULL, ids[0], 1, marks, len, &answer));
    CHECK_STATUS(SRM_EINVAL, srm_index_mark(x, NULL, 1, marks, len, &answer));
    CHECK_STATUS(SRM_EINVAL, srm_index_mark(x, ids[0], 1, NULL, len, &answer));
    CHECK_STATUS(SRM_EINVAL, srm_index_mark(x, ids[0], 1, marks, len, NULL));
    CHECK_STATUS(SRM_EINVAL, srm_index_marked(x, ids[0], 1, marks, len, NULL));
    CHECK_STATUS(SRM_EINVAL, srm_index_tally(x, marks, len, NULL, 2));
    CHECK(srm_index_mark_count(NULL) == 0);
    free(marks);
    srm_index_free(x);
    CHECK(close(fd) == 0);
}

int main(void) {
    static const fact facts[] = {
        FACT(what_is_marked_is_marked_and_nothing_else),
        FACT(a_mark_is_where_the_chunk_is_found),
        FACT(an_index_without_tables_has_nothing_to_mark),
        FACT(marks_of_another_length_are_refused),
    };
    for (uint32_t i = 0; i < 2 * COUNT; i++)
        fill_noise(ids[i], sizeof ids[i], i + 1);
    return check_facts(facts, sizeof facts / sizeof facts[0]);
}
