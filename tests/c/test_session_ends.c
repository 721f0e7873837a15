/* Streams taken into a session, and how sessions end: whole, stopped, or with a disk that fails. */
#include "base/bytes.h"
#include "crypto/hash.h"
#include "passes.h"
#include "stage.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_stream_comes_back_whatever_it_is_read_from(void) {
    static const size_t lens[] = {0, 1, CHUNK, CHUNK + 1, STAGE_LEN};
    for (size_t i = 0; i < 3 * sizeof lens / sizeof lens[0]; i++) {
        const size_t len = lens[i / 3];
        stage s;
        feeder f;
        srm_file_result result;
        srm_job *job = NULL;
        const uint8_t *ids = NULL;
        uint64_t id_count = 0;
        stage_begin(&s, 1);
        srm_source source = from_memory(stage_text, len);
        if (i % 3 == 1)
            source = from_fd(file_of(stage_text, len));
        if (i % 3 == 2)
            source = from_fd(feeder_start(&f, stage_text, len, 70001, 0));
        CHECK_STATUS(SRM_OK, srm_session_stream_start(s.session, source, &result, &job));
        CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
        CHECK_STATUS(SRM_OK, srm_job_ids(job, &ids, &id_count));
        CHECK(stage_finish(&s) == (len > 0) || stage_threads > 1);
        CHECK(result.status == SRM_OK && result.size == len && result.id_count == id_count);
        stage_check_content(&s, ids, id_count, stage_text, len);
        outcome o = settle(job);
        CHECK(o.bytes_in == len);
        if (i % 3 > 0)
            close(source.fd);
        if (i % 3 == 2)
            feeder_join(&f);
        stage_end(&s);
    }
}

static void check_abandoned(stage *s) {
    srm_job *job = NULL;
    srm_file_result result;
    srm_location at;
    uint8_t key[SRM_KEY_LEN];
    uint8_t id[SRM_DIGEST_LEN];
    CHECK_STATUS(SRM_ESTATE, srm_session_files_start(s->session, s->in, s->paths, s->paths_len,
                                 s->count, s->results, &job));
    CHECK_STATUS(
        SRM_ESTATE, srm_session_stream_start(s->session, from_memory(stage_raw, 5), &result, &job));
    CHECK_STATUS(SRM_ESTATE, srm_session_finish_start(s->session, &job));
    srm_session_free(s->session);
    s->session = NULL;
    CHECK(folder_count(s->out_path) == 0);
    memset(key, CHUNK_KEY_BYTE, sizeof key);
    blake3_keyed(key, stage_raw, CHUNK, id);
    CHECK(srm_index_find(s->index, id, &at) == 0);
}

static size_t flush(stage *s) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_session_flush_start(s->session, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    return stage_collect(s);
}

/* All that was in the session's hands is stored, and the session takes more. */
static void check_usable(stage *s, uint64_t file) {
    uint64_t count = 0;
    size_t whole = flush(s);
    CHECK(folder_count(s->out_path) == whole); /* and nothing else */
    uint8_t *ids = stage_take_files(s, &count);
    stage_finish(s);
    stage_check_file(s, file, ids, stage_raw, STAGE_LEN);
    free(ids);
}

static void a_cancelled_job_ends_early_and_no_more(void) {
    for (unsigned after = 0; after < 3000; after += 300) {
        stage s;
        stage_begin(&s, 0);
        stage_add_file(&s, "file", stage_raw, STAGE_LEN);
        srm_job *job = stage_start_files(&s);
        (void)usleep(after);
        srm_job_cancel(job);
        outcome o = settle(job);
        CHECK(o.status == SRM_OK || o.status == SRM_ECANCELLED);
        check_usable(&s, 0);
        stage_end(&s);
    }
}

static void a_stream_that_never_comes_can_be_cancelled(void) {
    stage s;
    int ends[2];
    srm_job *job = NULL;
    srm_file_result result;
    stage_begin(&s, 0);
    CHECK(pipe(ends) == 0);
    CHECK_STATUS(SRM_OK, srm_session_stream_start(s.session, from_fd(ends[0]), &result, &job));
    CHECK_STATUS(SRM_RUNNING, srm_job_wait(job, 20));
    srm_job_cancel(job);
    CHECK_STATUS(SRM_ECANCELLED, settle(job).status);
    stage_add_file(&s, "file", stage_raw, STAGE_LEN);
    check_usable(&s, 0);
    close(ends[0]);
    close(ends[1]);
    stage_end(&s);
}

