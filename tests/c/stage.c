#include "stage.h"

#include "base/bytes.h"

#include <errno.h>
#include <unistd.h>

uint8_t *stage_raw;
uint8_t *stage_text;
uint32_t stage_threads = 1;

ssize_t __real_pread(int fd, void *out, size_t len, off_t off);
ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t off);
int __real_fsync(int fd);
ssize_t __wrap_pread(int fd, void *out, size_t len, off_t off);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t off);
int __wrap_fsync(int fd);

atomic_long stage_reads_left = -1;
atomic_long stage_writes_left = -1;
atomic_long stage_syncs_left = -1;

atomic_uint stage_meeting;
atomic_uint stage_came;
static _Thread_local bool came;

static void meet(off_t off) {
    if (came || off < STAGE_MEET_OFF || atomic_load(&stage_meeting) == 0)
        return;
    came = true;
    atomic_fetch_add(&stage_came, 1);
    for (int i = 0; atomic_load(&stage_came) < atomic_load(&stage_meeting); i++) {
        if (i == 30000) {
            atomic_store(&stage_meeting, 0);
            return;
        }
        usleep(1000);
    }
}

static bool is_due(atomic_long *left) {
    return atomic_load(left) >= 0 && atomic_fetch_sub(left, 1) == 0;
}

/* At first only half of it, so that it has to be asked again. */
ssize_t __wrap_pread(int fd, void *out, size_t len, off_t off) {
    meet(off);
    if (is_due(&stage_reads_left)) {
        errno = EIO;
        return -1;
    }
    return __real_pread(fd, out, len > 1 ? len / 2 : len, off);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t off) {
    if (is_due(&stage_writes_left)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite(fd, data, len > 99999 ? len / 2 : len, off);
}

int __wrap_fsync(int fd) {
    if (is_due(&stage_syncs_left)) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

void stage_begin(stage *s, int32_t level) {
    memset(s, 0, sizeof *s);
    s->in = folder_make(s->in_path);
    s->out = folder_make(s->out_path);
    CHECK_STATUS(SRM_OK, srm_index_new(&s->index));
    srm_session_options options = test_session_options(level, stage_threads, s->out);
    CHECK_STATUS(SRM_OK, srm_session_begin(&options, s->index, &s->session));
    wipe(&options, sizeof options); /* the session must not need them any more */
}

void stage_end(stage *s) {
    srm_session_free(s->session);
    srm_index_free(s->index);
    library_free(&s->stored);
    folder_remove(s->in_path, s->in);
    folder_remove(s->out_path, s->out);
}

void stage_name_file(stage *s, const char *name) {
    CHECK(s->count < STAGE_FILES && s->paths_len + strlen(name) < sizeof s->paths);
    memcpy(s->paths + s->paths_len, name, strlen(name) + 1);
    s->paths_len += strlen(name) + 1;
    s->count++;
}

void stage_add_file(stage *s, const char *name, const uint8_t *data, size_t len) {
    folder_put(s->in, name, data, len);
    stage_name_file(s, name);
}

srm_job *stage_start_files(stage *s) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_session_files_start(s->session, s->in, s->paths, s->paths_len,
                             s->count, s->results, &job));
    return job;
}

uint8_t *stage_take_files(stage *s, uint64_t *id_count) {
    const uint8_t *ids = NULL;
    srm_job *job = stage_start_files(s);
    CHECK_STATUS(SRM_OK, srm_job_wait(job, 60000));
    CHECK_STATUS(SRM_OK, srm_job_ids(job, &ids, id_count));
    uint8_t *copy = must_alloc((size_t)*id_count * SRM_DIGEST_LEN);
    if (*id_count > 0)
        memcpy(copy, ids, (size_t)*id_count * SRM_DIGEST_LEN);
    CHECK_STATUS(SRM_OK, settle(job).status);
    return copy;
}

size_t stage_collect(stage *s) {
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

size_t stage_finish(stage *s) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_session_finish_start(s->session, &job));
    outcome o = settle(job);
    CHECK_STATUS(SRM_OK, o.status);
    return stage_collect(s);
}

void stage_check_content(
    const stage *s, const uint8_t *ids, uint64_t count, const uint8_t *data, size_t len) {
    CHECK(count == len / CHUNK + (len % CHUNK != 0));
    for (uint64_t i = 0; i < count; i++) {
        const found_chunk *c = library_find(&s->stored, ids + i * SRM_DIGEST_LEN);
        size_t left = len - (size_t)i * CHUNK;
        CHECK(c != NULL && c->raw_len == min_size(left, CHUNK));
        CHECK(memcmp(c->raw, data + i * CHUNK, c->raw_len) == 0);
    }
}

void stage_check_file(
    const stage *s, uint64_t i, const uint8_t *ids, const uint8_t *data, size_t len) {
    const srm_file_result *r = &s->results[i];
    CHECK(r->status == SRM_OK && r->os_error == 0 && r->size == len);
    stage_check_content(s, ids + r->first_id * SRM_DIGEST_LEN, r->id_count, data, len);
}

int stage_facts(const fact *facts, size_t fact_count) {
    int status = 0;
    stage_raw = must_alloc(STAGE_LEN);
    stage_text = must_alloc(STAGE_LEN);
    fill_noise(stage_raw, STAGE_LEN, 1);
    fill_text(stage_text, STAGE_LEN);
    for (stage_threads = 1; stage_threads <= 3; stage_threads += 2)
        status |= check_facts(facts, fact_count);
    free(stage_raw);
    free(stage_text);
    return status;
}
