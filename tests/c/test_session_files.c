/* Files taken into a session: what is stored of them, once, and what is said. */
#include "base/bytes.h"
#include "pipeline/source_file.h"
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t off);

static const size_t LENGTHS[] = {
    0, 1, 100, 4096, 65537, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5, STAGE_LEN};
#define LENGTH_COUNT (sizeof LENGTHS / sizeof LENGTHS[0])

static void files_of_all_lengths_come_back(void) {
    for (int32_t level = 0; level <= 3; level += 3) {
        stage s;
        uint64_t id_count = 0;
        uint64_t added = 0;
        char name[32];
        stage_begin(&s, level);
        for (size_t i = 0; i < 2 * LENGTH_COUNT; i++) {
            (void)snprintf(name, sizeof name, "file-%zu", i);
            stage_add_file(&s, name, i % 2 == 0 ? stage_raw : stage_text, LENGTHS[i / 2]);
        }
        uint8_t *ids = stage_take_files(&s, &id_count);
        CHECK(stage_finish(&s) > 0 && s.stored.count <= id_count);
        for (size_t i = 0; i < 2 * LENGTH_COUNT; i++) {
            stage_check_file(&s, i, ids, i % 2 == 0 ? stage_raw : stage_text, LENGTHS[i / 2]);
            added += s.results[i].new_len;
        }
        CHECK(added > 0 && added < s.stored.stored_len);
        free(ids);
        stage_end(&s);
    }
}

