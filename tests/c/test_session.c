/* Files and streams taken into a session: what is stored of them, once, and what is said. The
 * linker puts our own pread, pwrite and fsync in front of those of the core. */
#include "base/bytes.h"
#include "check.h"
#include "crypto/hash.h"
#include "passes.h"
#include "pipeline/source_file.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define FILES_MOST 600
#define RAW_LEN (6 * CHUNK + 12345)

ssize_t __real_pread(int fd, void *out, size_t len, off_t off);
ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t off);
int __real_fsync(int fd);
ssize_t __wrap_pread(int fd, void *out, size_t len, off_t off);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t off);
int __wrap_fsync(int fd);

/* Calls until one fails; below 0: none does. */
static atomic_long reads_left = -1;
static atomic_long writes_left = -1;
static atomic_long syncs_left = -1;

static bool is_due(atomic_long *left) {
    return atomic_load(left) >= 0 && atomic_fetch_sub(left, 1) == 0;
}

/* At first only half of it, so that it has to be asked again. */
ssize_t __wrap_pread(int fd, void *out, size_t len, off_t off) {
    if (is_due(&reads_left)) {
        errno = EIO;
        return -1;
    }
    return __real_pread(fd, out, len > 1 ? len / 2 : len, off);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t off) {
    if (is_due(&writes_left)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite(fd, data, len > 99999 ? len / 2 : len, off);
}

int __wrap_fsync(int fd) {
    if (is_due(&syncs_left)) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

static uint8_t *raw;  /* RAW_LEN bytes of noise */
static uint8_t *text; /* as long */
static uint32_t threads = 1;

/* A session over folders of its own. */
typedef struct stage {
    char in_path[64];
    char out_path[64];
    int in;
    int out;
    srm_index *index;
    srm_session *session;
    char paths[FILES_MOST * 64];
    size_t paths_len;
    uint64_t count;
    srm_file_result results[FILES_MOST];
    library stored;
} stage;

static void begin(stage *s, int32_t level) {
    memset(s, 0, sizeof *s);
    s->in = folder_make(s->in_path);
    s->out = folder_make(s->out_path);
    CHECK_STATUS(SRM_OK, srm_index_new(&s->index));
    srm_session_options options = test_session_options(level, threads, s->out);
    CHECK_STATUS(SRM_OK, srm_session_begin(&options, s->index, &s->session));
    wipe(&options, sizeof options); /* the session must not need them any more */
}

static void end(stage *s) {
    srm_session_free(s->session);
    srm_index_free(s->index);
    library_free(&s->stored);
    folder_remove(s->in_path, s->in);
    folder_remove(s->out_path, s->out);
}

static void name_file(stage *s, const char *name) {
    CHECK(s->count < FILES_MOST && s->paths_len + strlen(name) < sizeof s->paths);
    memcpy(s->paths + s->paths_len, name, strlen(name) + 1);
    s->paths_len += strlen(name) + 1;
    s->count++;
}

static void add_file(stage *s, const char *name, const uint8_t *data, size_t len) {
    folder_put(s->in, name, data, len);
    name_file(s, name);
}

static srm_job *start_files(stage *s) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_session_files_start(s->session, s->in, s->paths, s->paths_len,
                             s->count, s->results, &job));
    return job;
}

/* Take the named files in; their ids, for the caller to free. */
static uint8_t *take_files(stage *s, uint64_t *id_count) {
    const uint8_t *ids = NULL;
    srm_job *job = start_files(s);
    CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
    CHECK_STATUS(SRM_OK, srm_job_ids(job, &ids, id_count));
    uint8_t *copy = must_alloc((size_t)*id_count * SRM_DIGEST_LEN);
    if (*id_count > 0)
        memcpy(copy, ids, (size_t)*id_count * SRM_DIGEST_LEN);
    CHECK_STATUS(SRM_OK, settle(job).status);
    return copy;
}

/* Take what is complete into the library; how many segments that were. */
static size_t collect(stage *s) {
    srm_segment_info infos[7];
    size_t all = 0;
    size_t count = 0;
    do {
        CHECK_STATUS(SRM_OK, srm_session_take_segments(s->session, infos, 7, &count));
        for (size_t i = 0; i < count; i++)
            library_add(&s->stored, s->out, &infos[i]);
        all += count;
    } while (count > 0);
    return all;
}

