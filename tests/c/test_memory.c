/* Whichever allocation fails, calls say so and nothing leaks. The linker puts our own malloc,
 * calloc and realloc in front of those of the core and libcrypto. */
#include "base/bytes.h"
#include "check.h"
#include "repository.h"
#include "segment/data.h"
#include "spool.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAW_LEN ((size_t)SRM_CHUNK_LEN + 5000)
#define STORED_CAP ((size_t)3 << 20)

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *memory, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *memory, size_t len);

static atomic_long until_failure = -1; /* allocations; below 0: none fails */

static bool fails(void) {
    return atomic_load(&until_failure) >= 0 && atomic_fetch_sub(&until_failure, 1) == 0;
}

void *__wrap_malloc(size_t len) {
    return fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len) {
    return fails() ? NULL : __real_calloc(count, len);
}

void *__wrap_realloc(void *memory, size_t len) {
    return fails() ? NULL : __real_realloc(memory, len);
}

static uint8_t raw[RAW_LEN];
static uint8_t stored[STORED_CAP];
static uint8_t opened[RAW_LEN];
static size_t stored_len;
static uint32_t threads = 1;

static srm_status finish(srm_status started, srm_job *job, uint64_t *len) {
    srm_result result;
    srm_failure failure;
    CHECK((started == SRM_OK) == (job != NULL));
    if (started != SRM_OK)
        return started;
    srm_status status = srm_job_wait(job, 60000);
    CHECK_STATUS(SRM_OK, srm_job_result(job, &result, &failure));
    CHECK(failure.status == (int32_t)status);
    *len = result.stored_len;
    srm_job_free(job);
    return status;
}

static srm_status seal_and_open(void) {
    srm_seal_options options = test_options(1, 1);
    srm_job *job = NULL;
    uint64_t len = 0;
    options.threads = threads;
    srm_status status =
        srm_seal_start(&options, from_memory(raw, RAW_LEN), to_memory(stored, STORED_CAP), &job);
    status = finish(status, job, &len);
    if (status != SRM_OK)
        return status;
    srm_source in = from_memory(stored + SRM_HEADER_LEN, (size_t)len - SRM_HEADER_LEN);
    status =
        srm_open_start(stored, options.session_key, in, to_memory(opened, RAW_LEN), threads, &job);
    status = finish(status, job, &len);
    if (status != SRM_OK)
        return status;
    CHECK(memcmp(opened, raw, RAW_LEN) == 0);
    status = srm_scrub_start(stored, in, threads, &job);
    return finish(status, job, &len);
}

/* Through a pipe, whose bytes go through buffers that memory has no need of. */
static srm_status seal_pipes(void) {
    srm_seal_options options = test_options(1, 1);
    srm_job *job = NULL;
    uint64_t len = 0;
    int ends[2];
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK(pipe(ends) == 0 && fd >= 0);
    CHECK(write(ends[1], raw, 5000) == 5000);
    close(ends[1]);
    options.threads = threads;
    srm_status status = srm_seal_start(&options, from_fd(ends[0]), to_fd(fd), &job);
    status = finish(status, job, &len);
    close(ends[0]);
    close(fd);
    return status;
}

/* Over the stream that was sealed last. */
static srm_status view_places(void) {
    srm_seal_options options = test_options(1, 1);
    uint8_t bytes[100];
    srm_view *view = NULL;
    srm_failure failure;
    size_t got = 1;
    srm_source in = from_memory(stored + SRM_HEADER_LEN, stored_len - SRM_HEADER_LEN);
    srm_status status = srm_view_open(stored, options.session_key, in, &view, &failure);
    CHECK((status == SRM_OK) == (view != NULL));
    if (status == SRM_OK)
        status = srm_view_read(view, SRM_CHUNK_LEN - 50, bytes, sizeof bytes, &got, &failure);
    CHECK(status != SRM_OK || memcmp(bytes, raw + SRM_CHUNK_LEN - 50, sizeof bytes) == 0);
    CHECK(status == SRM_OK || view == NULL || got == 0);
    srm_view_free(view);
    return status;
}

static repository repo;
static chunk chunks[3];
static stored_segment segments[2];

