#include "pipeline/segments.h"

#include "base/bytes.h"
#include "segment/frame.h"
#include "segment/owner.h"
#include "segment/root.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_MAX 64
#define PATH_LEN 36 /* "ab/" and 32 digits, and a zero */

typedef enum kept_state { KEPT_NONE, KEPT_OPENING, KEPT_OPEN } kept_state;

typedef struct kept {
    uint8_t id[SEGMENT_ID_LEN];
    kept_state state;
    bool stale; /* not to be taken again */
    unsigned users;
    uint64_t used_at;       /* by the clock of takes */
    opened_segment segment; /* while opening, that of the thread that opens it */
} kept;

struct srm_segments {
    uint8_t repo_id[SRM_REPO_ID_LEN];
    uint8_t wrap_key[SRM_KEY_LEN];
    uint8_t chunk_key[SRM_KEY_LEN];
    int folder_fd; /* our own */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock: */
    uint64_t clock;
    kept kept[KEPT_MAX];
};

srm_status failed(srm_failure *failure, srm_status status, srm_place place, int os_error) {
    *failure =
        (srm_failure){.status = (int32_t)status, .place = (int32_t)place, .os_error = os_error};
    return status;
}

bool concerns_one(srm_status status) {
    switch (status) {
    case SRM_EIO:
    case SRM_EDAMAGED:
    case SRM_EAUTH:
    case SRM_EUNSUPPORTED:
    case SRM_ENOTFOUND:
        return true;
    default:
        return false;
    }
}

srm_status opened_segment_read(
    const opened_segment *s, uint64_t off, uint8_t *out, size_t len, srm_failure *failure) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(s->fd, out + done, len - done, (off_t)(off + done));
        if (n == 0)
            return failed(failure, SRM_EDAMAGED, SRM_AT_INPUT, 0);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return failed(failure, SRM_EIO, SRM_AT_INPUT, errno);
    }
    return SRM_OK;
}

void opened_segment_close(opened_segment *s) {
    if (s->is_open)
        close(s->fd);
    segment_keys_wipe(&s->keys);
    memset(s, 0, sizeof *s);
}

static void name_segment(const uint8_t id[SEGMENT_ID_LEN], char path[PATH_LEN]) {
    static const char digits[] = "0123456789abcdef";
    char *at = path + 3;
    for (size_t i = 0; i < SEGMENT_ID_LEN; i++) {
        *at++ = digits[id[i] >> 4];
        *at++ = digits[id[i] & 15];
    }
    *at = '\0';
    memcpy(path, path + 3, 2);
    path[2] = '/';
}