static void what_was_flushed_is_whole_and_not_stored_again(void) {
    stage s;
    uint64_t count = 0;
    stage_begin(&s, 0);
    CHECK(flush(&s) == 0);
    stage_add_file(&s, "media", stage_raw, STAGE_LEN);
    stage_add_file(&s, "stage_text", stage_text, 2000);
    uint8_t *ids = stage_take_files(&s, &count);
    CHECK(flush(&s) > 0);
    stage_check_file(&s, 0, ids, stage_raw, STAGE_LEN);
    stage_check_file(&s, 1, ids, stage_text, 2000);
    free(ids);
    CHECK(flush(&s) == 0);
    ids = stage_take_files(&s, &count);
    CHECK(s.results[0].new_len == 0 && s.results[1].new_len == 0);
    free(ids);
    CHECK(stage_finish(&s) == 0);
    stage_end(&s);
}

static void a_source_that_cannot_be_read_fails_the_job(void) {
    stage s;
    srm_job *job = NULL;
    srm_file_result result;
    stage_begin(&s, 0);
    CHECK_STATUS(SRM_OK, srm_session_stream_start(s.session, from_fd(s.in), &result, &job));
    outcome o = settle(job);
    CHECK(o.status == SRM_EIO && o.failure.place == SRM_AT_INPUT && o.failure.os_error == EISDIR);
    check_abandoned(&s);
    stage_end(&s);
}

static void a_full_disk_abandons_the_session(void) {
    static const rlim_t limits[] = {0, 4000, 3 * SRM_FRAME_LEN};
    for (size_t i = 0; i < 3; i++) {
        stage s;
        struct rlimit before;
        stage_begin(&s, 0);
        stage_add_file(&s, "file", stage_raw, STAGE_LEN);
        stage_add_file(&s, "small", stage_raw, 2000);
        CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
        struct rlimit low = {.rlim_cur = limits[i], .rlim_max = before.rlim_max};
        CHECK(setrlimit(RLIMIT_FSIZE, &low) == 0);
        outcome o = settle(stage_start_files(&s));
        CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
        CHECK(o.status == SRM_EIO && o.failure.place == SRM_AT_OUTPUT);
        CHECK(o.failure.os_error == EFBIG);
        check_abandoned(&s);
        stage_end(&s);
    }
}

/* Whichever write fails, and whichever fsync, the session ends there. */
static void check_failing(atomic_long *left, int os_error, long least) {
    long told = 0;
    for (bool was_due = true; was_due; told += was_due) {
        stage s;
        srm_job *job = NULL;
        stage_begin(&s, 0);
        stage_add_file(&s, "file", stage_raw, 2 * CHUNK + 5);
        stage_add_file(&s, "small", stage_text, 2000);
        atomic_store(left, told);
        outcome o = settle(stage_start_files(&s));
        if (o.status == SRM_OK) {
            CHECK_STATUS(SRM_OK, srm_session_finish_start(s.session, &job));
            o = settle(job);
        }
        was_due = atomic_exchange(left, -1) < 0;
        CHECK((o.status != SRM_OK) == was_due);
        CHECK(o.status == SRM_OK || (o.status == SRM_EIO && o.failure.place == SRM_AT_OUTPUT &&
                                        o.failure.os_error == os_error));
        CHECK_STATUS(SRM_ESTATE, srm_session_finish_start(s.session, &job));
        stage_end(&s);
    }
    CHECK(told >= least);
}

static void whatever_write_fails_is_told(void) {
    check_failing(&stage_writes_left, ENOSPC, 8);
    check_failing(&stage_syncs_left, EIO, 2);
}

static void a_folder_that_is_gone_abandons_the_session(void) {
    stage s;
    stage_begin(&s, 0);
    stage_add_file(&s, "file", stage_raw, 2000);
    CHECK(rmdir(s.out_path) == 0);
    outcome o = settle(stage_start_files(&s));
    CHECK(o.status == SRM_EIO && o.failure.place == SRM_AT_OUTPUT);
    CHECK(o.failure.os_error == ENOENT);
    stage_end(&s);
}

static void what_is_not_finished_is_removed(void) {
    stage s;
    uint64_t id_count = 0;
    srm_location at;
    stage_begin(&s, 0);
    stage_add_file(&s, "file", stage_raw, STAGE_LEN);
    uint8_t *ids = stage_take_files(&s, &id_count);
    CHECK(folder_count(s.out_path) > 0);
    CHECK(srm_index_find(s.index, ids, &at) == 1);
    srm_session_free(s.session);
    s.session = NULL;
    CHECK(folder_count(s.out_path) == 0);
    for (uint64_t i = 0; i < id_count; i++)
        CHECK(srm_index_find(s.index, ids + i * SRM_DIGEST_LEN, &at) == 0);
    free(ids);
    stage_end(&s);
}

