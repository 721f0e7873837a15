#include "passes.h"

#include "base/bytes.h"
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static void *feed(void *argument) {
    feeder *f = argument;
    sigset_t pipe_closed;
    sigemptyset(&pipe_closed);
    sigaddset(&pipe_closed, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_closed, NULL);
    for (size_t at = 0; at < f->len;) {
        ssize_t n = write(f->fd, f->data + at, min_size(f->burst, f->len - at));
        if (n < 0 && errno == EPIPE)
            break;
        CHECK(n > 0);
        at += (size_t)n;
        if (f->pause_us > 0)
            (void)usleep(f->pause_us);
    }
    close(f->fd);
    return NULL;
}

int feeder_start(feeder *f, const uint8_t *data, size_t len, size_t burst, unsigned pause_us) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    *f = (feeder){.fd = ends[1], .data = data, .len = len, .burst = burst, .pause_us = pause_us};
    CHECK(pthread_create(&f->thread, NULL, feed, f) == 0);
    return ends[0];
}

void feeder_join(feeder *f) {
    CHECK(pthread_join(f->thread, NULL) == 0);
}

static void *take(void *argument) {
    taker *t = argument;
    ssize_t n = 1;
    while (n > 0 && t->len < t->most) {
        n = read(t->fd, t->data + t->len, min_size(100000, t->most - t->len));
        CHECK(n >= 0);
        t->len += (size_t)n;
    }
    close(t->fd);
    return NULL;
}

int taker_start(taker *t, uint8_t *data, size_t most) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    *t = (taker){.fd = ends[0], .data = data, .most = most};
    CHECK(pthread_create(&t->thread, NULL, take, t) == 0);
    return ends[1];
}

void taker_join(taker *t) {
    CHECK(pthread_join(t->thread, NULL) == 0);
}

int file_of(const uint8_t *data, size_t len) {
    int fd = memfd_create("pass", MFD_CLOEXEC);
    CHECK(fd >= 0 && (len == 0 || write(fd, data, len) == (ssize_t)len));
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

srm_job *pass_start(const pass *p, srm_source source, srm_sink sink) {
    srm_seal_options options = test_options(p->level, 1);
    srm_job *job = NULL;
    options.threads = p->threads;
    if (p->verb == SEAL)
        CHECK_STATUS(SRM_OK, srm_seal_start(&options, source, sink, &job));
    else if (p->verb == OPEN)
        CHECK_STATUS(
            SRM_OK, srm_open_start(p->data, options.session_key, source, sink, p->threads, &job));
    else
        CHECK_STATUS(SRM_OK, srm_scrub_start(p->data, source, p->threads, &job));
    return job;
}

srm_source pass_source(const pass *p) {
    size_t skip = p->verb == SEAL ? 0 : SRM_HEADER_LEN;
    return from_memory(p->data + skip, p->len - skip);
}

/* Where a pass goes through; the job is not started yet. */
typedef struct path {
    feeder feeder;
    taker taker;
    srm_source source;
    srm_sink sink;
} path;

static void lay_path(path *l, const pass *p) {
    const srm_source memory = pass_source(p);
    *l = (path){.source = memory, .sink = to_memory(p->got, p->got_cap)};
    if (p->in == BY_FILE)
        l->source = from_fd(file_of(memory.mem, memory.mem_len));
    else if (p->in == BY_PIPE)
        l->source = from_fd(feeder_start(&l->feeder, memory.mem, memory.mem_len, 1 << 20, 0));
    if (p->out == BY_FILE)
        l->sink = to_fd(file_of(NULL, 0));
    else if (p->out == BY_PIPE)
        l->sink = to_fd(taker_start(&l->taker, p->got, p->got_cap));
}

/* Once the job is freed. */
static void clear_path(path *l, pass *p, const outcome *end) {
    p->got_len = (size_t)end->bytes_out;
    if (p->in != BY_MEMORY)
        close(l->source.fd);
    if (p->in == BY_PIPE)
        feeder_join(&l->feeder);
    if (p->out == BY_FILE) {
        if (end->status == SRM_OK && p->verb != SCRUB)
            CHECK(lseek(l->sink.fd, 0, SEEK_CUR) == (off_t)end->bytes_out);
        ssize_t n = pread(l->sink.fd, p->got, p->got_cap, 0);
        CHECK(n >= 0);
        p->got_len = (size_t)n;
    }
    if (p->out != BY_MEMORY)
        close(l->sink.fd);
    if (p->out == BY_PIPE) {
        taker_join(&l->taker);
        p->got_len = l->taker.len;
    }
}

outcome pass_run(pass *p) {
    path l;
    lay_path(&l, p);
    outcome end = settle(pass_start(p, l.source, l.sink));
    clear_path(&l, p, &end);
    return end;
}

void pass_cancel(pass *p, unsigned after_us) {
    path l;
    outcome end = {.status = SRM_ECANCELLED};
    lay_path(&l, p);
    srm_job *job = pass_start(p, l.source, l.sink);
    if (after_us > 0)
        (void)usleep(after_us);
    if (after_us % 3 == 0) { /* freed at once, or after a look at how it ended */
        srm_job_free(job);
    } else {
        srm_job_cancel(job);
        end = settle(job);
        CHECK(end.status == SRM_OK || end.status == SRM_ECANCELLED);
    }
    clear_path(&l, p, &end);
}
