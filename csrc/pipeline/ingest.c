/* A batch of files taken into a session. Workers claim small files by the handful and take them
 * in alone; a file of several chunks is shared by all, so that one huge file keeps every core
 * busy. */
#include "base/bytes.h"
#include "codec/probe.h"
#include "pipeline/id_list.h"
#include "pipeline/session.h"
#include "pipeline/source_file.h"
#include "threads/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define CLAIM_MOST 16              /* files at once: the lock is not taken for each */
#define FILE_COST ((uint64_t)4096) /* a file is work even when it is empty */
#define MAGIC_LEN 16               /* enough of a file's start to know media by */
/* Files with holes may claim up to 2^63 bytes, and the ids of each MiB have to be in memory. */
#define FILE_LEN_MAX ((uint64_t)1 << 46)

/* Files that one worker takes in, one after another. */
typedef struct claim {
    const char *path; /* of the next */
    srm_file_result *result;
    unsigned left;
    unsigned id_count;
    uint8_t ids[CLAIM_MOST][SRM_DIGEST_LEN];
} claim;

/* A file of several chunks, from when it is opened until all of it was taken in. */
typedef struct shared_file {
    struct shared_file *next;
    source_file file;
    srm_file_result *result;
    uint64_t chunk_count;
    uint8_t *ids;
    bool is_media;
    /* Under the crew's lock: */
    uint64_t next_chunk; /* chunk_count: all are taken */
    unsigned in_hand;
    uint64_t end; /* where it ended */
    uint64_t new_len;
    int os_error;
} shared_file;

typedef struct ingest {
    session *session;
    job_control *control;
    int dir_fd;
    uint64_t count;
    unsigned worker_count;
    claim *claims; /* one a worker */

    crew crew;
    /* Under its lock: */
    const char *next_path;
    srm_file_result *next_result;
    uint64_t claimed;
    uint64_t done;
    shared_file *shared;
    id_list ids;
    bool knows_zeros;
    uint8_t zeros_id[SRM_DIGEST_LEN]; /* of a chunk of zeros */
} ingest;

static bool is_cancelled(const ingest *w) {
    return atomic_load_explicit(&w->control->cancelled, memory_order_relaxed);
}

static void count_read(ingest *w, size_t len) {
    atomic_fetch_add_explicit(&w->control->bytes_in, len, memory_order_relaxed);
}

/* --- without the lock --- */

static void shared_file_free(shared_file *f) {
    if (f->file.fd >= 0)
        close(f->file.fd);
    free(f->ids);
    free(f);
}