static void results_say_what_fstat_says(void) {
    stage s;
    struct stat st;
    uint64_t id_count = 0;
    stage_begin(&s, 0);
    stage_add_file(&s, "one", stage_raw, 5000);
    CHECK(fchmodat(s.in, "one", 04750, 0) == 0);
    CHECK(linkat(s.in, "one", s.in, "two", 0) == 0);
    CHECK(fstatat(s.in, "one", &st, 0) == 0);
    free(stage_take_files(&s, &id_count));
    const srm_file_result *r = &s.results[0];
    CHECK(r->mode == st.st_mode && (r->mode & 07777) == 04750 && r->nlink == 2);
    CHECK(r->ino == st.st_ino && r->dev == st.st_dev && r->flags == 0);
    CHECK(r->uid == st.st_uid && r->gid == st.st_gid);
    CHECK(r->mtime_ns == (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
    CHECK(r->ctime_ns == (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec);
    CHECK(r->id_count == 1 && id_count == 1 && r->new_len == 5048);
    stage_end(&s);
}

static void what_is_known_is_not_stored_again(void) {
    stage s;
    uint64_t id_count = 0;
    stage_begin(&s, 0);
    stage_add_file(&s, "a", stage_raw, STAGE_LEN);
    stage_add_file(&s, "b", stage_raw, STAGE_LEN);
    stage_add_file(&s, "c", stage_raw, 3 * CHUNK);
    stage_add_file(&s, "d", stage_raw, 777);
    stage_add_file(&s, "e", stage_raw, 777);
    free(stage_take_files(&s, &id_count));
    CHECK(id_count == 7 + 7 + 3 + 2);
    uint64_t added = 0;
    for (size_t i = 0; i < 5; i++)
        added += s.results[i].new_len;
    CHECK(added == 8 * 48 + STAGE_LEN + 777);
    free(stage_take_files(&s, &id_count));
    for (size_t i = 0; i < 5; i++)
        CHECK(s.results[i].status == SRM_OK && s.results[i].new_len == 0);
    (void)stage_finish(&s);
    CHECK(s.stored.count == 8); /* no chunk twice: library_add checks that */
    srm_session_free(s.session);
    srm_session_options options = test_session_options(0, stage_threads, s.out);
    CHECK_STATUS(SRM_OK, srm_session_begin(&options, s.index, &s.session));
    size_t before = folder_count(s.out_path);
    free(stage_take_files(&s, &id_count));
    CHECK(id_count == 19 && stage_finish(&s) == 0 && folder_count(s.out_path) == before);
    stage_end(&s);
}

static void many_small_files_come_back(void) {
    stage s;
    uint64_t id_count = 0;
    char name[32];
    stage_begin(&s, 1);
    for (size_t i = 0; i < STAGE_FILES; i++) {
        (void)snprintf(name, sizeof name, "%zu", i);
        stage_add_file(&s, name, (i % 3 == 0 ? stage_text : stage_raw) + i * 100, 100 + i * 37);
    }
    uint8_t *ids = stage_take_files(&s, &id_count);
    CHECK(id_count == STAGE_FILES);
    CHECK(stage_threads > 1 || stage_finish(&s) == 1);
    if (stage_threads > 1)
        (void)stage_finish(&s);
    for (size_t i = 0; i < STAGE_FILES; i++)
        stage_check_file(&s, i, ids, (i % 3 == 0 ? stage_text : stage_raw) + i * 100, 100 + i * 37);
    free(ids);
    stage_end(&s);
}

static void little_input_ends_up_in_one_segment(void) {
    stage s;
    uint64_t id_count = 0;
    const uint32_t before = stage_threads;
    stage_threads = 8;
    stage_begin(&s, 0);
    stage_threads = before;
    stage_add_file(&s, "a", stage_raw, 3000);
    stage_add_file(&s, "b", stage_text, 4000);
    free(stage_take_files(&s, &id_count));
    CHECK(stage_finish(&s) == 1 && s.stored.stored_len < 32768);
    stage_end(&s);
}

static void what_is_no_regular_file_fails_alone(void) {
    stage s;
    uint64_t id_count = 0;
    char longest[300];
    stage_begin(&s, 0);
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    stage_add_file(&s, "good", stage_raw, 100);
    stage_name_file(&s, "missing");
    CHECK(mkdirat(s.in, "folder", 0700) == 0);
    stage_name_file(&s, "folder");
    CHECK(mkfifoat(s.in, "fifo", 0600) == 0);
    stage_name_file(&s, "fifo");
    CHECK(symlinkat("good", s.in, "link") == 0);
    stage_name_file(&s, "link");
    stage_name_file(&s, longest);
    stage_name_file(&s, "good/below");
    stage_name_file(&s, "");
    stage_name_file(&s, "/dev/null");
    stage_add_file(&s, "last", stage_raw, 200);
    uint8_t *ids = stage_take_files(&s, &id_count);
    (void)stage_finish(&s);
    static const int errors[] = {0, ENOENT, 0, 0, ELOOP, ENAMETOOLONG, ENOTDIR, ENOENT, 0, 0};
    static const int32_t statuses[] = {SRM_OK, SRM_EIO, SRM_EINVAL, SRM_EINVAL, SRM_EIO, SRM_EIO,
        SRM_EIO, SRM_EIO, SRM_EINVAL, SRM_OK};
    for (size_t i = 0; i < s.count; i++) {
        const srm_file_result *r = &s.results[i];
        CHECK(r->os_error == errors[i] && r->status == statuses[i]);
        CHECK(r->id_count == (r->status == SRM_OK) && (r->status == SRM_OK || r->size == 0));
    }
    CHECK(id_count == 2);
    stage_check_file(&s, 0, ids, stage_raw, 100);
    stage_check_file(&s, 9, ids, stage_raw, 200);
    free(ids);
    stage_end(&s);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, int dir_fd, const char *path, const uint64_t *how, size_t len);

static int openat2_fails; /* an errno value */

long __wrap_syscall(long number, int dir_fd, const char *path, const uint64_t *how, size_t len) {
    CHECK(number == SYS_openat2);
    if (openat2_fails == 0)
        return __real_syscall(number, dir_fd, path, how, len);
    errno = openat2_fails;
    return -1;
}

static bool has_openat2(void) {
    const uint64_t how[3] = {O_PATH | O_CLOEXEC};
    long fd = __real_syscall(SYS_openat2, AT_FDCWD, "/", how, sizeof how);
    if (fd >= 0)
        close((int)fd);
    return fd >= 0;
}

static void expect_open(stage *s, const char *path, int os_error) {
    source_file f;
    srm_file_result r;
    CHECK(source_file_open(&f, s->in, path, &r) == (os_error == 0));
    CHECK(r.os_error == os_error && r.status == (os_error == 0 ? SRM_OK : SRM_EIO));
    if (os_error == 0)
        close(f.fd);
}

static void no_link_is_followed_on_the_way_to_a_file(void) {
    stage s;
    stage_begin(&s, 0);
    CHECK(mkdirat(s.in, "folder", 0700) == 0 && symlinkat("folder", s.in, "link") == 0);
    folder_put(s.in, "folder/file", stage_raw, 100);
    expect_open(&s, "folder/file", 0);
    expect_open(&s, "link/file", has_openat2() ? ELOOP : 0);
    static const int refusals[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < 2; i++) {
        openat2_fails = refusals[i];
        expect_open(&s, "folder/file", 0);
        expect_open(&s, "folder/none", ENOENT);
        expect_open(&s, "link/file", 0); /* it knows no better */
    }
    openat2_fails = 0;
    stage_end(&s);
}

static void a_file_that_says_it_is_empty_is_looked_into(void) {
    stage s;
    uint64_t id_count = 0;
    char mem[32];
    stage_begin(&s, 0);
    (void)snprintf(mem, sizeof mem, "/proc/%d/mem", (int)getpid());
    stage_name_file(&s, "/proc/version");
    stage_name_file(&s, mem);
    stage_add_file(&s, "empty", stage_raw, 0);
    uint8_t *ids = stage_take_files(&s, &id_count);
    (void)stage_finish(&s);
    CHECK(s.results[0].status == SRM_ECHANGED && s.results[0].size > 20);
    const found_chunk *c = library_find(&s.stored, ids);
    CHECK(id_count == 1 && s.results[0].id_count == 1);
    CHECK(c != NULL && c->raw_len == s.results[0].size && memcmp(c->raw, "Linux", 5) == 0);
    CHECK(s.results[1].status == SRM_EIO && s.results[1].os_error == EIO);
    stage_check_file(&s, 2, ids, stage_raw, 0);
    free(ids);
    stage_end(&s);
}

static void a_file_that_cannot_be_read_fails_alone(void) {
    static const size_t lens[] = {1000, 3 * CHUNK + 10, 2000};
    for (long n = 0;; n++) {
        stage s;
        uint64_t id_count = 0;
        unsigned failed = 0;
        stage_begin(&s, 0);
        stage_add_file(&s, "a", stage_raw, lens[0]);
        stage_add_file(&s, "b", stage_raw, lens[1]);
        stage_add_file(&s, "c", stage_text, lens[2]);
        atomic_store(&stage_reads_left, n);
        uint8_t *ids = stage_take_files(&s, &id_count);
        bool was_due = atomic_exchange(&stage_reads_left, -1) < 0;
        (void)stage_finish(&s);
        for (uint64_t i = 0; i < s.count; i++) {
            const srm_file_result *r = &s.results[i];
            failed += r->status != SRM_OK;
            CHECK(r->status == SRM_OK || (r->status == SRM_EIO && r->os_error == EIO));
            CHECK(r->status == SRM_OK || (r->size == 0 && r->id_count == 0));
            if (r->status == SRM_OK)
                stage_check_file(&s, i, ids, i == 2 ? stage_text : stage_raw, lens[i]);
        }
        free(ids);
        stage_end(&s);
        CHECK(failed <= was_due);
        if (!was_due)
            break;
    }
}

static void paths_of_any_length_are_walked(void) {
    enum { DEPTH = 40, NAME = 250 };
    static char path[DEPTH * (NAME + 1) + 8];
    char name[NAME + 1];
    stage s;
    srm_file_result result;
    srm_job *job = NULL;
    stage_begin(&s, 0);
    memset(name, 'd', NAME);
    name[NAME] = '\0';
    int at = dup(s.in);
    size_t len = 0;
    for (size_t i = 0; i < DEPTH; i++) {
        CHECK(mkdirat(at, name, 0700) == 0);
        int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(next >= 0);
        close(at);
        at = next;
        memcpy(path + len, name, NAME);
        path[len + NAME] = '/';
        len += NAME + 1;
    }
    memcpy(path + len, "file", 5);
    folder_put(at, "file", stage_raw, 1000);
    close(at);
    CHECK_STATUS(SRM_OK, srm_session_files_start(s.session, s.in, path, len + 5, 1, &result, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    CHECK(result.status == SRM_OK && result.size == 1000 && result.id_count == 1);
    expect_open(&s, path, 0);
    CHECK(renameat(s.in, name, s.in, "was") == 0 && symlinkat("was", s.in, name) == 0);
    expect_open(&s, path, has_openat2() ? ELOOP : 0);
    stage_end(&s);
}

static void a_file_that_changed_says_so(void) {
    stage s;
    srm_file_result r;
    source_file f;
    size_t got = 0;
    uint8_t *buffer = must_alloc(CHUNK);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    stage_begin(&s, 0);
    for (int what = 0; what < 5; what++) {
        folder_put(s.in, "file", stage_raw, 5000);
        CHECK(source_file_open(&f, s.in, "file", &r) && f.len == 5000);
        if (what == 1)
            folder_put(s.in, "file", stage_raw, 4000);
        CHECK(source_file_read(&f, 0, buffer, 5000, &got) == 0);
        CHECK(got == (what == 1 ? 4000 : 5000));
        if (what == 2)
            folder_put(s.in, "file", stage_raw, 6000);
        if (what == 3)
            CHECK(utimensat(s.in, "file", times, 0) == 0);
        if (what == 4)
            CHECK(fchmodat(s.in, "file", 0640, 0) == 0);
        r.size = got;
        source_file_close(&f, &r);
        CHECK_STATUS(what == 0 ? SRM_OK : SRM_ECHANGED, (srm_status)r.status);
        (void)usleep(20000); /* clocks of file systems tick slowly */
    }
    free(buffer);
    stage_end(&s);
}

/* Whenever it is cut, what is kept is a beginning of it. */
static void a_file_cut_while_it_is_taken_in_keeps_its_beginning(void) {
    for (unsigned after = 0; after < 3000; after += 500) {
        stage s;
        uint64_t in = 0;
        uint64_t out = 0;
        uint64_t id_count = 0;
        const uint8_t *ids = NULL;
        stage_begin(&s, 0);
        stage_add_file(&s, "file", stage_raw, STAGE_LEN);
        srm_job *job = stage_start_files(&s);
        (void)usleep(after);
        int fd = openat(s.in, "file", O_WRONLY | O_CLOEXEC);
        CHECK(fd >= 0 && ftruncate(fd, 2 * CHUNK + 99) == 0);
        close(fd);
        CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
        CHECK_STATUS(SRM_OK, srm_job_ids(job, &ids, &id_count));
        const srm_file_result *r = &s.results[0];
        CHECK(r->status == SRM_OK || r->status == SRM_ECHANGED);
        CHECK(r->size >= 2 * CHUNK + 99 && r->size <= STAGE_LEN);
        CHECK(r->status == SRM_ECHANGED || r->size == STAGE_LEN || r->size == 2 * CHUNK + 99);
        (void)stage_finish(&s);
        stage_check_content(&s, ids, id_count, stage_raw, (size_t)r->size);
        srm_job_progress(job, &in, &out);
        CHECK(in >= r->size);
        srm_job_free(job);
        stage_end(&s);
    }
}

static void holes_are_one_chunk_of_zeros(void) {
    stage s;
    uint64_t id_count = 0;
    const size_t len = 9 * CHUNK + 10;
    uint8_t *data = calloc(1, len);
    CHECK(data != NULL);
    memcpy(data + 3 * CHUNK + 100, stage_raw, 50000);
    memcpy(data + 7 * CHUNK, stage_raw, CHUNK);
    stage_begin(&s, 1);
    stage_add_file(&s, "sparse", NULL, 0);
    int fd = openat(s.in, "sparse", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
    CHECK(__real_pwrite(fd, stage_raw, 50000, (off_t)(3 * CHUNK + 100)) == 50000);
    CHECK(__real_pwrite(fd, stage_raw, CHUNK, (off_t)(7 * CHUNK)) == (ssize_t)CHUNK);
    close(fd);
    stage_add_file(&s, "zeros", data, 3 * CHUNK);
    uint8_t *ids = stage_take_files(&s, &id_count);
    CHECK(s.results[0].flags == 1 && s.results[1].flags == 0);
    (void)stage_finish(&s);
    stage_check_file(&s, 0, ids, data, len);
    stage_check_file(&s, 1, ids, data, 3 * CHUNK);
    CHECK(s.stored.count == 4);
    free(ids);
    free(data);
    stage_end(&s);
}

/* Each into a segment of its own. */
static void one_large_file_is_read_by_every_thread(void) {
    const size_t len = 40 * CHUNK;
    const uint32_t before = stage_threads;
    stage s;
    uint64_t id_count = 0;
    stage_threads = 3;
    stage_begin(&s, 0);
    stage_threads = before;
    uint8_t *data = must_alloc(len);
    fill_noise(data, len, 10);
    stage_add_file(&s, "big", data, len);
    atomic_store(&stage_came, 0);
    atomic_store(&stage_meeting, 3);
    uint8_t *ids = stage_take_files(&s, &id_count);
    CHECK(atomic_exchange(&stage_meeting, 0) == 3);
    CHECK(atomic_load(&stage_came) == 3 && stage_finish(&s) == 3);
    stage_check_file(&s, 0, ids, data, len);
    free(ids);
    free(data);
    stage_end(&s);
}

/* One worker fills two segments, and the first of them is reported before the end. */
static void segments_that_are_full_are_followed_by_others(void) {
    const size_t len = 130 * CHUNK;
    const uint32_t before = stage_threads;
    stage s;
    uint64_t id_count = 0;
    stage_threads = 1;
    stage_begin(&s, 0);
    stage_threads = before;
    uint8_t *data = must_alloc(len);
    fill_noise(data, len, 9);
    stage_add_file(&s, "big", data, len);
    uint8_t *ids = stage_take_files(&s, &id_count);
    CHECK(stage_collect(&s) == 1 && stage_finish(&s) == 2);
    stage_check_file(&s, 0, ids, data, len);
    free(ids);
    free(data);
    stage_end(&s);
}

/* As a repack takes them: of any lengths, known ones once. */
static void chunks_in_memory_come_back(void) {
    static const uint32_t each[] = {1, 5000, CHUNK, 77, CHUNK, 5000};
    enum { COUNT = sizeof each / sizeof each[0] };
    const uint8_t *ids = NULL;
    uint64_t ends[COUNT];
    uint64_t id_count = 0;
    uint64_t end = 0;
    srm_job *job = NULL;
    stage s;
    stage_begin(&s, 3);
    uint8_t *memory = must_alloc(3 * CHUNK);
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(memory + end, i == 3 ? stage_text : stage_raw, each[i]);
        ends[i] = end += each[i];
    }
    CHECK_STATUS(SRM_OK, srm_session_chunks_start(s.session, memory, ends, COUNT, &job));
    CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
    CHECK_STATUS(SRM_OK, srm_job_ids(job, &ids, &id_count));
    CHECK(id_count == COUNT && stage_finish(&s) > 0 && s.stored.count == 4);
    for (size_t i = 0; i < COUNT; i++) {
        const found_chunk *c = library_find(&s.stored, ids + i * SRM_DIGEST_LEN);
        CHECK(c != NULL && c->raw_len == each[i]);
        CHECK(memcmp(c->raw, memory + ends[i] - each[i], each[i]) == 0);
    }
    CHECK_STATUS(SRM_OK, settle(job).status);
    free(memory);
    stage_end(&s);
}

static void chunks_that_cannot_be_start_nothing(void) {
    static const uint64_t wrong[][2] = {{0, 5}, {5, 5}, {7, 3}, {CHUNK + 1, CHUNK + 2}};
    srm_job *job = NULL;
    stage s;
    stage_begin(&s, 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_STATUS(SRM_EINVAL, srm_session_chunks_start(s.session, stage_raw, wrong[i], 2, &job));
    CHECK_STATUS(SRM_EINVAL, srm_session_chunks_start(s.session, NULL, wrong[0], 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_session_chunks_start(s.session, stage_raw, NULL, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_session_chunks_start(NULL, stage_raw, wrong[3], 1, &job));
    CHECK(job == NULL);
    stage_end(&s);
}

int main(void) {
    static const fact facts[] = {
        FACT(files_of_all_lengths_come_back),
        FACT(results_say_what_fstat_says),
        FACT(what_is_known_is_not_stored_again),
        FACT(many_small_files_come_back),
        FACT(little_input_ends_up_in_one_segment),
        FACT(what_is_no_regular_file_fails_alone),
        FACT(no_link_is_followed_on_the_way_to_a_file),
        FACT(a_file_that_says_it_is_empty_is_looked_into),
        FACT(a_file_that_cannot_be_read_fails_alone),
        FACT(paths_of_any_length_are_walked),
        FACT(a_file_that_changed_says_so),
        FACT(a_file_cut_while_it_is_taken_in_keeps_its_beginning),
        FACT(holes_are_one_chunk_of_zeros),
        FACT(chunks_in_memory_come_back),
        FACT(chunks_that_cannot_be_start_nothing),
    };
    static const fact alone[] = {
        FACT(one_large_file_is_read_by_every_thread),
        FACT(segments_that_are_full_are_followed_by_others),
    };
    return check_facts(alone, 2) | stage_facts(facts, sizeof facts / sizeof facts[0]);
}
