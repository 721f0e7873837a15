/* Loaded before the C library: counts the calls that change files below a folder and, at the one
 * that it is told, ends the process or lets the call fail.
 *
 * FAULT="<n> <what> <errno> <folder>", read by fault_begin, and before main:
 *   n      the call that is meant, counted from 1; 0: none
 *   what   kill: before that call. torn: after half of it, where it writes
 *          fail: that call alone. full: that call and all later ones that need room
 *   errno  what failing calls say
 * FAULT_TRACE: a file that gets a line for each call: its kind, a tab, the path.
 * FAULT_RECORD: a file that gets all that is needed to do the calls again, for those that make
 *   names, contents and lengths: a line of kind, offset, count of bytes that follow, and path; then
 *   the bytes that were written, or the name that was renamed or linked.
 * FAULT_READS: if set, calls that read files below the folder count, and no others. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GO_ON = 0, HALF = -1 }; /* else: the errno to fail with */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_len;
static char what[8];
static long wanted, counted;
static int failure;
static bool reads;
static int trace = -1, record = -1;

void fault_begin(void);
long fault_count(void);

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static int opened(const char *variable) {
    const char *path = getenv(variable);
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    return path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

__attribute__((constructor)) void fault_begin(void) {
    const char *told = getenv("FAULT");
    folder_len = 0;
    counted = 0;
    if (told == NULL || sscanf(told, "%ld %7s %d %4000[^\n]", &wanted, what, &failure, folder) != 4)
        return;
    reads = getenv("FAULT_READS") != NULL;
    trace = opened("FAULT_TRACE");
    record = opened("FAULT_RECORD");
    folder_len = strlen(folder);
}

long fault_count(void) {
    return counted;
}

/* Where a path, or without one a descriptor, leads; out has PATH_MAX bytes. */
static void resolve(int fd, const char *path, char *out) {
    out[0] = '\0';
    size_t len = 0;
    int through = -1, skipped = 0;
    if (path != NULL && sscanf(path, "/proc/self/fd/%d%n", &through, &skipped) == 1) {
        fd = through;
        path = path[skipped] == '/' ? path + skipped + 1 : NULL;
    }
    if (path == NULL || path[0] != '/') {
        char link[64];
        if (fd == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t got = readlink(link, out, PATH_MAX - 1);
        len = got < 0 ? 0 : (size_t)got;
        out[len] = '\0';
    }
    if (path != NULL)
        snprintf(out + len, PATH_MAX - len, "%s%s", path[0] == '/' ? "" : "/", path);
    if (sscanf(out, "/proc/%*d/fd/%d", &through) == 1)
        resolve(through, NULL, out); /* by its number in the folder of descriptors */
}

static bool is_below(const char *path) {
    return strncmp(path, folder, folder_len) == 0 &&
           (path[folder_len] == '/' || path[folder_len] == '\0');
}

/* What was done is written down; result is the call's. */
static long noted(long result, const char *kind, int fd, const char *path, off_t off,
    const void *data, size_t len) {
    int saved = errno;
    char at[PATH_MAX], line[PATH_MAX + 64];
    if (record < 0 || result < 0)
        return result;
    resolve(fd, path, at);
    if (is_below(at)) {
        int head =
            snprintf(line, sizeof line, "%s\t%lld\t%zu\t%s\n", kind, (long long)off, len, at);
        pthread_mutex_lock(&mutex);
        syscall(SYS_write, record, line, (size_t)head);
        syscall(SYS_write, record, data, len);
        pthread_mutex_unlock(&mutex);
    }
    errno = saved;
    return result;
}

/* What is to become of a call. needs_room: it fails on a full disk. */
static int judge(const char *kind, int fd, const char *path, bool needs_room, bool is_read) {
    if (folder_len == 0 || reads != is_read)
        return GO_ON;
    int saved = errno, verdict = GO_ON;
    char at[PATH_MAX], line[PATH_MAX + 64];
    resolve(fd, path, at);
    if (is_below(at)) {
        pthread_mutex_lock(&mutex);
        long n = ++counted;
        if (trace >= 0) {
            int len = snprintf(line, sizeof line, "%s\t%s\n", kind, at);
            syscall(SYS_write, trace, line, (size_t)len);
        }
        if (n == wanted && strcmp(what, "kill") == 0)
            die();
        if (n == wanted && strcmp(what, "torn") == 0)
            verdict = HALF;
        if (n == wanted && strcmp(what, "fail") == 0)
            verdict = failure;
        if (wanted > 0 && n >= wanted && needs_room && strcmp(what, "full") == 0)
            verdict = failure;
        pthread_mutex_unlock(&mutex);
    }
    errno = saved;
    return verdict;
}

/* Where there is no half of a call it is not made at all. */
static bool fails(const char *kind, int fd, const char *path, bool needs_room, bool is_read) {
    int verdict = judge(kind, fd, path, needs_room, is_read);
    if (verdict == HALF)
        die();
    if (verdict != GO_ON)
        errno = verdict;
    return verdict != GO_ON;
}

static bool change_fails(const char *kind, int fd, const char *path) {
    return fails(kind, fd, path, false, false);
}

static bool growth_fails(const char *kind, int fd, const char *path) {
    return fails(kind, fd, path, true, false);
}

static bool read_fails(const char *kind, int fd, const char *path) {
    return fails(kind, fd, path, false, true);
}

/* --- opening --- */

static bool makes_files(int flags) {
    return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

static int open_at(int fd, const char *path, int flags, mode_t mode) {
    if (makes_files(flags) ? growth_fails("create", fd, path) : read_fails("open", fd, path))
        return -1;
    int made = (int)syscall(SYS_openat, fd, path, flags | O_LARGEFILE, mode);
    if ((flags & O_CREAT) != 0)
        noted(made, "create", fd, path, 0, NULL, 0);
    if ((flags & O_TMPFILE) == O_TMPFILE)
        noted(made, "nameless", made, NULL, 0, NULL, 0);
    if ((flags & O_TRUNC) != 0)
        noted(made, "truncate", fd, path, 0, NULL, 0);
    return made;
}

#define MODE_OF(flags, mode)                                                                       \
    do {                                                                                           \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        (mode) = makes_files(flags) ? va_arg(more, mode_t) : 0;                                    \
        va_end(more);                                                                              \
    } while (0)

int open(const char *path, int flags, ...) {
    mode_t mode;
    MODE_OF(flags, mode);
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    mode_t mode;
    MODE_OF(flags, mode);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int fd, const char *path, int flags, ...) {
    mode_t mode;
    MODE_OF(flags, mode);
    return open_at(fd, path, flags, mode);
}

int openat64(int fd, const char *path, int flags, ...) {
    mode_t mode;
    MODE_OF(flags, mode);
    return open_at(fd, path, flags, mode);
}

/* What the C library's own checks turn these into. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags) {
    return open_at(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags) {
    return open_at(AT_FDCWD, path, flags, 0);
}

int __openat_2(int fd, const char *path, int flags);
int __openat_2(int fd, const char *path, int flags) {
    return open_at(fd, path, flags, 0);
}

/* --- contents --- */

ssize_t write(int fd, const void *data, size_t len) {
    int verdict = judge("write", fd, NULL, true, false);
    if (verdict > 0) {
        errno = verdict;
        return -1;
    }
    ssize_t done = syscall(SYS_write, fd, data, verdict == HALF ? len / 2 : len);
    if (verdict == HALF)
        die();
    if (record >= 0 && done > 0) {
        off_t end = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
        noted(done, "write", fd, NULL, end - done, data, (size_t)done);
    }
    return done;
}

static ssize_t write_at(int fd, const void *data, size_t len, off_t off) {
    int verdict = judge("write", fd, NULL, true, false);
    if (verdict > 0) {
        errno = verdict;
        return -1;
    }
    ssize_t done = syscall(SYS_pwrite64, fd, data, verdict == HALF ? len / 2 : len, off);
    if (verdict == HALF)
        die();
    return done < 0 ? done : noted(done, "write", fd, NULL, off, data, (size_t)done);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t off) {
    return write_at(fd, data, len, off);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t off) {
    return write_at(fd, data, len, off);
}

static ssize_t read_at(int fd, void *data, size_t len, off_t off) {
    return read_fails("read", fd, NULL) ? -1 : syscall(SYS_pread64, fd, data, len, off);
}

ssize_t read(int fd, void *data, size_t len) {
    return read_fails("read", fd, NULL) ? -1 : syscall(SYS_read, fd, data, len);
}

ssize_t pread(int fd, void *data, size_t len, off_t off) {
    return read_at(fd, data, len, off);
}

ssize_t pread64(int fd, void *data, size_t len, off64_t off) {
    return read_at(fd, data, len, off);
}

ssize_t __read_chk(int fd, void *data, size_t len, size_t room);
ssize_t __read_chk(int fd, void *data, size_t len, size_t room) {
    return len > room ? (abort(), -1) : read(fd, data, len);
}

ssize_t __pread_chk(int fd, void *data, size_t len, off_t off, size_t room);
ssize_t __pread_chk(int fd, void *data, size_t len, off_t off, size_t room) {
    return len > room ? (abort(), -1) : read_at(fd, data, len, off);
}

ssize_t __pread64_chk(int fd, void *data, size_t len, off64_t off, size_t room);
ssize_t __pread64_chk(int fd, void *data, size_t len, off64_t off, size_t room) {
    return len > room ? (abort(), -1) : read_at(fd, data, len, off);
}

int ftruncate(int fd, off_t len) {
    if (change_fails("truncate", fd, NULL))
        return -1;
    return (int)noted(syscall(SYS_ftruncate, fd, len), "truncate", fd, NULL, len, NULL, 0);
}

int ftruncate64(int fd, off64_t len) {
    return ftruncate(fd, len);
}

int fsync(int fd) {
    if (growth_fails("fsync", fd, NULL))
        return -1;
    return (int)noted(syscall(SYS_fsync, fd), "fsync", fd, NULL, 0, NULL, 0);
}

int fdatasync(int fd) {
    if (growth_fails("fsync", fd, NULL))
        return -1;
    return (int)noted(syscall(SYS_fdatasync, fd), "fsync", fd, NULL, 0, NULL, 0);
}

/* --- names --- */

int renameat(int from_fd, const char *from, int fd, const char *path) {
    char old[PATH_MAX];
    if (growth_fails("rename", fd, path))
        return -1;
    resolve(from_fd, from, old);
    long done = syscall(SYS_renameat2, from_fd, from, fd, path, 0);
    return (int)noted(done, "rename", fd, path, 0, old, strlen(old));
}

int rename(const char *from, const char *path) {
    return renameat(AT_FDCWD, from, AT_FDCWD, path);
}

int linkat(int from_fd, const char *from, int fd, const char *path, int flags) {
    char old[PATH_MAX];
    if (growth_fails("link", fd, path))
        return -1;
    resolve(from_fd, from, old);
    long done = syscall(SYS_linkat, from_fd, from, fd, path, flags);
    return (int)noted(done, "link", fd, path, 0, old, strlen(old));
}

int link(const char *from, const char *path) {
    return linkat(AT_FDCWD, from, AT_FDCWD, path, 0);
}

int symlinkat(const char *to, int fd, const char *path) {
    return growth_fails("symlink", fd, path) ? -1 : (int)syscall(SYS_symlinkat, to, fd, path);
}

int symlink(const char *to, const char *path) {
    return symlinkat(to, AT_FDCWD, path);
}

int unlinkat(int fd, const char *path, int flags) {
    const char *kind = (flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink";
    if (change_fails(kind, fd, path))
        return -1;
    return (int)noted(syscall(SYS_unlinkat, fd, path, flags), kind, fd, path, 0, NULL, 0);
}

int unlink(const char *path) {
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path) {
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdirat(int fd, const char *path, mode_t mode) {
    if (growth_fails("mkdir", fd, path))
        return -1;
    return (int)noted(syscall(SYS_mkdirat, fd, path, mode), "mkdir", fd, path, 0, NULL, 0);
}

int mkdir(const char *path, mode_t mode) {
    return mkdirat(AT_FDCWD, path, mode);
}

int mknodat(int fd, const char *path, mode_t mode, dev_t device) {
    return growth_fails("mknod", fd, path)
               ? -1
               : (int)syscall(SYS_mknodat, fd, path, mode, (unsigned)device);
}

int mknod(const char *path, mode_t mode, dev_t device) {
    return mknodat(AT_FDCWD, path, mode, device);
}

/* --- attributes --- */

int fchmod(int fd, mode_t mode) {
    return change_fails("chmod", fd, NULL) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int chmod(const char *path, mode_t mode) {
    return change_fails("chmod", AT_FDCWD, path) ? -1
                                                 : (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode);
}

int fchown(int fd, uid_t user, gid_t group) {
    return change_fails("chown", fd, NULL) ? -1 : (int)syscall(SYS_fchown, fd, user, group);
}

int lchown(const char *path, uid_t user, gid_t group) {
    return change_fails("chown", AT_FDCWD, path)
               ? -1
               : (int)syscall(SYS_fchownat, AT_FDCWD, path, user, group, AT_SYMLINK_NOFOLLOW);
}

static int utime_at(int fd, const char *path, const struct timespec times[2], int flags) {
    return change_fails("utime", fd, path) ? -1
                                           : (int)syscall(SYS_utimensat, fd, path, times, flags);
}

int utimensat(int fd, const char *path, const struct timespec times[2], int flags) {
    return utime_at(fd, path, times, flags);
}

int futimens(int fd, const struct timespec times[2]) {
    return utime_at(fd, NULL, times, 0);
}

int fsetxattr(int fd, const char *name, const void *value, size_t len, int flags) {
    return growth_fails("setxattr", fd, NULL)
               ? -1
               : (int)syscall(SYS_fsetxattr, fd, name, value, len, flags);
}
