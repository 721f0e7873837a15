/* Lengths and places, record heads, footers, directories, texts, fresh randomness. */
#include "base/bytes.h"
#include "check.h"
#include "crypto/random.h"
#include "segment/layout.h"
#include "segment/offsets.h"
#include "segment/record.h"

#include <unistd.h>

#include <sys/wait.h>

/* Worked out from the definition with a few lines of Python. */
static void padme_gives_known_values(void) {
    static const uint64_t pairs[][2] = {
        {0, 0},
        {1, 1},
        {2, 2},
        {3, 3},
        {8, 8},
        {9, 10},
        {15, 16},
        {16, 16},
        {17, 18},
        {100, 104},
        {129, 144},
        {1000, 1024},
        {1025, 1088},
        {1000000, 1015808},
        {1048577, 1081344},
        {((uint64_t)1 << 44) - 1, (uint64_t)1 << 44},
        {((uint64_t)1 << 44) + 1, ((uint64_t)1 << 44) + ((uint64_t)1 << 38)},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        CHECK(layout_padme(pairs[i][0]) == pairs[i][1]);
}

static void check_padme(uint64_t len) {
    uint64_t padded = layout_padme(len);
    uint64_t added = padded - len;
    CHECK(padded >= len);
    CHECK(layout_padme(padded) == padded);
    CHECK(layout_padme(len + 1) >= padded);
    CHECK(added <= len * 12 / 100);
    CHECK(len < (uint64_t)1 << 20 || added <= len / 32);
}

static void padme_never_shrinks_repeats_or_costs_too_much(void) {
    for (uint64_t len = 0; len < 1 << 17; len++)
        check_padme(len);
    for (unsigned bit = 17; bit <= 45; bit++)
        for (uint64_t delta = 0; delta < 300; delta++) {
            uint64_t power = (uint64_t)1 << bit;
            check_padme(power - delta);
            check_padme(power + delta);
            check_padme(power + delta * (power / 301));
        }
}

static void plans_hold_what_they_were_made_for(void) {
    for (uint64_t frames = 1; frames <= 3; frames++)
        for (uint64_t delta = 0; delta < 200; delta++)
            for (int pad = 0; pad < 2; pad++) {
                layout l;
                uint64_t plain_len = frames * FRAME_PLAIN_LEN - 100 + delta;
                CHECK_STATUS(SRM_OK, layout_plan(plain_len, pad == 1, &l));
                CHECK(l.last_len >= LAST_FRAME_UNIT && l.last_len <= SRM_FRAME_LEN);
                CHECK(l.last_len % LAST_FRAME_UNIT == 0);
                CHECK(layout_plain_len(&l) >= plain_len);
                CHECK(l.frame_count >= frames);
                if (pad == 0)
                    CHECK(layout_plain_len(&l) - plain_len < LAST_FRAME_UNIT);
            }
}

static void the_longest_plan_is_cut_to_the_limit_and_a_longer_one_refused(void) {
    const uint64_t longest = FRAME_COUNT_MAX * FRAME_PLAIN_LEN;
    for (int pad = 0; pad < 2; pad++) {
        layout l;
        CHECK_STATUS(SRM_OK, layout_plan(longest, pad == 1, &l));
        CHECK(l.frame_count == FRAME_COUNT_MAX && l.last_len == SRM_FRAME_LEN);
        CHECK(layout_plain_len(&l) == longest);
        CHECK(layout_trailer_off(&l) == ((uint64_t)1 << 44) + SRM_HEADER_LEN);
        CHECK_STATUS(SRM_ELIMIT, layout_plan(longest + 1, pad == 1, &l));
        CHECK(l.frame_count == 0 && l.last_len == 0);
        CHECK_STATUS(SRM_ELIMIT, layout_plan(UINT64_MAX, pad == 1, &l));
        CHECK_STATUS(SRM_OK, layout_plan(longest - 5 * (uint64_t)SRM_FRAME_LEN, pad == 1, &l));
        CHECK(l.frame_count == FRAME_COUNT_MAX - (pad == 1 ? 0 : 5));
    }
}

static void lengths_that_no_layout_has_are_refused(void) {
    static const uint64_t wrong[] = {0, 1, 4095, 4097, SRM_FRAME_LEN + 1,
        FRAME_COUNT_MAX * SRM_FRAME_LEN + 4096, UINT64_MAX - 4095, UINT64_MAX};
    layout l;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_STATUS(SRM_EDAMAGED, layout_of_length(wrong[i], &l));
        CHECK(l.frame_count == 0 && l.last_len == 0);
    }
    CHECK_STATUS(SRM_OK, layout_of_length(4096, &l));
    CHECK(l.frame_count == 1 && l.last_len == 4096);
    CHECK_STATUS(SRM_OK, layout_of_length(SRM_FRAME_LEN, &l));
    CHECK(l.frame_count == 1 && l.last_len == SRM_FRAME_LEN);
    CHECK_STATUS(SRM_OK, layout_of_length(SRM_FRAME_LEN + 4096, &l));
    CHECK(l.frame_count == 2 && l.last_len == 4096);
    CHECK_STATUS(SRM_OK, layout_of_length(FRAME_COUNT_MAX * SRM_FRAME_LEN, &l));
    CHECK(l.frame_count == FRAME_COUNT_MAX && l.last_len == SRM_FRAME_LEN);
}