/* Two segments, one of which has lost its last frame: loaded, fetched from and verified. */
static srm_status read_segments(void) {
    srm_segments *g = NULL;
    srm_index *index = NULL;
    srm_job *job = NULL;
    srm_segment_status found[2];
    srm_want want = {.raw_len = chunks[0].raw_len};
    uint8_t ids[2 * 16];
    uint8_t roots[2 * 32];
    uint64_t len = 0;
    memcpy(want.id, chunks[0].id, sizeof want.id);
    for (size_t i = 0; i < 2; i++) {
        memcpy(ids + 16 * i, segments[i].id, 16);
        memcpy(roots + 32 * i, segments[i].root, 32);
    }
    srm_status status =
        srm_segments_new(repo.repo_id, repo.wrap_key, repo.chunk_key, repo.folder_fd, &g);
    if (status == SRM_OK)
        status = srm_index_new(&index);
    if (status == SRM_OK) {
        status = srm_load_start(g, index, ids, 2, found, threads, &job);
        status = finish(status, job, &len);
    }
    if (status == SRM_OK) {
        status = srm_fetch_start(g, index, &want, 1, NULL, 0, opened, RAW_LEN, threads, &job);
        status = finish(status, job, &len);
        CHECK(status != SRM_OK || want.status == SRM_OK);
    }
    if (status == SRM_OK) {
        status = srm_verify_start(g, ids, roots, 2, found, threads, &job);
        status = finish(status, job, &len);
        CHECK(status != SRM_OK || (found[0].status == SRM_OK && found[1].status == SRM_EDAMAGED));
    }
    srm_index_free(index);
    srm_segments_free(g);
    return status;
}

static srm_status take_in(srm_session *session, int folder) {
    static const char paths[] = "big\0small";
    srm_file_result results[2];
    srm_job *job = NULL;
    uint64_t len = 0;
    srm_status status =
        srm_session_files_start(session, folder, paths, sizeof paths, 2, results, &job);
    status = finish(status, job, &len);
    if (status != SRM_OK)
        return status;
    CHECK(results[0].size == RAW_LEN && results[1].size == 500);
    job = NULL;
    status = srm_session_stream_start(session, from_memory(raw, 700), results, &job);
    status = finish(status, job, &len);
    if (status != SRM_OK)
        return status;
    job = NULL;
    status = srm_session_finish_start(session, &job);
    return finish(status, job, &len);
}

static srm_status take_in_files(void) {
    char in_path[64];
    char out_path[64];
    int in = folder_make(in_path);
    int out = folder_make(out_path);
    srm_segment_info infos[4];
    size_t complete = 0;
    srm_index *index = NULL;
    srm_session *session = NULL;
    srm_session_options options = test_session_options(1, threads, out);
    folder_put(in, "big", raw, RAW_LEN);
    folder_put(in, "small", raw, 500);
    srm_status status = srm_index_new(&index);
    if (status == SRM_OK)
        status = srm_session_begin(&options, index, &session);
    CHECK((status == SRM_OK) == (session != NULL));
    if (status == SRM_OK)
        status = take_in(session, in);
    if (session != NULL)
        CHECK_STATUS(SRM_OK, srm_session_take_segments(session, infos, 4, &complete));
    CHECK(status != SRM_OK || complete > 0);
    srm_session_free(session);
    CHECK(folder_count(out_path) == complete);
    srm_index_free(index);
    folder_remove(in_path, in);
    folder_remove(out_path, out);
    return status;
}

/* Fail the first allocation, then the second and so on, until there are no more. Some failures
 * do not matter to libcrypto; most must be told. */
static void fail_each(srm_status (*work)(void), long least) {
    long told = 0;
    CHECK_STATUS(SRM_OK, work()); /* what lasts as long as the process is there now */
    for (long n = 0;; n++) {
        atomic_store(&until_failure, n);
        srm_status status = work();
        bool reached = atomic_exchange(&until_failure, -1) < 0;
        CHECK(status == SRM_OK || status == SRM_ENOMEM || status == SRM_ECRYPTO);
        CHECK(reached || status == SRM_OK);
        told += status != SRM_OK;
        if (!reached)
            break;
    }
    CHECK(told >= least);
}

static void jobs_survive_every_failing_allocation(void) {
    for (threads = 1; threads <= 2; threads++) {
        fail_each(seal_and_open, 20);
        fail_each(seal_pipes, 10);
    }
}

