/* Chunks of many segments, loaded into an index and fetched to where they are wanted. */
#include "base/bytes.h"
#include "fetching.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void chunks_come_to_their_places(void) {
    static const srm_status sound[CHUNK_COUNT];
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&fetching_repo);
    srm_index *index = fetching_new_index();
    fetching_load(g, index, statuses);
    fetching_check_loaded(statuses, 0, SRM_OK, SRM_AT_NONE);
    CHECK(statuses[0].chunks == WHOLE_COUNT && statuses[1].chunks == PACKED_COUNT);
    CHECK(statuses[1].length == fetching_stored[PACKED].length);
    for (uint32_t threads = 1; threads <= 9; threads += 4)
        fetching_check_fetch(g, index, sound, threads);
    srm_index_free(index);
    srm_segments_free(g);
}

/* Every chunk twice in each of two files, in a crooked order. */
static void files_get_what_they_want_wherever_it_is(void) {
    enum { FILES = 2, TIMES = 2, COUNT = CHUNK_COUNT * FILES * TIMES };
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&fetching_repo);
    srm_index *index = fetching_new_index();
    srm_want *wants = must_alloc(COUNT * sizeof *wants);
    int32_t fds[FILES];
    uint8_t *out = must_alloc(fetching_raw_len);
    fetching_load(g, index, statuses);
    for (size_t i = 0; i < FILES; i++) {
        fds[i] = memfd_create("out", MFD_CLOEXEC);
        CHECK(fds[i] >= 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t k = i * 89 % COUNT;
        wants[i] = fetching_want_of(k % CHUNK_COUNT);
        wants[i].file = (uint32_t)(k / CHUNK_COUNT % FILES);
        wants[i].off += k / CHUNK_COUNT / FILES * fetching_raw_len;
    }
    outcome end = fetching_fetch(g, index, wants, COUNT, fds, FILES, NULL, 0, 3);
    CHECK(end.bytes_out == FILES * TIMES * fetching_raw_len);
    CHECK(end.bytes_in <
          2 * (fetching_stored[1].length + fetching_stored[2].length + fetching_stored[3].length));
    for (size_t i = 0; i < COUNT; i++)
        CHECK_STATUS(SRM_OK, (srm_status)wants[i].status);
    for (size_t i = 0; i < FILES * TIMES; i++) {
        CHECK(pread(fds[i % FILES], out, fetching_raw_len, (off_t)(i / FILES * fetching_raw_len)) ==
              (ssize_t)fetching_raw_len);
        CHECK(memcmp(out, fetching_raw, fetching_raw_len) == 0);
    }
    for (size_t i = 0; i < FILES; i++)
        close(fds[i]);
    free(out);
    free(wants);
    srm_index_free(index);
    srm_segments_free(g);
}

/* What was there before shows what was not written. */
static void zeros_are_left_out_where_that_is_asked_for(void) {
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&fetching_repo);
    srm_index *index = fetching_new_index();
    uint8_t *before = must_alloc(2 * CHUNK);
    int32_t fd = memfd_create("out", MFD_CLOEXEC);
    srm_want wants[2] = {fetching_want_of(2), fetching_want_of(WHOLE_COUNT + 7)};
    fetching_load(g, index, statuses);
    CHECK(fd >= 0);
    memset(before, 0xee, 2 * CHUNK);
    for (int sparse = 0; sparse < 2; sparse++) {
        CHECK(pwrite(fd, before, 2 * CHUNK, 0) == (ssize_t)(2 * CHUNK));
        for (size_t i = 0; i < 2; i++) {
            wants[i].off = i * CHUNK;
            wants[i].flags = sparse == 0 ? 0 : SRM_WANT_SPARSE;
        }
        (void)fetching_fetch(g, index, wants, 2, &fd, 1, NULL, 0, 1);
        CHECK(wants[0].status == SRM_OK && wants[1].status == SRM_OK);
        uint8_t *out = must_alloc(2 * CHUNK);
        CHECK(pread(fd, out, 2 * CHUNK, 0) == (ssize_t)(2 * CHUNK));
        for (size_t i = 0; i < 2 * CHUNK; i++) {
            const uint8_t *from =
                fetching_raw +
                (i < CHUNK ? fetching_offs[2] : fetching_offs[WHOLE_COUNT + 7] - CHUNK);
            size_t block = i - i % 4096;
            const bool zeros = (block >= 100000 && block + 4096 <= 400000) || i >= CHUNK;
            CHECK(out[i] == (sparse != 0 && zeros ? 0xee : from[i]));
        }
        free(out);
    }
    close(fd);
    free(before);
    srm_index_free(index);
    srm_segments_free(g);
}

