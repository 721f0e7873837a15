#include "pipeline/io.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a stalled pipe may keep a cancelled job, milliseconds. */
#define POLL_MS 100

static bool is_regular(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* Writing to a blocking pipe waits until the reader took everything, and nothing can cancel that.
 * O_NONBLOCK on the caller's descriptor would show in every process that shares it; opening the
 * same pipe again gives flags of our own. */
static int reopen_pipe(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode))
        return -1;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

/* Wait until a stalling descriptor is ready. SRM_ECANCELLED when the job is stopped first. */
static srm_status await(int fd, short events, job_control *control) {
    struct pollfd waiting = {.fd = fd, .events = events};
    for (;;) {
        if (atomic_load(&control->cancelled))
            return SRM_ECANCELLED;
        int ready = poll(&waiting, 1, POLL_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return SRM_OK; /* read or write will say what is wrong, if anything */
    }
}

void input_begin(input *in, srm_source source) {
    in->source = source;
    in->mem_pos = 0;
    in->stalls = source.fd >= 0 && !is_regular(source.fd);
}

static srm_status read_fd(input *in, job_control *control, uint8_t *out, size_t want, size_t *got) {
    while (*got < want) {
        srm_status status = SRM_OK;
        if (in->stalls)
            status = await(in->source.fd, POLLIN, control);
        else if (atomic_load(&control->cancelled))
            status = SRM_ECANCELLED;
        if (status != SRM_OK)
            return status;
        ssize_t n = read(in->source.fd, out + *got, want - *got);
        if (n == 0)
            break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR && errno != EAGAIN)
            return job_fail(control, SRM_EIO, SRM_AT_INPUT, errno);
    }
    return SRM_OK;
}

srm_status input_read(input *in, job_control *control, uint8_t *out, size_t want, size_t *got) {
    *got = 0;
    if (in->source.fd < 0) {
        *got = min_size(want, in->source.mem_len - in->mem_pos);
        if (*got > 0)
            memcpy(out, in->source.mem + in->mem_pos, *got);
        in->mem_pos += *got;
    } else {
        srm_status status = read_fd(in, control, out, want, got);
        if (status != SRM_OK)
            return status;
    }
    atomic_fetch_add(&control->bytes_in, *got);
    return atomic_load(&control->cancelled) ? SRM_ECANCELLED : SRM_OK;
}

void output_begin(output *out, srm_sink sink) {
    out->sink = sink;
    out->mem_len = 0;
    out->own_fd = sink.fd >= 0 ? reopen_pipe(sink.fd) : -1;
    out->stalls = sink.fd >= 0 && !is_regular(sink.fd);
}

void output_end(output *out) {
    if (out->own_fd >= 0)
        close(out->own_fd);
    out->own_fd = -1;
}

static srm_status write_fd(output *out, job_control *control, const uint8_t *data, size_t len) {
    int fd = out->own_fd >= 0 ? out->own_fd : out->sink.fd;
    while (len > 0) {
        srm_status status = SRM_OK;
        if (out->stalls)
            status = await(fd, POLLOUT, control);
        else if (atomic_load(&control->cancelled))
            status = SRM_ECANCELLED;
        if (status != SRM_OK)
            return status;
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return job_fail(control, SRM_EIO, SRM_AT_OUTPUT, errno);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            atomic_fetch_add(&control->bytes_out, (uint64_t)n);
        }
    }
    return SRM_OK;
}

srm_status output_write(output *out, job_control *control, const uint8_t *data, size_t len) {
    if (out->sink.fd >= 0)
        return write_fd(out, control, data, len);
    if (len > out->sink.mem_cap - out->mem_len)
        return job_fail(control, SRM_ELIMIT, SRM_AT_OUTPUT, 0);
    if (len > 0)
        memcpy(out->sink.mem + out->mem_len, data, len);
    out->mem_len += len;
    atomic_fetch_add(&control->bytes_out, len);
    return SRM_OK;
}
