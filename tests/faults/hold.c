/* Loaded before the C library: holds a call until another one was begun. A program that ends
 * nevertheless makes the two at the same time.
 *
 * HOLD: rules, a line each: <kind> <path> <other kind> <other path>, with tabs between.
 *   kind   read, write: at an offset, of 64 KiB or more. list: a folder is opened to be listed
 *   path   what the path of the call's file begins with
 * A rule holds the first call of its kind, until one of the other kind was begun, which may have
 * been before.
 * HOLD_S: seconds to wait for that; then the process ends.
 * HOLD_LOG: a file that gets the number of a rule, in a line, once its call goes on. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { RULES_MAX = 4, LARGE = 65536, NOT_MET = 70 };

typedef struct call {
    char kind[8];
    char path[PATH_MAX];
    bool begun;
} call;

typedef struct rule {
    call held;
    call other;
} rule;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begun = PTHREAD_COND_INITIALIZER;
static rule rules[RULES_MAX];
static int rule_count;
static int patience_s;
static int log_fd = -1;

__attribute__((constructor)) static void hold_begin(void) {
    const char *line = getenv("HOLD");
    const char *seconds = getenv("HOLD_S");
    const char *log = getenv("HOLD_LOG");
    int len = 0;
    if (line == NULL || seconds == NULL || log == NULL)
        return;
    patience_s = atoi(seconds);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (rule *r = rules; rule_count < RULES_MAX; line += len, r++) {
        if (sscanf(line, " %7[^\t]\t%4000[^\t]\t%7[^\t]\t%4000[^\n]%n", r->held.kind, r->held.path,
                r->other.kind, r->other.path, &len) != 4)
            break;
        rule_count++;
    }
}

static bool is_such(const call *c, const char *kind, const char *path) {
    return strcmp(c->kind, kind) == 0 && strncmp(path, c->path, strlen(c->path)) == 0;
}

/* With the mutex. */
static void hold(int number) {
    struct timespec end;
    char line[16];
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += patience_s;
    while (!rules[number].other.begun)
        if (pthread_cond_timedwait(&begun, &mutex, &end) == ETIMEDOUT)
            _exit(NOT_MET);
    int len = snprintf(line, sizeof line, "%d\n", number);
    syscall(SYS_write, log_fd, line, (size_t)len);
}

static void begin(const char *kind, const char *path) {
    bool is_held[RULES_MAX] = {false};
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < rule_count; i++) {
        call *held = &rules[i].held, *other = &rules[i].other;
        is_held[i] = !held->begun && is_such(held, kind, path);
        if (is_held[i])
            held->begun = true;
        else if (is_such(other, kind, path))
            other->begun = true;
    }
    pthread_cond_broadcast(&begun);
    for (int i = 0; i < rule_count; i++)
        if (is_held[i])
            hold(i);
    pthread_mutex_unlock(&mutex);
}

static void begin_file(const char *kind, int fd, size_t len) {
    char link[64], path[PATH_MAX];
    if (rule_count == 0 || len < LARGE)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, path, sizeof path - 1);
    path[got < 0 ? 0 : got] = '\0';
    begin(kind, path);
}

/* --- what is held --- */

DIR *opendir(const char *path) {
    char real[PATH_MAX]; /* a walk gets there by way of /proc/self/fd */
    const char *folder = realpath(path, real) != NULL ? real : path;
    begin("list", folder);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopendir(fd);
}

ssize_t pread(int fd, void *data, size_t len, off_t off) {
    begin_file("read", fd, len);
    return syscall(SYS_pread64, fd, data, len, off);
}

ssize_t pread64(int fd, void *data, size_t len, off64_t off) {
    return pread(fd, data, len, off);
}

ssize_t __pread_chk(int fd, void *data, size_t len, off_t off, size_t room);
ssize_t __pread_chk(int fd, void *data, size_t len, off_t off, size_t room) {
    return len > room ? (abort(), -1) : pread(fd, data, len, off);
}

ssize_t __pread64_chk(int fd, void *data, size_t len, off64_t off, size_t room);
ssize_t __pread64_chk(int fd, void *data, size_t len, off64_t off, size_t room) {
    return len > room ? (abort(), -1) : pread(fd, data, len, off);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t off) {
    begin_file("write", fd, len);
    return syscall(SYS_pwrite64, fd, data, len, off);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t off) {
    return pwrite(fd, data, len, off);
}
