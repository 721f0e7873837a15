#include "pipeline/landing.h"

#include "threads/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SET_ID ((mode_t)06000)
#define FD_PATH_LEN 32 /* of "/proc/self/fd/" and any number */

typedef struct landing_work {
    srm_landing *files;
    uint64_t count;
    const char *names;
    bool through_proc;
} landing_work;

/* Everything is tried; the first failure is told. */
static int32_t set_attributes(const srm_landing *f) {
    int32_t failed = 0;
    mode_t mode = (mode_t)f->mode;
    if (f->uid != SRM_OWNER_STAYS || f->gid != SRM_OWNER_STAYS)
        if (fchown(f->fd, (uid_t)f->uid, (gid_t)f->gid) != 0) {
            failed = errno;
            mode &= ~SET_ID; /* it would run as somebody else than was meant */
        }
    if (fchmod(f->fd, mode) != 0 && failed == 0)
        failed = errno;
    const struct timespec at = {.tv_sec = (time_t)f->mtime_s, .tv_nsec = (long)f->mtime_ns};
    if (futimens(f->fd, (struct timespec[]){at, at}) != 0 && failed == 0)
        failed = errno;
    return failed;
}

/* By the descriptor itself only with CAP_DAC_READ_SEARCH, before Linux 6.10; the kernel says ENOENT
 * to others. open(2), O_TMPFILE. */
static int32_t give_name(landing_work *w, const srm_landing *f, const char *name) {
    char path[FD_PATH_LEN];
    if (!w->through_proc && linkat(f->fd, "", f->folder, name, AT_EMPTY_PATH) == 0)
        return 0;
    if (!w->through_proc && errno != ENOENT)
        return errno;
    w->through_proc = true;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", (int)f->fd);
    return linkat(AT_FDCWD, path, f->folder, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

static srm_status land(void *argument, job_control *control) {
    landing_work *w = argument;
    const char *name = w->names;
    for (uint64_t i = 0; i < w->count; i++) {
        srm_landing *f = &w->files[i];
        if (atomic_load(&control->cancelled))
            return job_fail(control, SRM_ECANCELLED, SRM_AT_NONE, 0);
        f->attributes_error = set_attributes(f);
        f->name_error = give_name(w, f, name);
        name += strlen(name) + 1;
    }
    return SRM_OK;
}

static bool names_are_sound(const char *names, size_t names_len, uint64_t count) {
    uint64_t ends = 0;
    for (size_t i = 0; i < names_len; i++)
        ends += names[i] == '\0';
    return ends == count && (count == 0 || names[names_len - 1] == '\0');
}

srm_status landing_start(
    srm_landing *files, uint64_t count, const char *names, size_t names_len, srm_job **out) {
    *out = NULL;
    if (!names_are_sound(names, names_len, count))
        return SRM_EINVAL;
    landing_work *w = malloc(sizeof *w);
    if (w == NULL)
        return SRM_ENOMEM;
    *w = (landing_work){.files = files, .count = count, .names = names};
    for (uint64_t i = 0; i < count; i++) {
        files[i].attributes_error = 0;
        files[i].name_error = ECANCELED;
    }
    srm_status status = job_start(land, free, w, out);
    if (status != SRM_OK)
        free(w);
    return status;
}
