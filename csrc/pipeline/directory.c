#include "pipeline/directory.h"

#include "base/bytes.h"
#include "segment/frame.h"

#include <stdlib.h>

/* The last frame, in which the directory lies, into plain. */
static srm_status read_last(const opened_segment *s, uint8_t *plain, srm_failure *failure) {
    const uint64_t last = s->layout.frame_count - 1;
    const uint64_t off = SRM_HEADER_LEN + last * SRM_FRAME_LEN;
    if (s->layout.last_len == 0)
        return failed(failure, SRM_EDAMAGED, SRM_AT_DIRECTORY, 0);
    srm_status status = opened_segment_read(s, off, plain, s->layout.last_len, failure);
    if (status != SRM_OK)
        return status;
    status = frame_open(&s->keys, last, true, plain, s->layout.last_len, plain, NULL);
    return status == SRM_OK ? SRM_OK : failed(failure, status, SRM_AT_FRAME, 0);
}

static void tell(const data_entry *entries, uint32_t count, srm_chunk_entry *out) {
    for (uint32_t i = 0; i < count; i++) {
        memcpy(out[i].id, entries[i].id, sizeof out[i].id);
        out[i].raw_len = entries[i].raw_len;
        out[i].stored_len = entries[i].stored_len;
    }
}

srm_status directory_read(const segments *g, const uint8_t id[SEGMENT_ID_LEN], srm_chunk_entry *out,
    uint64_t cap, uint64_t *count, srm_failure *failure) {
    opened_segment s;
    data_entry *entries = NULL;
    uint32_t entry_count = 0;
    *count = 0;
    srm_status status = segments_open(g, id, &s, failure);
    if (status != SRM_OK)
        return status;
    uint8_t *plain = malloc(SRM_FRAME_LEN);
    status =
        plain == NULL ? failed(failure, SRM_ENOMEM, SRM_AT_NONE, 0) : read_last(&s, plain, failure);
    if (status == SRM_OK) {
        const size_t plain_len = s.layout.last_len - SRM_TAG_LEN;
        status = data_directory(plain, plain_len, &s.layout, &entries, &entry_count);
        if (status == SRM_OK && entry_count > cap)
            status = SRM_ELIMIT;
        if (status != SRM_OK)
            (void)failed(failure, status, SRM_AT_DIRECTORY, 0);
    }
    if (status == SRM_OK) {
        tell(entries, entry_count, out);
        *count = entry_count;
    }
    free(entries);
    wipe_free(plain, SRM_FRAME_LEN);
    opened_segment_close(&s);
    return status;
}
