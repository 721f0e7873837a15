/* The chunk index finds what was put, nothing else, whatever became of its files. */
#include "base/bytes.h"
#include "check.h"
#include "crypto/hash.h"
#include "index/file.h"
#include "index/table.h"
#include "support.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096
#define MANY 20000u

static const uint8_t NOTE[INDEX_NOTE_LEN] = "as of entry 7";

static const uint8_t *id_of(uint64_t number) {
    static _Thread_local uint8_t id[SRM_DIGEST_LEN];
    fill_noise(id, sizeof id, number + 1);
    return id;
}

static int scratch(void) {
    char path[] = "/tmp/strongroom-index-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && unlink(path) == 0);
    return fd;
}

static srm_index *new_index(void) {
    srm_index *x;
    CHECK_STATUS(SRM_OK, srm_index_new(&x));
    return x;
}

static uint32_t named(srm_index *x, uint64_t number) {
    uint32_t given;
    uint8_t id[16];
    CHECK_STATUS(SRM_OK, srm_index_segment(x, id_of(number ^ 0xabcdef00), &given));
    CHECK_STATUS(SRM_OK, srm_index_segment_id(x, given, id));
    CHECK(memcmp(id, id_of(number ^ 0xabcdef00), sizeof id) == 0);
    return given;
}

/* Of every length that there is, in the end. */
static srm_location place_for(uint64_t number, uint32_t in) {
    return (srm_location){.segment = in,
        .off = (uint32_t)number * 7,
        .stored_len = 1 + (uint32_t)number % 1000,
        .raw_len = SRM_CHUNK_LEN - (uint32_t)(number % (SRM_CHUNK_LEN - 1000))};
}

static void put(srm_index *x, uint64_t number, uint32_t in) {
    const srm_location at = place_for(number, in);
    CHECK_STATUS(SRM_OK, srm_index_put(x, id_of(number), &at));
}

static bool is_at(const srm_index *x, uint64_t number, uint32_t in) {
    srm_location at = {9, 9, 9, 9};
    if (srm_index_find(x, id_of(number), &at) == 0) {
        CHECK(at.segment == 0 && at.off == 0 && at.stored_len == 0 && at.raw_len == 0);
        return false;
    }
    const srm_location wanted = place_for(number, at.segment);
    CHECK(memcmp(&at, &wanted, sizeof at) == 0);
    return at.segment == in;
}

static bool is_known(const srm_index *x, uint64_t number) {
    srm_location at;
    uint32_t raw_len = 7;
    CHECK_STATUS(SRM_OK, srm_index_find_all(x, id_of(number), 1, &raw_len));
    CHECK((raw_len != 0) == srm_index_find(x, id_of(number), &at) && raw_len == at.raw_len);
    return raw_len != 0;
}

static int saved(const srm_index *x, bool fresh_only) {
    int fd = scratch();
    uint8_t note[INDEX_NOTE_LEN];
    CHECK_STATUS(SRM_OK, srm_index_save(x, fd, NOTE, fresh_only));
    CHECK_STATUS(SRM_OK, srm_index_note(fd, note));
    CHECK(memcmp(note, NOTE, sizeof note) == 0);
    return fd;
}

static void add(srm_index *x, int fd) {
    CHECK_STATUS(SRM_OK, srm_index_add_table(x, fd));
    CHECK(close(fd) == 0);
}

static srm_index *reopened(int fd) {
    srm_index *x = new_index();
    add(x, fd);
    return x;
}

static void what_was_put_is_found_and_nothing_else(void) {
    srm_index *x = new_index();
    uint32_t a = named(x, 1);
    uint32_t b = named(x, 2);
    CHECK(a != b && named(x, 1) == a && srm_index_segment_count(x) == 2);
    for (uint32_t i = 0; i < MANY; i++)
        put(x, i, i % 3 == 0 ? a : b);
    for (uint32_t i = 0; i < MANY; i++)
        CHECK(is_at(x, i, i % 3 == 0 ? a : b) && !is_known(x, i + MANY));
    CHECK(srm_index_count(x) == MANY);
    put(x, 5, a);
    CHECK(is_at(x, 5, a) && srm_index_count(x) == MANY);
    CHECK_STATUS(SRM_OK, srm_index_remove(x, id_of(5)));
    CHECK(!is_known(x, 5));
    srm_index_free(x);
}

