#include "fetching.h"

#include "base/bytes.h"

repository fetching_repo;
size_t fetching_raw_len;
chunk fetching_chunks[CHUNK_COUNT];
size_t fetching_offs[CHUNK_COUNT];
stored_segment fetching_stored[4];
uint8_t *fetching_raw;

const uint8_t fetching_ids[3 * 16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};

/* Noise, text and zeros; whole and of many lengths, so that packed records cross frames. */
static void make_chunks(void) {
    fetching_raw = must_alloc(CHUNK_COUNT * CHUNK);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        size_t len = i < WHOLE_COUNT ? CHUNK : 1 + (i * 7919 * 131) % 300000;
        if (i == WHOLE_COUNT + 7 || i == WHOLE_COUNT + 20)
            len = CHUNK;
        if (i >= WHOLE_COUNT + PACKED_COUNT)
            len = 1 + i;
        fetching_offs[i] = fetching_raw_len;
        uint8_t *at = fetching_raw + fetching_raw_len;
        if (i == WHOLE_COUNT + 7)
            memset(at, 0, len);
        else if (i >= WHOLE_COUNT && i % 3 == 0)
            fill_text(at, len);
        else
            fill_noise(at, len, i + 1);
        if (i == 2)
            memset(at + 100000, 0, 300000);
        fetching_chunks[i] = (chunk){.raw = at, .raw_len = (uint32_t)len};
        fetching_raw_len += len;
    }
}

void fetching_put_all(void) {
    repository_put(&fetching_repo, WHOLE, fetching_chunks, WHOLE_COUNT, 0, NULL, NULL,
        &fetching_stored[WHOLE]);
    repository_put(&fetching_repo, PACKED, fetching_chunks + WHOLE_COUNT, PACKED_COUNT, 3, NULL,
        NULL, &fetching_stored[PACKED]);
    repository_put(&fetching_repo, SMALL, fetching_chunks + WHOLE_COUNT + PACKED_COUNT, SMALL_COUNT,
        3, NULL, NULL, &fetching_stored[SMALL]);
}

srm_index *fetching_new_index(void) {
    srm_index *index = NULL;
    CHECK_STATUS(SRM_OK, srm_index_new(&index));
    return index;
}

void fetching_load(srm_segments *g, srm_index *index, srm_segment_status statuses[3]) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_load_start(g, index, fetching_ids, 3, statuses, 2, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
}

void fetching_check_loaded(
    const srm_segment_status statuses[3], unsigned name, srm_status status, srm_place place) {
    for (unsigned i = 0; i < 3; i++) {
        const bool harmed = i + 1 == name;
        CHECK_STATUS(harmed ? status : SRM_OK, (srm_status)statuses[i].status);
        CHECK(statuses[i].place == (int32_t)(harmed ? place : SRM_AT_NONE));
    }
}

srm_want fetching_want_of(size_t i) {
    srm_want want = {.raw_len = fetching_chunks[i].raw_len, .off = fetching_offs[i]};
    memcpy(want.id, fetching_chunks[i].id, sizeof want.id);
    return want;
}

void fetching_all_wants(srm_want wants[CHUNK_COUNT]) {
    for (size_t i = 0; i < CHUNK_COUNT; i++)
        wants[i] = fetching_want_of(i);
}

outcome fetching_fetch(srm_segments *g, srm_index *index, srm_want *wants, size_t count,
    const int32_t *fds, uint32_t fd_count, uint8_t *mem, size_t mem_len, uint32_t threads) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK,
        srm_fetch_start(g, index, wants, count, fds, fd_count, mem, mem_len, threads, &job));
    outcome end = settle(job);
    CHECK_STATUS(SRM_OK, end.status);
    return end;
}

void fetching_check_fetch(
    srm_segments *g, srm_index *index, const srm_status harmed[CHUNK_COUNT], uint32_t threads) {
    srm_want wants[CHUNK_COUNT];
    uint8_t *out = must_alloc(fetching_raw_len);
    fetching_all_wants(wants);
    memset(out, 0xee, fetching_raw_len);
    (void)fetching_fetch(g, index, wants, CHUNK_COUNT, NULL, 0, out, fetching_raw_len, threads);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        CHECK_STATUS(harmed[i], (srm_status)wants[i].status);
        for (size_t k = 0; harmed[i] != SRM_OK && k < fetching_chunks[i].raw_len; k++)
            CHECK(out[fetching_offs[i] + k] == 0xee);
        CHECK(harmed[i] != SRM_OK || memcmp(out + fetching_offs[i], fetching_chunks[i].raw,
                                         fetching_chunks[i].raw_len) == 0);
    }
    free(out);
}

void fetching_fetch_all(srm_segments *g, srm_index *index) {
    static const srm_status sound[CHUNK_COUNT];
    fetching_check_fetch(g, index, sound, 2);
}

void fetching_harm(srm_status harmed[CHUNK_COUNT], size_t from, size_t to, srm_status status) {
    for (size_t i = from; i < to; i++)
        harmed[i] = status;
}

int fetching_facts(const fact *facts, size_t fact_count) {
    make_chunks();
    repository_begin(&fetching_repo);
    fetching_put_all();
    int status = check_facts(facts, fact_count);
    repository_end(&fetching_repo);
    free(fetching_raw);
    return status;
}