static size_t finish(stage *s) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_session_finish_start(s->session, &job));
    outcome o = settle(job);
    CHECK_STATUS(SRM_OK, o.status);
    return collect(s);
}

/* Do the chunks named make these bytes? */
static void check_content(
    const stage *s, const uint8_t *ids, uint64_t count, const uint8_t *data, size_t len) {
    CHECK(count == len / CHUNK + (len % CHUNK != 0));
    for (uint64_t i = 0; i < count; i++) {
        const found_chunk *c = library_find(&s->stored, ids + i * SRM_DIGEST_LEN);
        size_t left = len - (size_t)i * CHUNK;
        CHECK(c != NULL && c->raw_len == min_size(left, CHUNK));
        CHECK(memcmp(c->raw, data + i * CHUNK, c->raw_len) == 0);
    }
}

static void check_file(
    const stage *s, uint64_t i, const uint8_t *ids, const uint8_t *data, size_t len) {
    const srm_file_result *r = &s->results[i];
    CHECK(r->status == SRM_OK && r->os_error == 0 && r->size == len);
    check_content(s, ids + r->first_id * SRM_DIGEST_LEN, r->id_count, data, len);
}

/* --- facts --- */

static const size_t LENGTHS[] = {
    0, 1, 100, 4096, 65537, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5, RAW_LEN};
#define LENGTH_COUNT (sizeof LENGTHS / sizeof LENGTHS[0])

static void files_of_all_lengths_come_back(void) {
    for (int32_t level = 0; level <= 3; level += 3) {
        stage s;
        uint64_t id_count = 0;
        uint64_t added = 0;
        char name[32];
        begin(&s, level);
        for (size_t i = 0; i < 2 * LENGTH_COUNT; i++) {
            (void)snprintf(name, sizeof name, "file-%zu", i);
            add_file(&s, name, i % 2 == 0 ? raw : text, LENGTHS[i / 2]);
        }
        uint8_t *ids = take_files(&s, &id_count);
        CHECK(finish(&s) > 0 && s.stored.count <= id_count);
        for (size_t i = 0; i < 2 * LENGTH_COUNT; i++) {
            check_file(&s, i, ids, i % 2 == 0 ? raw : text, LENGTHS[i / 2]);
            added += s.results[i].new_len;
        }
        CHECK(added > 0 && added < s.stored.stored_len);
        free(ids);
        end(&s);
    }
}