static void impossible_places_are_refused(void) {
    srm_index *x = new_index();
    uint8_t id[16];
    uint32_t a = named(x, 1);
    const srm_location wrong[] = {{.segment = a + 1, .stored_len = 1, .raw_len = 1}, {.segment = a},
        {.segment = a, .raw_len = 1}, {.segment = a, .stored_len = 1},
        {.segment = a, .stored_len = 2, .raw_len = 1},
        {.segment = a, .stored_len = 1, .raw_len = SRM_CHUNK_LEN + 1},
        {.segment = a, .off = UINT32_MAX, .stored_len = 1, .raw_len = 1},
        {.segment = UINT32_MAX, .stored_len = 1, .raw_len = 1},
        {.segment = UINT32_MAX - 1, .stored_len = 1, .raw_len = 1},
        {.segment = (1 << 26) - 1, .stored_len = 1, .raw_len = 1},
        {.segment = (1 << 26) - 2, .stored_len = 1, .raw_len = 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_STATUS(SRM_EINVAL, srm_index_put(x, id_of(1), &wrong[i]));
    CHECK_STATUS(SRM_ENOTFOUND, srm_index_segment_id(x, a + 1, id));
    srm_index_drop_segment(x, a + 1);
    CHECK(srm_index_count(x) == 0);
    srm_index_free(x);
}

static void a_saved_table_finds_the_same(void) {
    srm_index *x = new_index();
    for (uint32_t i = 0; i < MANY; i++)
        put(x, i, named(x, i % 5));
    int fd = saved(x, false);
    srm_index_free(x);
    struct stat info;
    CHECK(fstat(fd, &info) == 0 && (uint64_t)info.st_size < MANY * 37 + 2 * PAGE);
    x = reopened(fd);
    CHECK(srm_index_count(x) == MANY && srm_index_segment_count(x) == 5);
    for (uint32_t i = 0; i < MANY; i++)
        CHECK(is_at(x, i, named(x, i % 5)) && !is_known(x, i + MANY));
    srm_index_free(x);
}

static void an_empty_index_is_saved_too(void) {
    srm_index *x = new_index();
    int fd = saved(x, false);
    srm_index_free(x);
    x = reopened(fd);
    CHECK(srm_index_count(x) == 0 && !is_known(x, 1) && srm_index_segment_count(x) == 0);
    srm_index_free(x);
}

/* Ids that begin alike: homes fall together, at the very end. */
static void crowded_ids_are_found_too(void) {
    srm_index *x = new_index();
    uint8_t id[SRM_DIGEST_LEN];
    srm_location at = {.segment = named(x, 1), .stored_len = 5, .raw_len = 5};
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < 600; i++) {
            memset(id, i % 2 == 0 ? 0xff : 0, sizeof id);
            store_be32(id + 12, i);
            if (pass == 0)
                CHECK_STATUS(SRM_OK, srm_index_put(x, id, &at));
            CHECK(srm_index_find(x, id, &at) == 1 && at.stored_len == 5);
        }
        int fd = saved(x, false);
        srm_index_free(x);
        x = reopened(fd);
    }
    srm_index_free(x);
}

static void newer_tables_and_memory_overrule_older_ones(void) {
    srm_index *x = new_index();
    uint32_t a = named(x, 1);
    for (uint32_t i = 0; i < 100; i++)
        put(x, i, a);
    int first = saved(x, false);
    srm_index_free(x);

    x = reopened(dup(first));
    a = named(x, 1);
    uint32_t b = named(x, 2);
    put(x, 1, b);
    CHECK_STATUS(SRM_OK, srm_index_remove(x, id_of(2)));
    put(x, 200, b);
    CHECK(is_at(x, 0, a) && is_at(x, 1, b) && !is_known(x, 2) && is_at(x, 200, b));
    int second = saved(x, true);
    int both = saved(x, false);
    srm_index_free(x);

    for (unsigned merged = 0; merged < 2; merged++) {
        x = reopened(merged ? both : dup(first));
        if (!merged)
            add(x, second);
        a = named(x, 1);
        b = named(x, 2);
        CHECK(is_at(x, 0, a) && is_at(x, 1, b) && !is_known(x, 2) && is_at(x, 200, b));
        CHECK(srm_index_segment_count(x) == 2);
        put(x, 2, b);
        CHECK(is_at(x, 2, b));
        int again = saved(x, false);
        srm_index_free(x);
        x = reopened(again);
        CHECK(srm_index_count(x) == 101);
        CHECK(is_at(x, 2, named(x, 2)) && is_at(x, 1, named(x, 2)));
        srm_index_free(x);
    }
    CHECK(close(first) == 0);
}

