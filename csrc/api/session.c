#include "pipeline/session.h"

#include <string.h>

srm_status srm_session_begin(
    const srm_session_options *options, srm_index *index, srm_session **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (options == NULL || index == NULL || options->spool_fd < 0 ||
        (options->envelopes == NULL && options->envelopes_len > 0))
        return SRM_EINVAL;
    return session_begin(options, index, out);
}

/* Do the bytes hold exactly count paths? */
static bool paths_are_sound(const char *paths, size_t paths_len, uint64_t count) {
    uint64_t ends = 0;
    if (paths_len == 0)
        return count == 0;
    if (paths == NULL || paths[paths_len - 1] != '\0')
        return false;
    for (const char *at = paths, *end = paths + paths_len; at < end; ends++)
        at = (const char *)memchr(at, '\0', (size_t)(end - at)) + 1;
    return ends == count;
}

srm_status srm_session_files_start(srm_session *s, int32_t dir_fd, const char *paths,
    size_t paths_len, uint64_t count, srm_file_result *results, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (s == NULL || (results == NULL && count > 0) || !paths_are_sound(paths, paths_len, count))
        return SRM_EINVAL;
    if (count > 0)
        memset(results, 0, (size_t)count * sizeof *results);
    return session_files(s, dir_fd, paths, count, results, out);
}

srm_status srm_session_stream_start(
    srm_session *s, srm_source source, srm_file_result *result, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (s == NULL || result == NULL || (source.fd < 0 && source.mem == NULL && source.mem_len > 0))
        return SRM_EINVAL;
    memset(result, 0, sizeof *result);
    return session_stream(s, source, result, out);
}

static srm_status close_start(srm_session *s, bool last, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    return s == NULL ? SRM_EINVAL : session_close(s, last, out);
}

srm_status srm_session_flush_start(srm_session *s, srm_job **out) {
    return close_start(s, false, out);
}

static bool ends_are_sound(const uint64_t *ends, uint64_t count) {
    uint64_t before = 0;
    for (uint64_t i = 0; i < count; before = ends[i], i++)
        if (ends[i] <= before || ends[i] - before > SRM_CHUNK_LEN)
            return false;
    return true;
}

srm_status srm_session_chunks_start(
    srm_session *s, const uint8_t *mem, const uint64_t *ends, uint64_t count, srm_job **out) {
    if (out == NULL)
        return SRM_EINVAL;
    *out = NULL;
    if (s == NULL || (count > 0 && (mem == NULL || ends == NULL)) || !ends_are_sound(ends, count))
        return SRM_EINVAL;
    return session_chunks(s, mem, ends, count, out);
}

srm_status srm_session_finish_start(srm_session *s, srm_job **out) {
    return close_start(s, true, out);
}

srm_status srm_session_take_segments(
    srm_session *s, srm_segment_info *out, size_t cap, size_t *count) {
    if (count == NULL)
        return SRM_EINVAL;
    *count = 0;
    if (s == NULL || (out == NULL && cap > 0))
        return SRM_EINVAL;
    return session_take_segments(s, out, cap, count);
}

void srm_session_free(srm_session *s) {
    session_free(s);
}
