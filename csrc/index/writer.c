#include "index/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CAPACITY_MIN 4096

srm_status write_all_at(int fd, const void *data, size_t len, uint64_t off) {
    const uint8_t *from = data;
    while (len > 0) {
        ssize_t written = pwrite(fd, from, len, (off_t)off);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return SRM_EIO;
        from += written;
        off += (uint64_t)written;
        len -= (size_t)written;
    }
    return SRM_OK;
}

void writer_begin(writer *w, int fd, uint64_t file_off, uint64_t count) {
    *w = (writer){.fd = fd, .file_off = file_off, .home_count = count + count / 4 + 1};
}

void writer_free(writer *w) {
    free(w->window);
    w->window = NULL;
}

static srm_status reach(writer *w, size_t len) {
    if (len > w->capacity) {
        size_t capacity = w->capacity == 0 ? CAPACITY_MIN : w->capacity;
        while (capacity < len)
            capacity *= 2;
        place *window = realloc(w->window, capacity * sizeof *window);
        if (window == NULL)
            return SRM_ENOMEM;
        memset(window + w->capacity, 0, (capacity - w->capacity) * sizeof *window);
        w->window = window;
        w->capacity = capacity;
    }
    if (len > w->len)
        w->len = len;
    return SRM_OK;
}

srm_status writer_add(writer *w, const place *p) {
    size_t at = (size_t)(table_home(w->home_count, p->id) - w->base);
    while (at < w->len && !place_is_empty(&w->window[at]))
        at++;
    srm_status status = reach(w, at + 1);
    if (status == SRM_OK)
        w->window[at] = *p;
    return status;
}

/* Write the first count slots of the window, and forget them. */
static srm_status flush(writer *w, size_t count) {
    srm_status status = reach(w, count);
    if (status == SRM_OK && count > 0)
        status = write_all_at(w->fd, w->window, count * sizeof *w->window, w->file_off);
    if (status != SRM_OK)
        return status;
    if (count > 0) {
        size_t left = w->len - count;
        memmove(w->window, w->window + count, left * sizeof *w->window);
        memset(w->window + left, 0, count * sizeof *w->window);
        w->len = left;
    }
    w->file_off += count * sizeof *w->window;
    w->base += count;
    return SRM_OK;
}

srm_status writer_advance(writer *w, unsigned to_part) {
    uint8_t first[INDEX_ID_LEN] = {(uint8_t)(to_part << (8 - PARTS_LOG2))};
    return flush(w, (size_t)(table_home(w->home_count, first) - w->base));
}

srm_status writer_end(writer *w, uint64_t *slot_count) {
    uint64_t homes_left = w->home_count > w->base ? w->home_count - w->base : 0;
    srm_status status = flush(w, homes_left > w->len ? (size_t)homes_left : w->len);
    *slot_count = w->base;
    return status;
}