static const record_head END = {.type = RECORD_END};
static const record_head RAW = {.type = RECORD_DATA, .stored_len = 500, .raw_len = 500, .id = {9}};
static const record_head ZSTD = {
    .type = RECORD_DATA, .codec = CODEC_ZSTD, .stored_len = 499, .raw_len = 500, .id = {9}};
static const record_head DIRECTORY = {.type = RECORD_DIRECTORY, .stored_len = 80, .raw_len = 80};

static bool head_loads(const record_head *head) {
    uint8_t stored[RECORD_HEAD_LEN];
    record_head loaded;
    memset(&loaded, 0xee, sizeof loaded);
    record_head_store(head, stored);
    srm_status status = record_head_load(stored, &loaded);
    CHECK(status == SRM_OK || status == SRM_EDAMAGED);
    const record_head *wanted = status == SRM_OK ? head : &END; /* emptied */
    CHECK(loaded.type == wanted->type && loaded.codec == wanted->codec);
    CHECK(loaded.stored_len == wanted->stored_len && loaded.raw_len == wanted->raw_len);
    CHECK(memcmp(loaded.id, wanted->id, sizeof loaded.id) == 0);
    return status == SRM_OK;
}

static void record_heads_come_back(void) {
    CHECK(head_loads(&END) && head_loads(&RAW) && head_loads(&ZSTD) && head_loads(&DIRECTORY));
}

static void check_reserved(const record_head *head, size_t from, size_t to) {
    uint8_t stored[RECORD_HEAD_LEN];
    record_head loaded;
    for (size_t at = from; at < to; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            record_head_store(head, stored);
            stored[at] ^= (uint8_t)(1u << bit);
            CHECK_STATUS(SRM_EDAMAGED, record_head_load(stored, &loaded));
        }
}

static void every_reserved_bit_of_a_record_head_must_be_zero(void) {
    const record_head *heads[] = {&END, &RAW, &ZSTD, &DIRECTORY};
    for (size_t i = 0; i < 4; i++) {
        check_reserved(heads[i], 2, 4);
        check_reserved(heads[i], 12, 16);
        if (heads[i]->type != RECORD_DATA)
            check_reserved(heads[i], 16, 48);
    }
}