static void chunks_of_dropped_segments_are_gone(void) {
    uint8_t id[16];
    srm_index *x = new_index();
    uint32_t a = named(x, 1);
    uint32_t b = named(x, 2);
    for (uint32_t i = 0; i < 100; i++)
        put(x, i, i % 2 == 0 ? a : b);
    srm_index_drop_segment(x, a);
    CHECK(!is_known(x, 0) && is_at(x, 1, b));
    CHECK_STATUS(SRM_ENOTFOUND, srm_index_segment_id(x, a, id));
    uint32_t new_a = named(x, 1);
    CHECK(new_a != a && !is_known(x, 0));
    put(x, 0, new_a);
    CHECK(is_at(x, 0, new_a));
    int fd = saved(x, false);
    srm_index_free(x);
    x = reopened(fd);
    CHECK(srm_index_count(x) == 51 && srm_index_segment_count(x) == 2);
    srm_index_drop_segment(x, named(x, 2));
    CHECK(is_known(x, 0) && !is_known(x, 1));
    put(x, 0, named(x, 3));
    srm_index_drop_segment(x, named(x, 3));
    CHECK(is_at(x, 0, named(x, 1))); /* as the table says */
    srm_index_free(x);
}

/* A chunk that was found bad does not come back when the segment that replaced it is given up. */
static void what_was_removed_stays_away(void) {
    srm_index *x = new_index();
    bool mine;
    put(x, 1, named(x, 1));
    add(x, saved(x, false));
    CHECK_STATUS(SRM_OK, srm_index_remove(x, id_of(1)));
    CHECK_STATUS(SRM_OK, index_claim(x, id_of(1), &mine));
    CHECK(mine && !is_known(x, 1));
    put(x, 1, named(x, 2));
    CHECK(is_at(x, 1, named(x, 2)));
    srm_index_drop_segment(x, named(x, 2));
    CHECK(!is_known(x, 1));
    for (int fresh_only = 0; fresh_only < 2; fresh_only++) {
        srm_index *y = new_index();
        put(y, 1, named(y, 1));
        srm_index *z = reopened(saved(y, false));
        srm_index_free(y);
        add(z, saved(x, fresh_only != 0));
        CHECK(is_known(z, 1) == (fresh_only == 0)); /* a whole table stands for itself */
        srm_index_free(z);
    }
    srm_index_free(x);
}

static void a_chunk_is_claimed_once(void) {
    srm_index *x = new_index();
    bool mine;
    put(x, 1, named(x, 1));
    add(x, saved(x, false));
    CHECK_STATUS(SRM_OK, index_claim(x, id_of(1), &mine));
    CHECK(!mine);
    CHECK_STATUS(SRM_OK, index_claim(x, id_of(2), &mine));
    CHECK(mine && !is_known(x, 2));
    CHECK_STATUS(SRM_OK, index_claim(x, id_of(2), &mine));
    CHECK(!mine);
    CHECK_STATUS(SRM_OK, srm_index_remove(x, id_of(2))); /* given up */
    CHECK_STATUS(SRM_OK, index_claim(x, id_of(2), &mine));
    CHECK(mine);
    put(x, 2, named(x, 1));
    CHECK(is_at(x, 2, named(x, 1)));
    CHECK_STATUS(SRM_OK, index_claim(x, id_of(2), &mine));
    CHECK(!mine);
    CHECK_STATUS(SRM_OK, index_claim(x, id_of(3), &mine));
    srm_index *y = reopened(saved(x, true)); /* claims are not saved */
    CHECK(mine && srm_index_count(y) == 2 && is_known(y, 2) && !is_known(y, 3));
    srm_index_free(y);
    srm_index_free(x);
}

/* --- files that are not as they were --- */

static int good_table(uint32_t count) {
    srm_index *x = new_index();
    for (uint32_t i = 0; i < count; i++)
        put(x, i, named(x, i % 300));
    int fd = saved(x, false);
    srm_index_free(x);
    return fd;
}

static void refused(int fd, srm_status why) {
    srm_index *x = new_index();
    CHECK_STATUS(why, srm_index_add_table(x, fd));
    CHECK(srm_index_count(x) == 0 && !is_known(x, 1));
    srm_index_free(x);
}