static void a_want_that_cannot_be_fails_alone(void) {
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&fetching_repo);
    srm_index *index = fetching_new_index();
    srm_want wants[CHUNK_COUNT];
    uint8_t *out = must_alloc(fetching_raw_len);
    fetching_load(g, index, statuses);
    fetching_all_wants(wants);
    memset(wants[3].id, 7, 32);          /* unknown */
    wants[4].raw_len--;                  /* of another length */
    wants[5].off = fetching_raw_len - 1; /* no place */
    wants[6].off = UINT64_MAX - 5;       /* nor there */
    wants[7].raw_len = 0;                /* nothing */
    wants[8].raw_len = SRM_CHUNK_LEN + 1;
    wants[9].id[31] ^= 1; /* an index may know half an id only */
    memset(out, 0xee, fetching_raw_len);
    (void)fetching_fetch(g, index, wants, CHUNK_COUNT, NULL, 0, out, fetching_raw_len, 2);
    CHECK_STATUS(SRM_ENOTFOUND, (srm_status)wants[3].status);
    CHECK_STATUS(SRM_EDAMAGED, (srm_status)wants[4].status);
    for (size_t i = 5; i <= 8; i++)
        CHECK_STATUS(SRM_EINVAL, (srm_status)wants[i].status);
    CHECK(wants[9].status == SRM_EDAMAGED || wants[9].status == SRM_ENOTFOUND);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        const bool good = i < 3 || i > 9;
        CHECK(!good || wants[i].status == SRM_OK);
        CHECK(good ? memcmp(out + fetching_offs[i], fetching_chunks[i].raw,
                         fetching_chunks[i].raw_len) == 0
                   : out[fetching_offs[i]] == 0xee);
    }
    free(out);
    srm_index_free(index);
    srm_segments_free(g);
}

static void a_file_that_cannot_be_written_fails_alone(void) {
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&fetching_repo);
    srm_index *index = fetching_new_index();
    srm_want wants[CHUNK_COUNT];
    int32_t fds[3] = {memfd_create("out", MFD_CLOEXEC), open("/dev/null", O_RDONLY), -1};
    fetching_load(g, index, statuses);
    fetching_all_wants(wants);
    for (size_t i = 0; i < CHUNK_COUNT; i++)
        wants[i].file = (uint32_t)(i % 4);
    (void)fetching_fetch(g, index, wants, CHUNK_COUNT, fds, 3, NULL, 0, 2);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        static const srm_status expected[4] = {SRM_OK, SRM_EIO, SRM_EINVAL, SRM_EINVAL};
        CHECK_STATUS(expected[i % 4], (srm_status)wants[i].status);
        CHECK(i % 4 != 1 || (wants[i].os_error == EBADF && wants[i].place == SRM_AT_OUTPUT));
    }
    close(fds[0]);
    close(fds[1]);
    srm_index_free(index);
    srm_segments_free(g);
}

