#include "pipeline/io.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a stalled pipe may keep a cancelled job, milliseconds. */
#define POLL_MS 100

static bool is_cancelled(job_control *control) {
    return atomic_load_explicit(&control->cancelled, memory_order_relaxed);
}

static void count(atomic_uint_fast64_t *counter, size_t len) {
    atomic_fetch_add_explicit(counter, len, memory_order_relaxed);
}

/* Wait until a stalling descriptor is ready. SRM_ECANCELLED when the job is stopped first. */
static srm_status await(int fd, short events, job_control *control) {
    struct pollfd waiting = {.fd = fd, .events = events};
    for (;;) {
        if (is_cancelled(control))
            return SRM_ECANCELLED;
        int ready = poll(&waiting, 1, POLL_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return SRM_OK; /* read or write will say what is wrong, if anything */
    }
}

void input_begin(input *s, srm_source given) {
    *s = (input){.given = given, .len = LEN_UNKNOWN};
    struct stat status;
    int flags = given.fd < 0 ? O_RDONLY : fcntl(given.fd, F_GETFL);
    s->unreadable = flags < 0 || (flags & O_ACCMODE) == O_WRONLY;
    if (given.fd < 0) {
        s->len = given.mem_len;
    } else if (fstat(given.fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        /* Files of /proc say they are empty and are not: those are read in order. */
        off_t at = lseek(given.fd, 0, SEEK_CUR);
        if (at >= 0) {
            s->base = (uint64_t)at;
            s->len = at < status.st_size ? (uint64_t)(status.st_size - at) : 0;
        }
    }
}

const uint8_t *input_memory(const input *s, uint64_t off) {
    return s->given.fd < 0 ? s->given.mem + off : NULL;
}

srm_status input_read_at(input *s, job_control *control, uint64_t off, uint8_t *out, size_t len) {
    size_t done = 0;
    if (s->given.fd < 0) {
        if (len > 0)
            memcpy(out, s->given.mem + off, len);
        done = len;
    }
    while (done < len) {
        if (is_cancelled(control))
            return SRM_ECANCELLED;
        ssize_t n = pread(s->given.fd, out + done, len - done, (off_t)(s->base + off + done));
        if (n == 0)
            return job_fail(control, SRM_ECHANGED, SRM_AT_INPUT, 0);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return job_fail(control, SRM_EIO, SRM_AT_INPUT, errno);
    }
    count(&control->bytes_in, len);
    return SRM_OK;
}

srm_status input_read_next(input *s, job_control *control, uint8_t *out, size_t want, size_t *got) {
    *got = 0;
    while (*got < want) {
        /* A pipe's writing end would never be ready; let read say so. */
        srm_status status = s->unreadable ? SRM_OK : await(s->given.fd, POLLIN, control);
        if (status != SRM_OK)
            return status;
        ssize_t n = read(s->given.fd, out + *got, want - *got);
        if (n == 0)
            break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR && errno != EAGAIN)
            return job_fail(control, SRM_EIO, SRM_AT_INPUT, errno);
    }
    count(&control->bytes_in, *got);
    return SRM_OK;
}

/* Writing to a blocking pipe waits until the reader took everything, and nothing can cancel that.
 * O_NONBLOCK on the caller's descriptor would show in every process that shares it; opening the
 * same pipe again gives flags of our own. */
static int reopen_pipe(int fd, int flags) {
    char path[64];
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return -1; /* opening it again must not give what the caller did not have */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

void output_begin(output *s, srm_sink given) {
    *s = (output){.given = given, .own_fd = -1};
    struct stat status;
    if (given.fd < 0)
        return;
    s->in_order = true;
    if (fstat(given.fd, &status) != 0)
        return;
    int flags = fcntl(given.fd, F_GETFL);
    if (S_ISFIFO(status.st_mode))
        s->own_fd = reopen_pipe(given.fd, flags);
    s->is_socket = S_ISSOCK(status.st_mode);
    /* pwrite(2) ignores the offset where O_APPEND is set. */
    off_t at = S_ISREG(status.st_mode) ? lseek(given.fd, 0, SEEK_CUR) : -1;
    if (at >= 0 && flags >= 0 && (flags & O_APPEND) == 0) {
        s->base = (uint64_t)at;
        s->in_order = false;
    }
}

srm_status output_memory(
    const output *s, job_control *control, uint64_t off, size_t len, uint8_t **out) {
    *out = NULL;
    if (s->given.fd >= 0)
        return SRM_OK;
    if (off > s->given.mem_cap || len > s->given.mem_cap - off)
        return job_fail(control, SRM_ELIMIT, SRM_AT_OUTPUT, 0);
    *out = s->given.mem + off;
    return SRM_OK;
}

srm_status output_write_at(
    output *s, job_control *control, uint64_t off, const uint8_t *data, size_t len) {
    uint8_t *memory;
    srm_status status = output_memory(s, control, off, len, &memory);
    if (status != SRM_OK)
        return status;
    size_t done = 0;
    if (memory != NULL) {
        if (memory != data && len > 0)
            memcpy(memory, data, len);
        done = len;
    }
    while (done < len) {
        if (is_cancelled(control))
            return SRM_ECANCELLED;
        ssize_t n = pwrite(s->given.fd, data + done, len - done, (off_t)(s->base + off + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return job_fail(control, SRM_EIO, SRM_AT_OUTPUT, n == 0 ? ENOSPC : errno);
    }
    count(&control->bytes_out, len);
    return SRM_OK;
}

/* Write what can be written at once, or as little as blocks for a moment only. */
static ssize_t write_some(const output *s, const uint8_t *data, size_t len) {
    if (s->own_fd >= 0)
        return write(s->own_fd, data, len);
    if (s->is_socket)
        return send(s->given.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return write(s->given.fd, data, min_size(len, PIPE_BUF));
}

srm_status output_write_next(output *s, job_control *control, const uint8_t *data, size_t len) {
    int fd = s->own_fd >= 0 ? s->own_fd : s->given.fd;
    while (len > 0) {
        srm_status status = await(fd, POLLOUT, control);
        if (status != SRM_OK)
            return status;
        ssize_t n = write_some(s, data, len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return job_fail(control, SRM_EIO, SRM_AT_OUTPUT, errno);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            count(&control->bytes_out, (size_t)n);
        }
    }
    return SRM_OK;
}

void output_leave_at(const output *s, uint64_t len) {
    if (s->given.fd >= 0 && !s->in_order)
        (void)lseek(s->given.fd, (off_t)(s->base + len), SEEK_SET);
}

void output_end(output *s) {
    if (s->own_fd >= 0)
        close(s->own_fd);
    s->own_fd = -1;
}