static void record_lengths_out_of_range_are_refused(void) {
    const record_head wrong[] = {
        {.type = 3},
        {.type = 255},
        {.type = RECORD_END, .codec = CODEC_ZSTD},
        {.type = RECORD_END, .stored_len = 1},
        {.type = RECORD_END, .raw_len = 1},
        {.type = RECORD_DATA},
        {.type = RECORD_DATA, .stored_len = 1},
        {.type = RECORD_DATA, .raw_len = 1},
        {.type = RECORD_DATA, .stored_len = 4, .raw_len = 5},
        {.type = RECORD_DATA, .stored_len = 5, .raw_len = 4},
        {.type = RECORD_DATA, .stored_len = SRM_CHUNK_LEN + 1, .raw_len = SRM_CHUNK_LEN + 1},
        {.type = RECORD_DATA, .codec = CODEC_ZSTD, .stored_len = 5, .raw_len = 5},
        {.type = RECORD_DATA, .codec = CODEC_ZSTD, .stored_len = 0, .raw_len = 5},
        {.type = RECORD_DATA, .codec = CODEC_ZSTD, .stored_len = 5, .raw_len = SRM_CHUNK_LEN + 1},
        {.type = RECORD_DATA, .codec = CODEC_ZSTD, .stored_len = 5, .raw_len = UINT32_MAX},
        {.type = RECORD_DATA, .codec = 2, .stored_len = 5, .raw_len = 6},
        {.type = RECORD_DIRECTORY},
        {.type = RECORD_DIRECTORY, .stored_len = 7, .raw_len = 7},
        {.type = RECORD_DIRECTORY, .stored_len = 8, .raw_len = 16},
        {.type = RECORD_DIRECTORY, .codec = CODEC_ZSTD, .stored_len = 8, .raw_len = 8},
        {.type = RECORD_DIRECTORY, .stored_len = (1 << 27) + 8, .raw_len = (1 << 27) + 8},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK(!head_loads(&wrong[i]));
}

static const footer FOOTER = {.records_end = 1000,
    .directory_off = 2000,
    .directory_len = 24,
    .count = 3,
    .raw_total = 2 * (uint64_t)SRM_CHUNK_LEN + 1};

static bool footer_loads(const footer *f) {
    uint8_t stored[FOOTER_LEN];
    footer loaded;
    memset(&loaded, 0xee, sizeof loaded);
    footer_store(f, stored);
    srm_status status = footer_load(stored, &loaded);
    CHECK(status == SRM_OK || status == SRM_EDAMAGED);
    const footer empty = {0};
    const footer *wanted = status == SRM_OK ? f : &empty;
    CHECK(loaded.records_end == wanted->records_end && loaded.count == wanted->count);
    CHECK(loaded.directory_off == wanted->directory_off);
    CHECK(loaded.directory_len == wanted->directory_len);
    CHECK(loaded.raw_total == wanted->raw_total);
    return status == SRM_OK;
}

static void footers_come_back(void) {
    const footer none = {.records_end = 0};
    const footer all_raw = {.records_end = 9, .count = 1, .raw_total = SRM_CHUNK_LEN};
    CHECK(footer_loads(&FOOTER) && footer_loads(&none) && footer_loads(&all_raw));
}

static void every_fixed_bit_of_a_footer_must_be_right(void) {
    uint8_t stored[FOOTER_LEN];
    footer loaded;
    for (size_t at = 0; at < FOOTER_LEN; at == 7 ? at = 48 : at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            footer_store(&FOOTER, stored);
            stored[at] ^= (uint8_t)(1u << bit);
            CHECK_STATUS(SRM_EDAMAGED, footer_load(stored, &loaded));
        }
}

static void footers_that_contradict_themselves_are_refused(void) {
    footer wrong[9];
    for (size_t i = 0; i < 9; i++)
        wrong[i] = FOOTER;
    wrong[0].count = 2;
    wrong[1].raw_total = 2 * (uint64_t)SRM_CHUNK_LEN;
    wrong[2].raw_total = 3 * (uint64_t)SRM_CHUNK_LEN + 1;
    wrong[3].directory_len = 16;
    wrong[4].directory_off = 0;
    wrong[5].directory_len = 0;
    wrong[6].raw_total = UINT64_MAX;
    wrong[7].count = UINT64_MAX;
    wrong[8] = (footer){.directory_off = 5}; /* of no records */
    for (size_t i = 0; i < 9; i++)
        CHECK(!footer_loads(&wrong[i]));
}

/* Nothing is kept while all chunks are raw; the first that is not brings the entries of those
 * before it. */
static void offsets_are_kept_from_the_first_compressed_chunk_on(void) {
    enum { RAW_COUNT = 5, COUNT = 3000 };
    offsets o = {0};
    for (uint64_t i = 0; i < COUNT; i++) {
        CHECK(offsets_len(&o) == (i <= RAW_COUNT ? 0 : i * OFFSET_LEN));
        uint64_t off = i < RAW_COUNT ? i * FRAME_PLAIN_LEN : RAW_COUNT * FRAME_PLAIN_LEN + i;
        CHECK_STATUS(SRM_OK, offsets_add(&o, off, i != RAW_COUNT));
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        uint64_t off = i < RAW_COUNT ? i * FRAME_PLAIN_LEN : RAW_COUNT * FRAME_PLAIN_LEN + i;
        CHECK(load_be64(o.entries + i * OFFSET_LEN) == off);
    }
    offsets_free(&o);
    CHECK(o.count == 0 && o.entries == NULL);
    o.count = CHUNK_COUNT_MAX;
    CHECK_STATUS(SRM_ELIMIT, offsets_add(&o, 0, true));
    CHECK_STATUS(SRM_ELIMIT, offsets_add(&o, 0, false));
    CHECK(o.entries == NULL);
}

static void every_status_and_place_has_words(void) {
    srm_build_info info;
    for (int value = -1; value <= 20; value++) {
        CHECK(srm_status_text(value)[0] != '\0');
        CHECK((srm_place_text(value)[0] != '\0') == (value > SRM_AT_NONE && value <= SRM_AT_ROOT));
        for (int other = SRM_OK; other < value && value <= SRM_ELIMIT; other++)
            CHECK(strcmp(srm_status_text(value), srm_status_text(other)) != 0);
    }
    srm_build_info_get(&info);
    CHECK(info.openssl_version[0] != '\0' && info.zstd_version[0] != '\0');
    CHECK(info.blake3_version[0] != '\0' && info.notes != NULL && info.cpu_features != NULL);
}

static void fresh_randomness_never_repeats(void) {
    enum { DRAWS = 1000 };
    static uint8_t drawn[DRAWS][32];
    for (size_t i = 0; i < DRAWS; i++) {
        CHECK_STATUS(SRM_OK, random_hedged(drawn[i]));
        for (size_t j = 0; j < i; j++)
            CHECK(memcmp(drawn[i], drawn[j], 32) != 0);
    }
}

static void fresh_randomness_differs_after_a_fork(void) {
    int ends[2];
    int child_status = 0;
    uint8_t ours[32];
    uint8_t theirs[32];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    CHECK_STATUS(SRM_OK, random_hedged(ours));
    if (child == 0)
        _exit(write(ends[1], ours, sizeof ours) == (ssize_t)sizeof ours ? 0 : 1);
    CHECK(waitpid(child, &child_status, 0) == child && child_status == 0);
    CHECK(read(ends[0], theirs, sizeof theirs) == (ssize_t)sizeof theirs);
    CHECK(memcmp(ours, theirs, sizeof ours) != 0);
    close(ends[0]);
    close(ends[1]);
}

static void runs_of_zeros_are_measured_at_every_length_and_place(void) {
    uint8_t data[40];
    for (size_t len = 0; len <= sizeof data; len++)
        for (size_t at = 0; at <= len; at++) {
            memset(data, 0, sizeof data);
            if (at < sizeof data)
                data[at] = 1;
            CHECK(zero_run(data, len) == at);
        }
}

int main(void) {
    static const fact facts[] = {
        FACT(padme_gives_known_values),
        FACT(padme_never_shrinks_repeats_or_costs_too_much),
        FACT(plans_hold_what_they_were_made_for),
        FACT(the_longest_plan_is_cut_to_the_limit_and_a_longer_one_refused),
        FACT(lengths_that_no_layout_has_are_refused),
        FACT(record_heads_come_back),
        FACT(every_reserved_bit_of_a_record_head_must_be_zero),
        FACT(record_lengths_out_of_range_are_refused),
        FACT(footers_come_back),
        FACT(every_fixed_bit_of_a_footer_must_be_right),
        FACT(footers_that_contradict_themselves_are_refused),
        FACT(offsets_are_kept_from_the_first_compressed_chunk_on),
        FACT(every_status_and_place_has_words),
        FACT(fresh_randomness_never_repeats),
        FACT(fresh_randomness_differs_after_a_fork),
        FACT(runs_of_zeros_are_measured_at_every_length_and_place),
    };
    return check_facts(facts, sizeof facts / sizeof facts[0]);
}