static void one_job_runs_at_a_time(void) {
    stage s;
    int ends[2];
    srm_job *job = NULL;
    srm_job *second = NULL;
    srm_file_result result;
    stage_begin(&s, 0);
    stage_add_file(&s, "file", stage_raw, 10);
    CHECK(pipe(ends) == 0);
    CHECK_STATUS(SRM_OK, srm_session_stream_start(s.session, from_fd(ends[0]), &result, &job));
    CHECK_STATUS(SRM_ESTATE, srm_session_files_start(s.session, s.in, s.paths, s.paths_len, s.count,
                                 s.results, &second));
    CHECK_STATUS(SRM_ESTATE, srm_session_finish_start(s.session, &second));
    CHECK(second == NULL);
    close(ends[1]);
    CHECK_STATUS(SRM_OK, settle(job).status);
    CHECK(stage_finish(&s) == 0);
    CHECK_STATUS(SRM_ESTATE, srm_session_finish_start(s.session, &second));
    close(ends[0]);
    stage_end(&s);
}

static void a_child_cannot_use_its_parents_session(void) {
    stage s;
    uint64_t id_count = 0;
    int how = 0;
    stage_begin(&s, 0);
    stage_add_file(&s, "file", stage_raw, 1000);
    free(stage_take_files(&s, &id_count));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        srm_job *job = NULL;
        size_t count = 0;
        srm_segment_info info;
        bool refused = srm_session_finish_start(s.session, &job) == SRM_ESTATE &&
                       srm_session_take_segments(s.session, &info, 1, &count) == SRM_ESTATE;
        srm_session_free(s.session);
        _exit(refused ? 0 : 1);
    }
    CHECK(waitpid(child, &how, 0) == child && WIFEXITED(how) && WEXITSTATUS(how) == 0);
    CHECK(stage_finish(&s) == 1);
    stage_end(&s);
}

static void nothing_to_take_in_is_fine(void) {
    stage s;
    uint64_t id_count = 9;
    stage_begin(&s, 0);
    free(stage_take_files(&s, &id_count));
    CHECK(id_count == 0 && stage_finish(&s) == 0 && folder_count(s.out_path) == 0);
    stage_end(&s);
}

static void wrong_arguments_start_nothing(void) {
    stage s;
    srm_job *job = NULL;
    srm_session *none = NULL;
    srm_file_result r;
    const uint8_t *ids = NULL;
    uint64_t count = 0;
    stage_begin(&s, 0);
    srm_session_options options = test_session_options(23, 1, s.out);
    CHECK_STATUS(SRM_EINVAL, srm_session_begin(&options, s.index, &none));
    options = test_session_options(1, 1, -1);
    CHECK_STATUS(SRM_EINVAL, srm_session_begin(&options, s.index, &none));
    options = test_session_options(1, 1, s.out);
    options.envelopes_len = 3;
    CHECK_STATUS(SRM_EINVAL, srm_session_begin(&options, s.index, &none));
    CHECK(none == NULL);
    CHECK_STATUS(SRM_EINVAL, srm_session_files_start(s.session, s.in, "a", 1, 1, &r, &job));
    CHECK_STATUS(SRM_EINVAL, srm_session_files_start(s.session, s.in, "a", 2, 2, &r, &job));
    CHECK_STATUS(SRM_EINVAL, srm_session_files_start(s.session, s.in, "a\0b", 4, 1, &r, &job));
    CHECK_STATUS(SRM_EINVAL, srm_session_files_start(s.session, s.in, "a", 2, 1, NULL, &job));
    CHECK_STATUS(SRM_EINVAL, srm_session_files_start(NULL, s.in, "a", 2, 1, &r, &job));
    CHECK_STATUS(SRM_EINVAL, srm_job_ids(NULL, &ids, &count));
    CHECK(job == NULL);
    stage_end(&s);
}

int main(void) {
    static const fact facts[] = {
        FACT(a_stream_comes_back_whatever_it_is_read_from),
        FACT(a_cancelled_job_ends_early_and_no_more),
        FACT(a_stream_that_never_comes_can_be_cancelled),
        FACT(what_was_flushed_is_whole_and_not_stored_again),
        FACT(a_source_that_cannot_be_read_fails_the_job),
        FACT(a_full_disk_abandons_the_session),
        FACT(whatever_write_fails_is_told),
        FACT(a_folder_that_is_gone_abandons_the_session),
        FACT(what_is_not_finished_is_removed),
        FACT(one_job_runs_at_a_time),
        FACT(a_child_cannot_use_its_parents_session),
        FACT(nothing_to_take_in_is_fine),
        FACT(wrong_arguments_start_nothing),
    };
    return stage_facts(facts, sizeof facts / sizeof facts[0]);
}