static srm_status open_file(const segments *g, opened_segment *s, srm_failure *failure) {
    char path[PATH_LEN];
    struct stat status;
    name_segment(s->id, path);
    /* O_NONBLOCK: whoever put a pipe there must not make us wait. */
    int fd = openat(g->folder_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return failed(failure, SRM_ENOTFOUND, SRM_AT_INPUT, errno);
    if (fd < 0)
        return failed(failure, SRM_EIO, SRM_AT_INPUT, errno);
    s->fd = fd;
    s->is_open = true;
    if (fstat(fd, &status) != 0)
        return failed(failure, SRM_EIO, SRM_AT_INPUT, errno);
    if (!S_ISREG(status.st_mode))
        return failed(failure, SRM_EDAMAGED, SRM_AT_INPUT, 0);
    s->length = (uint64_t)status.st_size;
    return SRM_OK;
}

static srm_status unlock(const segments *g, opened_segment *s, srm_failure *failure) {
    uint8_t session_key[SRM_KEY_LEN];
    srm_header_info info;
    if (s->length < SRM_HEADER_LEN)
        return failed(failure, SRM_EDAMAGED, SRM_AT_HEADER, 0);
    srm_status status = opened_segment_read(s, 0, s->header, SRM_HEADER_LEN, failure);
    if (status != SRM_OK)
        return status;
    status = header_parse(s->header, &info);
    if (status == SRM_OK &&
        (info.type != SEGMENT_DATA || memcmp(info.repo_id, g->repo_id, sizeof info.repo_id) != 0))
        status = SRM_EDAMAGED;
    if (status == SRM_OK)
        status = owner_open(s->header, g->wrap_key, session_key);
    if (status == SRM_OK)
        status = header_unlock(s->header, session_key, &s->keys);
    wipe(session_key, sizeof session_key);
    return status == SRM_OK ? SRM_OK : failed(failure, status, SRM_AT_HEADER, 0);
}

/* Does what is at the end claim the layout that the file's length makes? */
static bool trailer_fits(const uint8_t trailer[SRM_TRAILER_LEN], const layout *l) {
    const uint8_t *at = trailer + SRM_HEADER_LEN + SRM_DIGEST_LEN;
    return trailer_has_magic(trailer) && load_be32(at) == l->frame_count &&
           load_be32(at + 4) == l->last_len && load_be64(at + 8) == layout_trailer_off(l);
}

/* Which frame is the last can be seen from its tag alone. */
static srm_status try_last(opened_segment *s, uint64_t index, uint32_t len, uint8_t *buffer,
    bool *found, srm_failure *failure) {
    const uint64_t off = SRM_HEADER_LEN + index * SRM_FRAME_LEN;
    if (off + len > s->length)
        return SRM_OK;
    srm_status status = opened_segment_read(s, off, buffer, len, failure);
    if (status != SRM_OK)
        return status;
    status = frame_open(&s->keys, index, true, buffer, len, buffer, NULL);
    *found = status == SRM_OK;
    if (*found)
        s->layout = (layout){.frame_count = index + 1, .last_len = len};
    return concerns_one(status) ? SRM_OK : status;
}

/* Without a trailer. Looked for from the end, where it is likely. */
static srm_status find_last(opened_segment *s, srm_failure *failure) {
    uint64_t full_count = (s->length - SRM_HEADER_LEN) / SRM_FRAME_LEN;
    if (full_count > DATA_FRAMES_MAX)
        full_count = DATA_FRAMES_MAX;
    uint8_t *buffer = malloc(SRM_FRAME_LEN);
    if (buffer == NULL)
        return failed(failure, SRM_ENOMEM, SRM_AT_NONE, 0);
    bool found = false;
    srm_status status = SRM_OK;
    s->layout = (layout){.frame_count = full_count + 1};
    for (uint64_t left = full_count + 1; left > 0 && !found && status == SRM_OK; left--)
        for (uint32_t len = LAST_FRAME_UNIT; len <= SRM_FRAME_LEN && !found && status == SRM_OK;
            len *= 2)
            status = try_last(s, left - 1, len, buffer, &found, failure);
    wipe_free(buffer, SRM_FRAME_LEN);
    if (status == SRM_OK || failure->status != SRM_OK)
        return status;
    return failed(failure, status, SRM_AT_FRAME, 0);
}

static srm_status find_layout(opened_segment *s, srm_failure *failure) {
    uint8_t trailer[SRM_TRAILER_LEN];
    if (layout_of_data(s->length - SRM_HEADER_LEN, &s->layout) != SRM_OK)
        return find_last(s, failure);
    srm_status status =
        opened_segment_read(s, s->length - SRM_TRAILER_LEN, trailer, SRM_TRAILER_LEN, failure);
    if (status != SRM_OK)
        return status;
    s->whole = trailer_fits(trailer, &s->layout);
    return s->whole ? SRM_OK : find_last(s, failure);
}

srm_status segments_open(const segments *g, const uint8_t id[SEGMENT_ID_LEN], opened_segment *out,
    srm_failure *failure) {
    memset(out, 0, sizeof *out);
    memset(failure, 0, sizeof *failure);
    memcpy(out->id, id, SEGMENT_ID_LEN);
    srm_status status = open_file(g, out, failure);
    if (status == SRM_OK)
        status = unlock(g, out, failure);
    if (status == SRM_OK)
        status = find_layout(out, failure);
    if (status != SRM_OK)
        opened_segment_close(out);
    return status;
}

/* --- those that stay open --- */

static kept *find_kept(segments *g, const uint8_t id[SEGMENT_ID_LEN]) {
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (g->kept[i].state != KEPT_NONE && !g->kept[i].stale &&
            memcmp(g->kept[i].id, id, SEGMENT_ID_LEN) == 0)
            return &g->kept[i];
    return NULL;
}

/* A place for one more: an empty one, or that of the one unused for longest. */
static kept *find_place(segments *g) {
    kept *best = NULL;
    for (size_t i = 0; i < KEPT_MAX; i++) {
        kept *k = &g->kept[i];
        if (k->state == KEPT_NONE || (k->stale && k->users == 0))
            return k;
        if (k->state == KEPT_OPEN && k->users == 0 && (best == NULL || k->used_at < best->used_at))
            best = k;
    }
    return best;
}

/* Has the lock when it is called and when it returns, not in between. */
static srm_status open_kept(
    segments *g, kept *k, const uint8_t id[SEGMENT_ID_LEN], srm_failure *failure) {
    if (k->state == KEPT_OPEN)
        opened_segment_close(&k->segment);
    k->state = KEPT_OPENING;
    k->stale = false;
    memcpy(k->id, id, SEGMENT_ID_LEN);
    pthread_mutex_unlock(&g->lock);
    srm_status status = segments_open(g, id, &k->segment, failure);
    pthread_mutex_lock(&g->lock);
    k->state = status == SRM_OK ? KEPT_OPEN : KEPT_NONE;
    pthread_cond_broadcast(&g->changed);
    return status;
}

srm_status segments_take(segments *g, const uint8_t id[SEGMENT_ID_LEN], const opened_segment **out,
    srm_failure *failure) {
    *out = NULL;
    srm_status status = SRM_OK;
    pthread_mutex_lock(&g->lock);
    kept *k = find_kept(g, id);
    while (k == NULL || k->state != KEPT_OPEN) {
        kept *place = k == NULL ? find_place(g) : NULL;
        if (place != NULL) {
            k = place;
            status = open_kept(g, k, id, failure);
            break;
        }
        pthread_cond_wait(&g->changed, &g->lock);
        k = find_kept(g, id);
    }
    if (status == SRM_OK) {
        k->users++;
        k->used_at = ++g->clock;
        *out = &k->segment;
    }
    pthread_mutex_unlock(&g->lock);
    return status;
}

void segments_return(segments *g, const opened_segment *s, bool sound) {
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (&g->kept[i].segment == s) {
            g->kept[i].users--;
            g->kept[i].stale = g->kept[i].stale || !sound;
        }
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

const uint8_t *segments_chunk_key(const segments *g) {
    return g->chunk_key;
}

srm_status segments_new(const uint8_t repo_id[SRM_REPO_ID_LEN], const uint8_t wrap_key[SRM_KEY_LEN],
    const uint8_t chunk_key[SRM_KEY_LEN], int folder_fd, segments **out) {
    *out = NULL;
    segments *g = calloc(1, sizeof *g);
    if (g == NULL)
        return SRM_ENOMEM;
    g->folder_fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 3);
    if (g->folder_fd < 0) {
        free(g);
        return SRM_EIO;
    }
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    memcpy(g->repo_id, repo_id, sizeof g->repo_id);
    memcpy(g->wrap_key, wrap_key, sizeof g->wrap_key);
    memcpy(g->chunk_key, chunk_key, sizeof g->chunk_key);
    *out = g;
    return SRM_OK;
}

void segments_free(segments *g) {
    if (g == NULL)
        return;
    for (size_t i = 0; i < KEPT_MAX; i++)
        opened_segment_close(&g->kept[i].segment);
    close(g->folder_fd);
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
    wipe_free(g, sizeof *g);
}