/* A file of several chunks is open. */
static srm_status share(source_file file, srm_file_result *result, shared_file **out) {
    shared_file *f = calloc(1, sizeof *f);
    if (f == NULL) {
        close(file.fd);
        return SRM_ENOMEM;
    }
    uint8_t start[MAGIC_LEN];
    size_t got = 0;
    f->file = file;
    f->result = result;
    f->end = file.len;
    f->chunk_count = file.len / SRM_CHUNK_LEN + (file.len % SRM_CHUNK_LEN != 0);
    f->ids = malloc((size_t)f->chunk_count * SRM_DIGEST_LEN);
    if (f->ids == NULL) {
        shared_file_free(f);
        return SRM_ENOMEM;
    }
    (void)posix_fadvise(file.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (source_file_read(&f->file, 0, start, sizeof start, &got) == 0) /* if not, a chunk tells */
        f->is_media = probe_is_media(start, got);
    *out = f;
    return SRM_OK;
}

/* The next file of a claim: taken in, or, if it has several chunks, opened as *shared. */
static srm_status take_file(ingest *w, session_worker *me, claim *c, shared_file **shared) {
    srm_file_result *result = c->result++;
    const char *path = c->path;
    uint8_t *raw = session_worker_buffer(me);
    source_file file;
    size_t got = 0;
    c->path += strlen(path) + 1;
    c->left--;
    if (is_cancelled(w))
        return SRM_ECANCELLED;
    if (!source_file_open(&file, w->dir_fd, path, result))
        return SRM_OK;
    if (file.len > FILE_LEN_MAX) {
        source_file_give_up(&file, EFBIG, result);
        return SRM_OK;
    }
    if (file.len > SRM_CHUNK_LEN)
        return share(file, result, shared);
    /* One that says it is empty may not be (procfs, FUSE): what is in it makes it a changed one. */
    size_t want = file.len > 0 ? (size_t)file.len : SRM_CHUNK_LEN;
    int os_error = source_file_read(&file, 0, raw, want, &got);
    if (os_error != 0) {
        source_file_give_up(&file, os_error, result);
        return SRM_OK;
    }
    result->size = got;
    source_file_close(&file, result);
    if (got == 0)
        return SRM_OK;
    count_read(w, got);
    result->id_count = 1;
    return session_take_chunk(w->session, me, w->control, raw, got, probe_is_media(raw, got),
        c->ids[c->id_count++], &result->new_len);
}

/* Does a chunk of a sparse file lie in a hole? */
static bool in_hole(const shared_file *f, uint64_t off, size_t len) {
    if ((f->result->flags & 1) == 0)
        return false;
    off_t data = lseek(f->file.fd, (off_t)off, SEEK_DATA);
    return data < 0 ? errno == ENXIO : (uint64_t)data >= off + len;
}

/* What came of one chunk of a shared file. */
typedef struct part {
    size_t want;
    size_t got;
    int os_error;
    bool is_zeros;
    uint64_t new_len;
} part;

/* zeros_id: the id of a chunk of zeros, if it is known. Holes are not read. */
static srm_status take_part(ingest *w, session_worker *me, const shared_file *f, uint64_t index,
    const uint8_t *zeros_id, part *p) {
    uint64_t off = index * SRM_CHUNK_LEN;
    uint8_t *id = f->ids + index * SRM_DIGEST_LEN;
    uint8_t *raw = session_worker_buffer(me);
    *p = (part){.want = SRM_CHUNK_LEN};
    if (f->file.len - off < SRM_CHUNK_LEN)
        p->want = (size_t)(f->file.len - off);
    if (is_cancelled(w))
        return SRM_ECANCELLED;
    p->is_zeros = p->want == SRM_CHUNK_LEN && in_hole(f, off, p->want);
    if (p->is_zeros) {
        p->got = p->want;
        if (zeros_id == NULL)
            memset(raw, 0, p->got);
    } else {
        p->os_error = source_file_read(&f->file, off, raw, p->want, &p->got);
    }
    if (p->os_error != 0 || p->got == 0)
        return SRM_OK;
    count_read(w, p->got);
    if (p->is_zeros && zeros_id != NULL) {
        memcpy(id, zeros_id, SRM_DIGEST_LEN);
        return SRM_OK;
    }
    return session_take_chunk(
        w->session, me, w->control, raw, p->got, f->is_media, id, &p->new_len);
}

static void close_shared(shared_file *f) {
    if (f->os_error != 0) {
        source_file_give_up(&f->file, f->os_error, f->result);
        return;
    }
    f->result->size = f->end;
    f->result->new_len = f->new_len;
    f->result->id_count = f->end / SRM_CHUNK_LEN + (f->end % SRM_CHUNK_LEN != 0);
    source_file_close(&f->file, f->result);
}

/* --- each of these has the lock when it is called and when it returns, not in between --- */

/* Of the files of a claim that are done, from `first` on, their ids are told. */
static srm_status publish(ingest *w, claim *c, srm_file_result *first, srm_file_result *end) {
    uint64_t at = w->ids.count;
    for (srm_file_result *r = first; r < end; r++) {
        r->first_id = at;
        at += r->id_count;
        session_expect(w->session, r->size + FILE_COST);
        w->done++;
    }
    unsigned count = c->id_count;
    c->id_count = 0;
    return id_list_add(&w->ids, c->ids[0], count);
}

static void take_claimed(ingest *w, unsigned number, session_worker *me) {
    claim *c = &w->claims[number];
    srm_file_result *first = c->result;
    shared_file *shared = NULL;
    srm_status status = SRM_OK;
    crew_leave(&w->crew);
    while (status == SRM_OK && shared == NULL && c->left > 0)
        status = take_file(w, me, c, &shared);
    crew_enter(&w->crew);
    if (status == SRM_OK)
        status = publish(w, c, first, shared == NULL ? c->result : shared->result);
    if (shared != NULL) {
        shared->next = w->shared;
        w->shared = shared;
        session_expect(w->session, shared->file.len);
    }
    crew_stop(&w->crew, status);
}

static void make_claim(ingest *w, claim *c) {
    uint64_t fair = (w->count - w->claimed) / (2 * (uint64_t)w->worker_count) + 1;
    c->path = w->next_path;
    c->result = w->next_result;
    c->left = fair < CLAIM_MOST ? (unsigned)fair : CLAIM_MOST;
    for (unsigned i = 0; i < c->left; i++)
        w->next_path += strlen(w->next_path) + 1;
    w->next_result += c->left;
    w->claimed += c->left;
}

static srm_status end_shared(ingest *w, shared_file *f) {
    shared_file **link = &w->shared;
    while (*link != f)
        link = &(*link)->next;
    *link = f->next;
    crew_leave(&w->crew);
    close_shared(f);
    crew_enter(&w->crew);
    f->result->first_id = w->ids.count;
    srm_status status = id_list_add(&w->ids, f->ids, f->result->id_count);
    w->done++;
    shared_file_free(f);
    return status;
}

/* One more chunk of a shared file, which has one. */
static void take_shared(ingest *w, session_worker *me, shared_file *f) {
    part p;
    uint64_t index = f->next_chunk++;
    const uint8_t *zeros_id = w->knows_zeros ? w->zeros_id : NULL; /* never changes again */
    f->in_hand++;
    crew_leave(&w->crew);
    srm_status status = take_part(w, me, f, index, zeros_id, &p);
    crew_enter(&w->crew);
    f->in_hand--;
    f->new_len += p.new_len;
    if (status == SRM_OK && p.is_zeros && !w->knows_zeros) {
        memcpy(w->zeros_id, f->ids + index * SRM_DIGEST_LEN, SRM_DIGEST_LEN);
        w->knows_zeros = true;
    }
    if (p.os_error != 0)
        f->os_error = p.os_error;
    if (p.got < p.want) {
        uint64_t end = index * SRM_CHUNK_LEN + p.got;
        f->end = end < f->end ? end : f->end;
        f->next_chunk = f->chunk_count; /* what comes after it does not count */
    }
    if (status == SRM_OK && f->in_hand == 0 && f->next_chunk == f->chunk_count)
        status = end_shared(w, f);
    crew_stop(&w->crew, status);
}

static bool do_next(void *work, unsigned number) {
    ingest *w = work;
    claim *c = &w->claims[number];
    if (!session_admits(w->session, number))
        return false;
    shared_file *f = w->shared;
    while (f != NULL && f->next_chunk == f->chunk_count)
        f = f->next;
    if (f == NULL && c->left == 0 && w->claimed == w->count)
        return false;
    session_worker *me = session_worker_at(w->session, number);
    if (me == NULL) {
        crew_stop(&w->crew, SRM_ENOMEM);
    } else if (f != NULL) {
        take_shared(w, me, f);
    } else {
        if (c->left == 0)
            make_claim(w, c);
        take_claimed(w, number, me);
    }
    return true;
}

static bool is_done(const void *work) {
    const ingest *w = work;
    return w->done == w->count;
}

/* --- one thread again --- */

static srm_status ingest_body(void *argument, job_control *control) {
    ingest *w = argument;
    w->control = control;
    srm_status status = crew_run(&w->crew, w->worker_count, do_next, is_done, w);
    if (status == SRM_OK) {
        control->ids = id_list_surrender(&w->ids, &control->id_count);
    } else {
        status = job_fail(control, status, SRM_AT_NONE, 0);
    }
    session_leave(w->session, status, false);
    return status;
}

static void ingest_release(void *argument) {
    ingest *w = argument;
    while (w->shared != NULL) {
        shared_file *next = w->shared->next;
        shared_file_free(w->shared);
        w->shared = next;
    }
    id_list_free(&w->ids);
    crew_end(&w->crew);
    free(w->claims);
    free(w);
}

srm_status session_files(session *s, int dir_fd, const char *paths, uint64_t count,
    srm_file_result *results, srm_job **out) {
    *out = NULL;
    srm_status status = session_enter(s);
    if (status != SRM_OK)
        return status;
    ingest *w = calloc(1, sizeof *w);
    if (w == NULL) {
        session_forget(s);
        return SRM_ENOMEM;
    }
    crew_begin(&w->crew);
    w->session = s;
    w->dir_fd = dir_fd;
    w->next_path = paths;
    w->next_result = results;
    w->count = count;
    w->worker_count = session_worker_count(s);
    w->claims = calloc(w->worker_count, sizeof *w->claims);
    status = w->claims == NULL ? SRM_ENOMEM : job_start(ingest_body, ingest_release, w, out);
    if (status != SRM_OK) {
        ingest_release(w);
        session_forget(s);
    }
    return status;
}