static void tables_cut_off_or_grown_are_refused(void) {
    int fd = good_table(1000);
    struct stat info;
    CHECK(fstat(fd, &info) == 0);
    const off_t lengths[] = {
        info.st_size + 1, info.st_size - 1, info.st_size / 2, PAGE, PAGE - 1, 176, 175, 10, 0};
    refused(STDIN_FILENO + 1000, SRM_EIO);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        CHECK(ftruncate(fd, lengths[i]) == 0);
        refused(fd, SRM_EDAMAGED);
    }
    CHECK(close(fd) == 0);
}

static void a_header_or_name_changed_is_refused(void) {
    int fd = good_table(1000);
    uint8_t byte;
    for (off_t at = 0; at < 2 * PAGE; at += at < 176 ? 1 : 997) {
        if (at > 176 && at < PAGE)
            continue;
        off_t where = at < 176 ? at : PAGE + (at - 176) % (300 * 16);
        CHECK(pread(fd, &byte, 1, where) == 1);
        byte ^= 1;
        CHECK(pwrite(fd, &byte, 1, where) == 1);
        refused(fd, SRM_EDAMAGED);
        byte ^= 1;
        CHECK(pwrite(fd, &byte, 1, where) == 1);
    }
    srm_index_free(reopened(fd));
}

static void reseal(int fd, const table_header *like) {
    table_header h = *like;
    CHECK_STATUS(SRM_OK, sha256_digest(&h, sizeof h - SRM_DIGEST_LEN, h.digest));
    CHECK(pwrite(fd, &h, sizeof h, 0) == sizeof h);
}

static void absurd_counts_are_refused(void) {
    int fd = good_table(1000);
    table_header right;
    CHECK_STATUS(SRM_OK, table_header_read(fd, &right));
    const uint64_t absurd[] = {0, 1, UINT64_MAX, UINT64_MAX / 28, UINT64_MAX / 16 + 1,
        (uint64_t)1 << 40, (uint64_t)1 << 32, right.slot_count + 1};
    for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
        table_header h = right;
        h.slot_count = absurd[i];
        reseal(fd, &h);
        refused(fd, SRM_EDAMAGED);
        h = right;
        h.segment_count = absurd[i];
        reseal(fd, &h);
        refused(fd, SRM_EDAMAGED);
        h = right;
        h.home_count =
            absurd[i] == 1 ? 0 : absurd[i]; /* one home for all would be slow, but fine */
        reseal(fd, &h);
        refused(fd, SRM_EDAMAGED);
        h = right;
        h.count = absurd[i] > 1 ? absurd[i] : UINT64_MAX;
        reseal(fd, &h);
        refused(fd, SRM_EDAMAGED);
    }
    table_header h = right;
    h.version++;
    reseal(fd, &h);
    refused(fd, SRM_EUNSUPPORTED);
    h = right;
    h.order = 0x04030201;
    reseal(fd, &h);
    refused(fd, SRM_EUNSUPPORTED);
    reseal(fd, &right);
    srm_index_free(reopened(fd));
}

/* Whatever stands in the slots, lookups end, and only chunks of known segments come out. */
static void spoiled_pages_only_lose_entries(void) {
    for (unsigned fill = 0; fill < 3; fill++) {
        int fd = good_table(MANY);
        struct stat info;
        uint8_t *page = must_alloc(PAGE);
        unsigned found = 0;
        unsigned wrong = 0; /* noise that took the end of a place may look like one */
        CHECK(fstat(fd, &info) == 0);
        for (off_t at = 4 * PAGE; at + PAGE < info.st_size; at += 3 * PAGE) {
            memset(page, fill == 0 ? 0 : 0xff, PAGE);
            if (fill == 2)
                fill_noise(page, PAGE, (uint64_t)at);
            CHECK(pwrite(fd, page, PAGE, at) == PAGE);
        }
        srm_index *x = reopened(fd);
        for (uint32_t i = 0; i < MANY; i++) {
            CHECK(!is_known(x, i + MANY));
            srm_location at;
            const srm_location wanted = place_for(i, named(x, i % 300));
            if (srm_index_find(x, id_of(i), &at) == 0)
                continue;
            found++;
            wrong += memcmp(&at, &wanted, sizeof at) != 0;
        }
        CHECK(found > MANY / 2 && found < MANY);
        CHECK(wrong <= (fill == 2 ? MANY / 1000 : 0));
        int again = saved(x, false);
        srm_index_free(x);
        x = reopened(again);
        CHECK(srm_index_segment_count(x) == 300 && srm_index_count(x) < MANY);
        srm_index_free(x);
        free(page);
    }
}

