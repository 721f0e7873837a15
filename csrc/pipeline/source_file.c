#include "pipeline/source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_LARGEFILE)
#define STAT_BLOCK 512 /* what st_blocks counts in, whatever the file system */

static int64_t nanoseconds(struct timespec at) {
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* Of <linux/openat2.h>, which may be younger than the headers at hand. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define NO_SYMLINKS 4

typedef struct open_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
} open_how;

static int open_strictly(int dir_fd, const char *path, int flags) {
    open_how how = {.flags = (uint64_t)flags, .resolve = NO_SYMLINKS};
    return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
}

/* Old kernels do not know the call; filters of containers refuse it with EPERM, which files that
 * are there give, too. */
static bool can_open_strictly(void) {
    int fd = open_strictly(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* No link is followed, wherever in the path, if the system can do that: one may have taken the
 * place of a folder since it was walked. */
static int open_here(int dir_fd, const char *path, int flags) {
    int fd = open_strictly(dir_fd, path, flags);
    int why = errno;
    if (fd >= 0 || (why != ENOSYS && why != EPERM))
        return fd;
    if (!can_open_strictly())
        return openat(dir_fd, path, flags);
    errno = why;
    return -1;
}

/* Without touching the time of access where we may: only the owner may ask for that. */
static int open_quietly(int dir_fd, const char *path) {
    int fd = open_here(dir_fd, path, FLAGS | O_NOATIME);
    return fd < 0 && errno == EPERM ? open_here(dir_fd, path, FLAGS) : fd;
}

/* Open what a path that is too long for one call begins with; *path becomes the rest of it. */
static int open_beginning(int dir_fd, const char **path) {
    char part[PATH_MAX];
    size_t len = PATH_MAX - 1;
    while (len > 0 && (*path)[len] != '/')
        len--;
    if (len == 0) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(part, *path, len);
    part[len] = '\0';
    *path += len;
    while (**path == '/')
        (*path)++;
    return open_here(dir_fd, part, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int open_path(int dir_fd, const char *path) {
    int folder = dir_fd;
    int fd = -1;
    while (strlen(path) >= PATH_MAX) {
        int next = open_beginning(folder, &path);
        int why = errno;
        if (folder != dir_fd)
            close(folder);
        errno = why;
        if (next < 0)
            return -1;
        folder = next;
    }
    fd = open_quietly(folder, path);
    int why = errno;
    if (folder != dir_fd)
        close(folder);
    errno = why;
    return fd;
}

static void describe(const struct stat *s, srm_file_result *result) {
    result->mode = s->st_mode;
    result->flags = (uint64_t)s->st_blocks * STAT_BLOCK < (uint64_t)s->st_size;
    result->mtime_ns = nanoseconds(s->st_mtim);
    result->ctime_ns = nanoseconds(s->st_ctim);
    result->ino = s->st_ino;
    result->dev = s->st_dev;
    result->nlink = s->st_nlink;
    result->uid = s->st_uid;
    result->gid = s->st_gid;
}

bool source_file_open(source_file *f, int dir_fd, const char *path, srm_file_result *result) {
    struct stat s;
    *f = (source_file){.fd = open_path(dir_fd, path)};
    *result = (srm_file_result){.status = SRM_OK};
    if (f->fd < 0 || fstat(f->fd, &s) != 0) {
        source_file_give_up(f, errno, result);
        return false;
    }
    describe(&s, result);
    if (!S_ISREG(s.st_mode)) {
        close(f->fd);
        f->fd = -1;
        result->status = SRM_EINVAL;
        return false;
    }
    f->len = (uint64_t)s.st_size;
    return true;
}

int source_file_read(const source_file *f, uint64_t off, uint8_t *out, size_t len, size_t *got) {
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(f->fd, out + *got, len - *got, (off_t)(off + *got));
        if (n == 0)
            break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

void source_file_close(source_file *f, srm_file_result *result) {
    struct stat s;
    if (fstat(f->fd, &s) != 0 || (uint64_t)s.st_size != f->len || result->size != f->len ||
        nanoseconds(s.st_mtim) != result->mtime_ns || nanoseconds(s.st_ctim) != result->ctime_ns)
        result->status = SRM_ECHANGED;
    close(f->fd);
    f->fd = -1;
}

void source_file_give_up(source_file *f, int os_error, srm_file_result *result) {
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    result->status = SRM_EIO;
    result->os_error = os_error;
    result->size = 0;
    result->new_len = 0;
}