static void views_survive_every_failing_allocation(void) {
    srm_seal_options options = test_options(1, 1);
    segment s;
    segment_seal(&options, raw, RAW_LEN, &s);
    memcpy(stored, s.bytes, s.len);
    stored_len = s.len;
    segment_free(&s);
    fail_each(view_places, 8);
}

static void reading_survives_every_failing_allocation(void) {
    static const uint32_t lens[3] = {100000, SRM_CHUNK_LEN - 50000, 100000}; /* the last is lost */
    for (size_t i = 0; i < 3; i++)
        chunks[i] = (chunk){.raw = raw + i, .raw_len = lens[i]};
    repository_begin(&repo);
    repository_put(&repo, 1, chunks, 1, 3, NULL, NULL, &segments[0]);
    repository_put(&repo, 2, chunks + 1, 2, 0, NULL, NULL, &segments[1]);
    repository_cut(&repo, 2, layout_trailer_off(&segments[1].layout) - 1);
    for (threads = 1; threads <= 2; threads++)
        fail_each(read_segments, 20);
    repository_end(&repo);
}

/* Chunks laid out, and their directory read again. */
static srm_status pack_data(void) {
    static uint8_t last[SRM_FRAME_LEN];
    data_packer *p;
    data_frame frames[2];
    data_entry *entries = NULL;
    uint32_t count = 0;
    size_t made = 0;
    srm_status status = data_packer_new(&p);
    CHECK((status == SRM_OK) == (p != NULL));
    for (uint8_t i = 0; status == SRM_OK && i < 200; i++) {
        data_chunk c = {.id = {i}, .stored = raw, .stored_len = 9, .raw_len = 9};
        uint32_t off;
        status = data_packer_put(p, &c, frames, &made, &off);
    }
    if (status == SRM_OK)
        status = data_packer_end(p, frames, &made);
    if (status == SRM_OK) {
        layout l = data_packer_layout(p);
        CHECK(made == 1 && frames[0].piece_count == 1);
        memcpy(last, frames[0].pieces[0].data, frames[0].pieces[0].len);
        status = data_directory(last, frames[0].pieces[0].len, &l, &entries, &count);
        CHECK(status == SRM_OK ? count == 200 : entries == NULL && count == 0);
    }
    free(entries);
    data_packer_free(p);
    return status;
}

/* An index filled, saved, and opened again. */
static srm_status use_index(void) {
    static const uint8_t note[64];
    srm_index *indexes[2] = {NULL, NULL};
    srm_location at = {.stored_len = 1, .raw_len = 1};
    uint8_t id[SRM_DIGEST_LEN] = {0};
    int fd = memfd_create("table", MFD_CLOEXEC);
    CHECK(fd >= 0);
    srm_status status = srm_index_new(&indexes[0]);
    for (uint16_t i = 0; status == SRM_OK && i < 2000; i++) {
        store_be16(id, (uint16_t)(i << 8 | i >> 8));
        status = srm_index_segment(indexes[0], id, &at.segment);
        if (status == SRM_OK)
            status = srm_index_put(indexes[0], id, &at);
    }
    if (status == SRM_OK)
        status = srm_index_save(indexes[0], fd, note, 0);
    if (status == SRM_OK)
        status = srm_index_new(&indexes[1]);
    if (status == SRM_OK)
        status = srm_index_add_table(indexes[1], fd);
    CHECK(status != SRM_OK || srm_index_count(indexes[1]) == 2000);
    CHECK(status != SRM_OK || srm_index_find(indexes[1], id, &at) == 1);
    srm_index_free(indexes[0]);
    srm_index_free(indexes[1]);
    (void)close(fd);
    return status;
}

static void repositories_survive_every_failing_allocation(void) {
    fail_each(pack_data, 4);
    fail_each(use_index, 60);
}

static void sessions_survive_every_failing_allocation(void) {
    for (threads = 1; threads <= 2; threads++)
        fail_each(take_in_files, 20);
}

int main(void) {
    static const fact facts[] = {
        LONG_FACT(sessions_survive_every_failing_allocation),
        LONG_FACT(jobs_survive_every_failing_allocation),
        FACT(views_survive_every_failing_allocation),
        LONG_FACT(reading_survives_every_failing_allocation),
        FACT(repositories_survive_every_failing_allocation),
    };
    fill_text(raw, RAW_LEN);
    return check_facts(facts, sizeof facts / sizeof facts[0]);
}
