#include "pipeline/segments.h"
#include "pipeline/directory.h"
#include "pipeline/fetch.h"
#include "pipeline/load.h"
#include "pipeline/verify.h"

#include <limits.h>
#include <string.h>

srm_status srm_segments_new(const uint8_t repo_id[32], const uint8_t wrap_key[32],
    const uint8_t chunk_key[32], int folder_fd, srm_segments **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (repo_id == NULL || wrap_key == NULL || chunk_key == NULL || folder_fd < 0)
        return SRM_EINVAL;
    return segments_new(repo_id, wrap_key, chunk_key, folder_fd, out);
}

void srm_segments_free(srm_segments *g) {
    segments_free(g);
}

/* Their lengths in bytes must not overflow; nobody has that many. */
static bool list_is_sound(const void *list, uint64_t count) {
    return count == 0 || (list != NULL && count <= INT_MAX);
}

srm_status srm_load_start(srm_segments *g, srm_index *index, const uint8_t *ids, uint64_t count,
    srm_segment_status *statuses, uint32_t threads, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (g == NULL || index == NULL || !list_is_sound(ids, count) || !list_is_sound(statuses, count))
        return SRM_EINVAL;
    return load_start(g, index, ids, count, statuses, threads, out);
}

srm_status srm_fetch_start(srm_segments *g, srm_index *index, srm_want *wants, uint64_t count,
    const int32_t *fds, uint32_t fd_count, uint8_t *mem, uint64_t mem_len, uint32_t threads,
    srm_job **out) {
    const target to = {.fds = fds, .fd_count = fd_count, .mem = mem, .mem_len = mem_len};
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (g == NULL || index == NULL || (wants == NULL && count > 0) ||
        (fds == NULL && mem == NULL && mem_len > 0))
        return SRM_EINVAL;
    return fetch_start(g, index, wants, count, to, threads, out);
}

srm_status srm_verify_start(srm_segments *g, const uint8_t *ids, const uint8_t *roots,
    uint64_t count, srm_segment_status *statuses, uint32_t threads, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (g == NULL || !list_is_sound(ids, count) || !list_is_sound(roots, count) ||
        !list_is_sound(statuses, count))
        return SRM_EINVAL;
    return verify_start(g, ids, roots, count, statuses, threads, out);
}

srm_status srm_segment_directory(srm_segments *g, const uint8_t id[16], srm_chunk_entry *out,
    uint64_t cap, uint64_t *count, srm_failure *failure) {
    if (count == NULL || failure == NULL)
        return SRM_EINVAL;
    *count = 0;
    memset(failure, 0, sizeof *failure);
    if (g == NULL || id == NULL || (out == NULL && cap > 0))
        return SRM_EINVAL;
    return directory_read(g, id, out, cap, count, failure);
}