static void results_say_what_fstat_says(void) {
    stage s;
    struct stat st;
    uint64_t id_count = 0;
    begin(&s, 0);
    add_file(&s, "one", raw, 5000);
    CHECK(fchmodat(s.in, "one", 04750, 0) == 0);
    CHECK(linkat(s.in, "one", s.in, "two", 0) == 0);
    CHECK(fstatat(s.in, "one", &st, 0) == 0);
    free(take_files(&s, &id_count));
    const srm_file_result *r = &s.results[0];
    CHECK(r->mode == st.st_mode && (r->mode & 07777) == 04750 && r->nlink == 2);
    CHECK(r->ino == st.st_ino && r->dev == st.st_dev && r->flags == 0);
    CHECK(r->uid == st.st_uid && r->gid == st.st_gid);
    CHECK(r->mtime_ns == (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
    CHECK(r->ctime_ns == (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec);
    CHECK(r->id_count == 1 && id_count == 1 && r->new_len == 5048);
    end(&s);
}

static void what_is_known_is_not_stored_again(void) {
    stage s;
    uint64_t id_count = 0;
    begin(&s, 0);
    add_file(&s, "a", raw, RAW_LEN);
    add_file(&s, "b", raw, RAW_LEN);
    add_file(&s, "c", raw, 3 * CHUNK);
    add_file(&s, "d", raw, 777);
    add_file(&s, "e", raw, 777);
    free(take_files(&s, &id_count));
    CHECK(id_count == 7 + 7 + 3 + 2);
    uint64_t added = 0;
    for (size_t i = 0; i < 5; i++)
        added += s.results[i].new_len;
    CHECK(added == 8 * 48 + RAW_LEN + 777);
    free(take_files(&s, &id_count));
    for (size_t i = 0; i < 5; i++)
        CHECK(s.results[i].status == SRM_OK && s.results[i].new_len == 0);
    (void)finish(&s);
    CHECK(s.stored.count == 8); /* no chunk twice: library_add checks that */
    srm_session_free(s.session);
    srm_session_options options = test_session_options(0, threads, s.out);
    CHECK_STATUS(SRM_OK, srm_session_begin(&options, s.index, &s.session));
    size_t before = folder_count(s.out_path);
    free(take_files(&s, &id_count));
    CHECK(id_count == 19 && finish(&s) == 0 && folder_count(s.out_path) == before);
    end(&s);
}

static void many_small_files_come_back(void) {
    stage s;
    uint64_t id_count = 0;
    char name[32];
    begin(&s, 1);
    for (size_t i = 0; i < FILES_MOST; i++) {
        (void)snprintf(name, sizeof name, "%zu", i);
        add_file(&s, name, (i % 3 == 0 ? text : raw) + i * 100, 100 + i * 37);
    }
    uint8_t *ids = take_files(&s, &id_count);
    CHECK(id_count == FILES_MOST);
    CHECK(threads > 1 || finish(&s) == 1);
    if (threads > 1)
        (void)finish(&s);
    for (size_t i = 0; i < FILES_MOST; i++)
        check_file(&s, i, ids, (i % 3 == 0 ? text : raw) + i * 100, 100 + i * 37);
    free(ids);
    end(&s);
}

static void little_input_ends_up_in_one_segment(void) {
    stage s;
    uint64_t id_count = 0;
    const uint32_t before = threads;
    threads = 8;
    begin(&s, 0);
    threads = before;
    add_file(&s, "a", raw, 3000);
    add_file(&s, "b", text, 4000);
    free(take_files(&s, &id_count));
    CHECK(finish(&s) == 1 && s.stored.stored_len < 32768);
    end(&s);
}

static void what_is_no_regular_file_fails_alone(void) {
    stage s;
    uint64_t id_count = 0;
    char longest[300];
    begin(&s, 0);
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    add_file(&s, "good", raw, 100);
    name_file(&s, "missing");
    CHECK(mkdirat(s.in, "folder", 0700) == 0);
    name_file(&s, "folder");
    CHECK(mkfifoat(s.in, "fifo", 0600) == 0);
    name_file(&s, "fifo");
    CHECK(symlinkat("good", s.in, "link") == 0);
    name_file(&s, "link");
    name_file(&s, longest);
    name_file(&s, "good/below");
    name_file(&s, "");
    name_file(&s, "/dev/null");
    add_file(&s, "last", raw, 200);
    uint8_t *ids = take_files(&s, &id_count);
    (void)finish(&s);
    static const int errors[] = {0, ENOENT, 0, 0, ELOOP, ENAMETOOLONG, ENOTDIR, ENOENT, 0, 0};
    static const int32_t statuses[] = {SRM_OK, SRM_EIO, SRM_EINVAL, SRM_EINVAL, SRM_EIO, SRM_EIO,
        SRM_EIO, SRM_EIO, SRM_EINVAL, SRM_OK};
    for (size_t i = 0; i < s.count; i++) {
        const srm_file_result *r = &s.results[i];
        CHECK(r->os_error == errors[i] && r->status == statuses[i]);
        CHECK(r->id_count == (r->status == SRM_OK) && (r->status == SRM_OK || r->size == 0));
    }
    CHECK(id_count == 2);
    check_file(&s, 0, ids, raw, 100);
    check_file(&s, 9, ids, raw, 200);
    free(ids);
    end(&s);
}

static void a_file_that_says_it_is_empty_is_taken_as_that(void) {
    stage s;
    uint64_t id_count = 0;
    begin(&s, 0);
    name_file(&s, "/proc/self/status");
    name_file(&s, "/proc/self/mem");
    free(take_files(&s, &id_count));
    CHECK(id_count == 0 && s.results[0].status == SRM_OK && s.results[0].size == 0);
    CHECK(s.results[1].status == SRM_OK && finish(&s) == 0);
    end(&s);
}

static void a_file_that_cannot_be_read_fails_alone(void) {
    static const size_t lens[] = {1000, 3 * CHUNK + 10, 2000};
    for (long n = 0;; n++) {
        stage s;
        uint64_t id_count = 0;
        unsigned failed = 0;
        begin(&s, 0);
        add_file(&s, "a", raw, lens[0]);
        add_file(&s, "b", raw, lens[1]);
        add_file(&s, "c", text, lens[2]);
        atomic_store(&reads_left, n);
        uint8_t *ids = take_files(&s, &id_count);
        bool was_due = atomic_exchange(&reads_left, -1) < 0;
        (void)finish(&s);
        for (uint64_t i = 0; i < s.count; i++) {
            const srm_file_result *r = &s.results[i];
            failed += r->status != SRM_OK;
            CHECK(r->status == SRM_OK || (r->status == SRM_EIO && r->os_error == EIO));
            CHECK(r->status == SRM_OK || (r->size == 0 && r->id_count == 0));
            if (r->status == SRM_OK)
                check_file(&s, i, ids, i == 2 ? text : raw, lens[i]);
        }
        free(ids);
        end(&s);
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
    begin(&s, 0);
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
    folder_put(at, "file", raw, 1000);
    close(at);
    CHECK_STATUS(SRM_OK, srm_session_files_start(s.session, s.in, path, len + 5, 1, &result, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    CHECK(result.status == SRM_OK && result.size == 1000 && result.id_count == 1);
    end(&s);
}

static void a_file_that_changed_says_so(void) {
    stage s;
    srm_file_result r;
    source_file f;
    size_t got = 0;
    uint8_t *buffer = must_alloc(CHUNK);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    begin(&s, 0);
    for (int what = 0; what < 5; what++) {
        folder_put(s.in, "file", raw, 5000);
        CHECK(source_file_open(&f, s.in, "file", &r) && f.len == 5000);
        if (what == 1)
            folder_put(s.in, "file", raw, 4000);
        CHECK(source_file_read(&f, 0, buffer, 5000, &got) == 0);
        CHECK(got == (what == 1 ? 4000 : 5000));
        if (what == 2)
            folder_put(s.in, "file", raw, 6000);
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
    end(&s);
}

/* Whenever it is cut, what is kept is a beginning of it. */
static void a_file_cut_while_it_is_taken_in_keeps_its_beginning(void) {
    for (unsigned after = 0; after < 3000; after += 500) {
        stage s;
        uint64_t in = 0;
        uint64_t out = 0;
        uint64_t id_count = 0;
        const uint8_t *ids = NULL;
        begin(&s, 0);
        add_file(&s, "file", raw, RAW_LEN);
        srm_job *job = start_files(&s);
        (void)usleep(after);
        int fd = openat(s.in, "file", O_WRONLY | O_CLOEXEC);
        CHECK(fd >= 0 && ftruncate(fd, 2 * CHUNK + 99) == 0);
        close(fd);
        CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
        CHECK_STATUS(SRM_OK, srm_job_ids(job, &ids, &id_count));
        const srm_file_result *r = &s.results[0];
        CHECK(r->status == SRM_OK || r->status == SRM_ECHANGED);
        CHECK(r->size >= 2 * CHUNK + 99 && r->size <= RAW_LEN);
        CHECK(r->status == SRM_ECHANGED || r->size == RAW_LEN || r->size == 2 * CHUNK + 99);
        (void)finish(&s);
        check_content(&s, ids, id_count, raw, (size_t)r->size);
        srm_job_progress(job, &in, &out);
        CHECK(in >= r->size);
        srm_job_free(job);
        end(&s);
    }
}

static void holes_are_one_chunk_of_zeros(void) {
    stage s;
    uint64_t id_count = 0;
    const size_t len = 9 * CHUNK + 10;
    uint8_t *data = calloc(1, len);
    CHECK(data != NULL);
    memcpy(data + 3 * CHUNK + 100, raw, 50000);
    memcpy(data + 7 * CHUNK, raw, CHUNK);
    begin(&s, 1);
    add_file(&s, "sparse", NULL, 0);
    int fd = openat(s.in, "sparse", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
    CHECK(__real_pwrite(fd, raw, 50000, (off_t)(3 * CHUNK + 100)) == 50000);
    CHECK(__real_pwrite(fd, raw, CHUNK, (off_t)(7 * CHUNK)) == (ssize_t)CHUNK);
    close(fd);
    add_file(&s, "zeros", data, 3 * CHUNK);
    uint8_t *ids = take_files(&s, &id_count);
    CHECK(s.results[0].flags == 1 && s.results[1].flags == 0);
    (void)finish(&s);
    check_file(&s, 0, ids, data, len);
    check_file(&s, 1, ids, data, 3 * CHUNK);
    CHECK(s.stored.count == 4);
    free(ids);
    free(data);
    end(&s);
}

/* One worker fills two segments, and the first of them is reported before the end. */
static void segments_that_are_full_are_followed_by_others(void) {
    const size_t len = 130 * CHUNK;
    const uint32_t before = threads;
    stage s;
    uint64_t id_count = 0;
    threads = 1;
    begin(&s, 0);
    threads = before;
    uint8_t *data = must_alloc(len);
    fill_noise(data, len, 9);
    add_file(&s, "big", data, len);
    uint8_t *ids = take_files(&s, &id_count);
    CHECK(collect(&s) == 1 && finish(&s) == 2);
    check_file(&s, 0, ids, data, len);
    free(ids);
    free(data);
    end(&s);
}

static void a_stream_comes_back_whatever_it_is_read_from(void) {
    static const size_t lens[] = {0, 1, CHUNK, CHUNK + 1, RAW_LEN};
    for (size_t i = 0; i < 3 * sizeof lens / sizeof lens[0]; i++) {
        const size_t len = lens[i / 3];
        stage s;
        feeder f;
        srm_file_result result;
        srm_job *job = NULL;
        const uint8_t *ids = NULL;
        uint64_t id_count = 0;
        begin(&s, 1);
        srm_source source = from_memory(text, len);
        if (i % 3 == 1)
            source = from_fd(file_of(text, len));
        if (i % 3 == 2)
            source = from_fd(feeder_start(&f, text, len, 70001, 0));
        CHECK_STATUS(SRM_OK, srm_session_stream_start(s.session, source, &result, &job));
        CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
        CHECK_STATUS(SRM_OK, srm_job_ids(job, &ids, &id_count));
        CHECK(finish(&s) == (len > 0) || threads > 1);
        CHECK(result.status == SRM_OK && result.size == len && result.id_count == id_count);
        check_content(&s, ids, id_count, text, len);
        outcome o = settle(job);
        CHECK(o.bytes_in == len);
        if (i % 3 > 0)
            close(source.fd);
        if (i % 3 == 2)
            feeder_join(&f);
        end(&s);
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
        SRM_ESTATE, srm_session_stream_start(s->session, from_memory(raw, 5), &result, &job));
    CHECK_STATUS(SRM_ESTATE, srm_session_finish_start(s->session, &job));
    srm_session_free(s->session);
    s->session = NULL;
    CHECK(folder_count(s->out_path) == 0);
    memset(key, CHUNK_KEY_BYTE, sizeof key);
    blake3_keyed(key, raw, CHUNK, id);
    CHECK(srm_index_find(s->index, id, &at) == 0);
}

static size_t flush(stage *s) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_session_flush_start(s->session, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    return collect(s);
}

/* All that was in the session's hands is stored, and the session takes more. */
static void check_usable(stage *s, uint64_t file) {
    uint64_t count = 0;
    size_t whole = flush(s);
    CHECK(folder_count(s->out_path) == whole); /* and nothing else */
    uint8_t *ids = take_files(s, &count);
    finish(s);
    check_file(s, file, ids, raw, RAW_LEN);
    free(ids);
}

static void a_cancelled_job_ends_early_and_no_more(void) {
    for (unsigned after = 0; after < 3000; after += 300) {
        stage s;
        begin(&s, 0);
        add_file(&s, "file", raw, RAW_LEN);
        srm_job *job = start_files(&s);
        (void)usleep(after);
        srm_job_cancel(job);
        outcome o = settle(job);
        CHECK(o.status == SRM_OK || o.status == SRM_ECANCELLED);
        check_usable(&s, 0);
        end(&s);
    }
}

static void a_stream_that_never_comes_can_be_cancelled(void) {
    stage s;
    int ends[2];
    srm_job *job = NULL;
    srm_file_result result;
    begin(&s, 0);
    CHECK(pipe(ends) == 0);
    CHECK_STATUS(SRM_OK, srm_session_stream_start(s.session, from_fd(ends[0]), &result, &job));
    CHECK_STATUS(SRM_RUNNING, srm_job_wait(job, 20));
    srm_job_cancel(job);
    CHECK_STATUS(SRM_ECANCELLED, settle(job).status);
    add_file(&s, "file", raw, RAW_LEN);
    check_usable(&s, 0);
    close(ends[0]);
    close(ends[1]);
    end(&s);
}

static void what_was_flushed_is_whole_and_not_stored_again(void) {
    stage s;
    uint64_t count = 0;
    begin(&s, 0);
    CHECK(flush(&s) == 0);
    add_file(&s, "media", raw, RAW_LEN);
    add_file(&s, "text", text, 2000);
    uint8_t *ids = take_files(&s, &count);
    CHECK(flush(&s) > 0);
    check_file(&s, 0, ids, raw, RAW_LEN);
    check_file(&s, 1, ids, text, 2000);
    free(ids);
    CHECK(flush(&s) == 0);
    ids = take_files(&s, &count);
    CHECK(s.results[0].new_len == 0 && s.results[1].new_len == 0);
    free(ids);
    CHECK(finish(&s) == 0);
    end(&s);
}

static void a_source_that_cannot_be_read_fails_the_job(void) {
    stage s;
    srm_job *job = NULL;
    srm_file_result result;
    begin(&s, 0);
    CHECK_STATUS(SRM_OK, srm_session_stream_start(s.session, from_fd(s.in), &result, &job));
    outcome o = settle(job);
    CHECK(o.status == SRM_EIO && o.failure.place == SRM_AT_INPUT && o.failure.os_error == EISDIR);
    check_abandoned(&s);
    end(&s);
}

static void a_full_disk_abandons_the_session(void) {
    static const rlim_t limits[] = {0, 4000, 3 * SRM_FRAME_LEN};
    for (size_t i = 0; i < 3; i++) {
        stage s;
        struct rlimit before;
        begin(&s, 0);
        add_file(&s, "file", raw, RAW_LEN);
        add_file(&s, "small", raw, 2000);
        CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
        struct rlimit low = {.rlim_cur = limits[i], .rlim_max = before.rlim_max};
        CHECK(setrlimit(RLIMIT_FSIZE, &low) == 0);
        outcome o = settle(start_files(&s));
        CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
        CHECK(o.status == SRM_EIO && o.failure.place == SRM_AT_OUTPUT);
        CHECK(o.failure.os_error == EFBIG);
        check_abandoned(&s);
        end(&s);
    }
}

/* Whichever write fails, and whichever fsync, the session ends there. */
static void check_failing(atomic_long *left, int os_error, long least) {
    long told = 0;
    for (bool was_due = true; was_due; told += was_due) {
        stage s;
        srm_job *job = NULL;
        begin(&s, 0);
        add_file(&s, "file", raw, 2 * CHUNK + 5);
        add_file(&s, "small", text, 2000);
        atomic_store(left, told);
        outcome o = settle(start_files(&s));
        if (o.status == SRM_OK) {
            CHECK_STATUS(SRM_OK, srm_session_finish_start(s.session, &job));
            o = settle(job);
        }
        was_due = atomic_exchange(left, -1) < 0;
        CHECK((o.status != SRM_OK) == was_due);
        CHECK(o.status == SRM_OK || (o.status == SRM_EIO && o.failure.place == SRM_AT_OUTPUT &&
                                        o.failure.os_error == os_error));
        CHECK_STATUS(SRM_ESTATE, srm_session_finish_start(s.session, &job));
        end(&s);
    }
    CHECK(told >= least);
}

static void whatever_write_fails_is_told(void) {
    check_failing(&writes_left, ENOSPC, 8);
    check_failing(&syncs_left, EIO, 2);
}

static void a_folder_that_is_gone_abandons_the_session(void) {
    stage s;
    begin(&s, 0);
    add_file(&s, "file", raw, 2000);
    CHECK(rmdir(s.out_path) == 0);
    outcome o = settle(start_files(&s));
    CHECK(o.status == SRM_EIO && o.failure.place == SRM_AT_OUTPUT);
    CHECK(o.failure.os_error == ENOENT);
    end(&s);
}

static void what_is_not_finished_is_removed(void) {
    stage s;
    uint64_t id_count = 0;
    srm_location at;
    begin(&s, 0);
    add_file(&s, "file", raw, RAW_LEN);
    uint8_t *ids = take_files(&s, &id_count);
    CHECK(folder_count(s.out_path) > 0);
    CHECK(srm_index_find(s.index, ids, &at) == 1);
    srm_session_free(s.session);
    s.session = NULL;
    CHECK(folder_count(s.out_path) == 0);
    for (uint64_t i = 0; i < id_count; i++)
        CHECK(srm_index_find(s.index, ids + i * SRM_DIGEST_LEN, &at) == 0);
    free(ids);
    end(&s);
}

static void one_job_runs_at_a_time(void) {
    stage s;
    int ends[2];
    srm_job *job = NULL;
    srm_job *second = NULL;
    srm_file_result result;
    begin(&s, 0);
    add_file(&s, "file", raw, 10);
    CHECK(pipe(ends) == 0);
    CHECK_STATUS(SRM_OK, srm_session_stream_start(s.session, from_fd(ends[0]), &result, &job));
    CHECK_STATUS(SRM_ESTATE, srm_session_files_start(s.session, s.in, s.paths, s.paths_len, s.count,
                                 s.results, &second));
    CHECK_STATUS(SRM_ESTATE, srm_session_finish_start(s.session, &second));
    CHECK(second == NULL);
    close(ends[1]);
    CHECK_STATUS(SRM_OK, settle(job).status);
    CHECK(finish(&s) == 0);
    CHECK_STATUS(SRM_ESTATE, srm_session_finish_start(s.session, &second));
    close(ends[0]);
    end(&s);
}

static void a_child_cannot_use_its_parents_session(void) {
    stage s;
    uint64_t id_count = 0;
    int how = 0;
    begin(&s, 0);
    add_file(&s, "file", raw, 1000);
    free(take_files(&s, &id_count));
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
    CHECK(finish(&s) == 1);
    end(&s);
}

static void nothing_to_take_in_is_fine(void) {
    stage s;
    uint64_t id_count = 9;
    begin(&s, 0);
    free(take_files(&s, &id_count));
    CHECK(id_count == 0 && finish(&s) == 0 && folder_count(s.out_path) == 0);
    end(&s);
}

static void wrong_arguments_start_nothing(void) {
    stage s;
    srm_job *job = NULL;
    srm_session *none = NULL;
    srm_file_result r;
    const uint8_t *ids = NULL;
    uint64_t count = 0;
    begin(&s, 0);
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
    end(&s);
}

int main(void) {
    static const fact facts[] = {
        FACT(files_of_all_lengths_come_back),
        FACT(results_say_what_fstat_says),
        FACT(what_is_known_is_not_stored_again),
        FACT(many_small_files_come_back),
        FACT(little_input_ends_up_in_one_segment),
        FACT(what_is_no_regular_file_fails_alone),
        FACT(a_file_that_says_it_is_empty_is_taken_as_that),
        FACT(a_file_that_cannot_be_read_fails_alone),
        FACT(paths_of_any_length_are_walked),
        FACT(a_file_that_changed_says_so),
        FACT(a_file_cut_while_it_is_taken_in_keeps_its_beginning),
        FACT(holes_are_one_chunk_of_zeros),
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
    raw = must_alloc(RAW_LEN);
    text = must_alloc(RAW_LEN);
    fill_noise(raw, RAW_LEN, 1);
    fill_text(text, RAW_LEN);
    static const fact alone[] = {FACT(segments_that_are_full_are_followed_by_others)};
    int status = check_facts(alone, 1);
    for (threads = 1; threads <= 3; threads += 2)
        status |= check_facts(facts, sizeof facts / sizeof facts[0]);
    free(raw);
    free(text);
    return status;
}
