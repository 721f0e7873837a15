#include "pipeline/target.h"

#include "base/bytes.h"

#include <errno.h>
#include <unistd.h>

#define BLOCK ((size_t)4096) /* what file systems leave out where a file is sparse */

bool target_has(const target *t, const srm_want *want) {
    const uint64_t most = t->fds == NULL ? t->mem_len : (uint64_t)INT64_MAX;
    if (t->fds != NULL && (want->file >= t->fd_count || t->fds[want->file] < 0))
        return false;
    return want->off <= most && want->raw_len <= most - want->off;
}

static int write_all(int fd, uint64_t off, const uint8_t *data, size_t len) {
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, (off_t)off);
        if (n == 0)
            return ENOSPC;
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            data += n;
            off += (uint64_t)n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* How many bytes from here on belong to blocks that are all zero, or are not. */
static size_t run_of(bool zero, uint64_t off, const uint8_t *data, size_t len) {
    size_t run = 0;
    while (run < len) {
        size_t block = min_size(BLOCK - (size_t)((off + run) % BLOCK), len - run);
        if ((zero_run(data + run, block) == block) != zero)
            break;
        run += block;
    }
    return run;
}

static int write_sparse(int fd, uint64_t off, const uint8_t *data, size_t len) {
    int failed = 0;
    for (size_t done = 0; done < len && failed == 0;) {
        done += run_of(true, off + done, data + done, len - done);
        size_t step = run_of(false, off + done, data + done, len - done);
        failed = write_all(fd, off + done, data + done, step);
        done += step;
    }
    return failed;
}

int target_write(const target *t, const srm_want *want, const uint8_t *raw) {
    if (t->fds == NULL) {
        memcpy(t->mem + want->off, raw, want->raw_len);
        return 0;
    }
    const int fd = t->fds[want->file];
    if ((want->flags & SRM_WANT_SPARSE) != 0)
        return write_sparse(fd, want->off, raw, want->raw_len);
    return write_all(fd, want->off, raw, want->raw_len);
}