static void more_segments_than_stay_open_are_read(void) {
    enum { COUNT = 100 };
    static chunk many[COUNT];
    uint8_t *bytes = must_alloc(COUNT * 100);
    uint8_t ids[COUNT * 16];
    srm_segment_status statuses[COUNT];
    srm_want wants[4 * COUNT];
    stored_segment s;
    srm_job *job = NULL;
    fill_noise(bytes, COUNT * 100, 1);
    for (size_t i = 0; i < COUNT; i++) {
        many[i] = (chunk){.raw = bytes + i * 100, .raw_len = 100};
        repository_put(&fetching_repo, (uint8_t)(10 + i), &many[i], 1, 0, NULL, NULL, &s);
        memset(ids + i * 16, (int)(10 + i), 16);
    }
    srm_segments *g = repository_segments(&fetching_repo);
    srm_index *index = fetching_new_index();
    CHECK_STATUS(SRM_OK, srm_load_start(g, index, ids, COUNT, statuses, 4, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    uint8_t *out = must_alloc(4 * COUNT * 100);
    for (size_t i = 0; i < 4 * COUNT; i++) {
        wants[i] = (srm_want){.raw_len = 100, .off = i * 100};
        memcpy(wants[i].id, many[i % COUNT].id, 32);
    }
    for (int round = 0; round < 3; round++) {
        memset(out, 0, 4 * COUNT * 100);
        (void)fetching_fetch(g, index, wants, 4 * COUNT, NULL, 0, out, 4 * COUNT * 100, 8);
        for (size_t i = 0; i < 4 * COUNT; i++)
            CHECK(memcmp(out + i * 100, bytes + i % COUNT * 100, 100) == 0);
    }
    free(out);
    free(bytes);
    srm_index_free(index);
    srm_segments_free(g);
    for (size_t i = 0; i < COUNT; i++)
        repository_remove(&fetching_repo, (uint8_t)(10 + i));
}

static void a_job_that_is_stopped_says_so(void) {
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&fetching_repo);
    srm_index *index = fetching_new_index();
    srm_want wants[CHUNK_COUNT];
    uint8_t *out = must_alloc(fetching_raw_len);
    srm_job *job = NULL;
    fetching_load(g, index, statuses);
    for (int i = 0; i < 20; i++) {
        fetching_all_wants(wants);
        CHECK_STATUS(SRM_OK,
            srm_fetch_start(g, index, wants, CHUNK_COUNT, NULL, 0, out, fetching_raw_len, 2, &job));
        usleep((unsigned)i * 300);
        srm_job_cancel(job);
        outcome end = settle(job);
        CHECK(end.status == SRM_OK || end.status == SRM_ECANCELLED);
        for (size_t k = 0; k < CHUNK_COUNT; k++)
            CHECK(wants[k].status == SRM_OK ||
                  (end.status != SRM_OK && wants[k].status == SRM_ECANCELLED));
    }
    free(out);
    srm_index_free(index);
    srm_segments_free(g);
}

static void wrong_arguments_start_nothing(void) {
    srm_segments *g = NULL;
    srm_index *index = fetching_new_index();
    srm_job *job = NULL;
    srm_segment_status status;
    srm_want want = {0};
    const uint8_t *k = fetching_repo.repo_id;
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(NULL, k, k, 0, &g));
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(k, NULL, k, 0, &g));
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(k, k, NULL, 0, &g));
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(k, k, k, -1, &g));
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(k, k, k, 0, NULL));
    CHECK_STATUS(SRM_EIO, srm_segments_new(k, k, k, 100000, &g));
    g = repository_segments(&fetching_repo);
    CHECK_STATUS(SRM_EINVAL, srm_load_start(NULL, index, fetching_ids, 1, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_load_start(g, NULL, fetching_ids, 1, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_load_start(g, index, NULL, 1, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_load_start(g, index, fetching_ids, 1, NULL, 1, &job));
    CHECK_STATUS(
        SRM_EINVAL, srm_load_start(g, index, fetching_ids, UINT64_MAX / 8, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_load_start(g, index, fetching_ids, 1, &status, 1, NULL));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(g, index, NULL, 1, NULL, 0, NULL, 0, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(g, index, &want, 1, NULL, 0, NULL, 1, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(g, NULL, &want, 1, NULL, 0, NULL, 0, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(NULL, index, &want, 1, NULL, 0, NULL, 0, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(g, index, &want, 1, NULL, 0, NULL, 0, 1, NULL));
    CHECK(job == NULL);
    CHECK_STATUS(SRM_OK, srm_load_start(g, index, NULL, 0, NULL, 0, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    CHECK_STATUS(SRM_OK, srm_fetch_start(g, index, NULL, 0, NULL, 0, NULL, 0, 0, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    srm_segments_free(g);
    srm_segments_free(NULL);
    srm_index_free(index);
}

int main(void) {
    static const fact facts[] = {
        FACT(chunks_come_to_their_places),
        FACT(files_get_what_they_want_wherever_it_is),
        FACT(zeros_are_left_out_where_that_is_asked_for),
        FACT(a_want_that_cannot_be_fails_alone),
        FACT(a_file_that_cannot_be_written_fails_alone),
        FACT(more_segments_than_stay_open_are_read),
        FACT(a_job_that_is_stopped_says_so),
        FACT(wrong_arguments_start_nothing),
    };
    return fetching_facts(facts, sizeof facts / sizeof facts[0]);
}