/* --- threads --- */

typedef struct hand {
    pthread_t thread;
    srm_index *x;
    uint64_t seed;
    unsigned claimed;
} hand;

static void *claim_and_find(void *argument) {
    hand *h = argument;
    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t number = (i * 7919 + h->seed) % MANY;
        bool mine;
        CHECK_STATUS(SRM_OK, index_claim(h->x, id_of(number), &mine));
        if (mine) {
            h->claimed++;
            put(h->x, number, named(h->x, number % 3000));
        }
        /* Another may have claimed it and be about to put it. */
        srm_location at;
        if (i % 8 == 0 && srm_index_find(h->x, id_of(number), &at) == 1)
            CHECK(is_at(h->x, number, named(h->x, number % 3000)));
        if (i % 1024 == 0) { /* as the other does: its id may be gone before it is asked for */
            uint32_t passing;
            CHECK_STATUS(SRM_OK, srm_index_segment(h->x, id_of(5000 + i), &passing));
            srm_index_drop_segment(h->x, passing);
        }
    }
    return NULL;
}

static void threads_claim_each_chunk_once(void) {
    hand hands[4];
    unsigned claimed = 0;
    srm_index *x = new_index();
    for (uint32_t i = 0; i < MANY; i += 10)
        put(x, i, named(x, i % 3000));
    add(x, saved(x, false));
    srm_index *y = reopened(saved(x, false));
    srm_index_free(x);
    for (unsigned i = 0; i < 4; i++) {
        hands[i] = (hand){.x = y, .seed = i * 5003u};
        CHECK(pthread_create(&hands[i].thread, NULL, claim_and_find, &hands[i]) == 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        CHECK(pthread_join(hands[i].thread, NULL) == 0);
        claimed += hands[i].claimed;
    }
    CHECK(claimed == MANY - MANY / 10);
    for (uint32_t i = 0; i < MANY; i++)
        CHECK(is_at(y, i, named(y, i % 3000)));
    srm_index_free(y);
}

static void learn(srm_index *x, uint64_t number, uint32_t in, bool mere_find) {
    const srm_location at = place_for(number, in);
    CHECK_STATUS(SRM_OK, index_learn(x, id_of(number), &at, mere_find));
}

static void of_several_segments_the_last_one_counts(void) {
    srm_index *x = new_index();
    uint32_t early = named(x, 1);
    uint32_t late = named(x, 2);
    learn(x, 7, late, false);
    learn(x, 7, early, false);
    CHECK(is_at(x, 7, late));
    learn(x, 8, early, false);
    learn(x, 8, late, false);
    CHECK(is_at(x, 8, late));
    learn(x, 9, early, false);
    learn(x, 9, late, true);
    CHECK(is_at(x, 9, early));
    index_drop_segment(x, early);
    CHECK(is_at(x, 8, late) && !is_at(x, 9, early));
    learn(x, 9, late, true);
    CHECK(is_at(x, 9, late));
    CHECK_STATUS(SRM_OK, srm_index_remove(x, id_of(7)));
    learn(x, 7, late, true);
    CHECK(is_at(x, 7, late));
    srm_index_free(x);
}

int main(void) {
    static const fact facts[] = {
        FACT(what_was_put_is_found_and_nothing_else),
        FACT(impossible_places_are_refused),
        FACT(a_saved_table_finds_the_same),
        FACT(an_empty_index_is_saved_too),
        FACT(crowded_ids_are_found_too),
        FACT(newer_tables_and_memory_overrule_older_ones),
        FACT(chunks_of_dropped_segments_are_gone),
        FACT(what_was_removed_stays_away),
        FACT(a_chunk_is_claimed_once),
        FACT(tables_cut_off_or_grown_are_refused),
        FACT(a_header_or_name_changed_is_refused),
        FACT(absurd_counts_are_refused),
        FACT(spoiled_pages_only_lose_entries),
        FACT(of_several_segments_the_last_one_counts),
        FACT(threads_claim_each_chunk_once),
    };
    return check_facts(facts, sizeof facts / sizeof facts[0]);
}
