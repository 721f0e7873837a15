/* Directories of data segments. The input is a count u8, so many chunks (stored length u24, u8 by
 * how many pages they were longer), and then changes: off u16 counted from the end of the last
 * frame's plaintext, mask u8. Or, if the count is 255: u8 full frames, u8 which length the last
 * frame has, and its plaintext, put at its end. */
#include "base/bytes.h"
#include "fuzz.h"
#include "segment/data.h"
#include "segment/record.h"

#define CHUNKS_MOST 12

typedef struct script {
    const uint8_t *at;
    size_t left;
} script;

static uint32_t number(script *s, unsigned bytes) {
    uint32_t value = 0;
    for (; bytes > 0 && s->left > 0; bytes--, s->left--)
        value = value << 8 | *s->at++;
    return value;
}

static uint8_t *copy_last(const data_frame *frame) {
    uint8_t *last = malloc(frame->stored_len - SRM_TAG_LEN); /* to the byte, for the sanitizers */
    HOLDS(last != NULL && frame->last && frame->piece_count == 1);
    memcpy(last, frame->pieces[0].data, frame->pieces[0].len);
    return last;
}

/* What a writer makes of the chunks. */
static uint8_t *lay(script *s, layout *l) {
    static uint8_t stored[SRM_CHUNK_LEN];
    data_packer *p;
    data_frame frames[2];
    size_t count;
    uint32_t off;
    HOLDS(data_packer_new(&p) == SRM_OK);
    for (uint32_t left = 1 + number(s, 1) % CHUNKS_MOST; left > 0; left--) {
        data_chunk c = {.stored = stored, .stored_len = 1 + number(s, 3) % SRM_CHUNK_LEN};
        uint32_t raw_len = c.stored_len + (number(s, 1) << 12);
        c.raw_len = (uint32_t)min_size(raw_len, SRM_CHUNK_LEN);
        c.codec = c.stored_len < c.raw_len ? CODEC_ZSTD : CODEC_RAW;
        store_be32(c.id, left);
        HOLDS(data_packer_has_room(p, c.stored_len));
        HOLDS(data_packer_put(p, &c, frames, &count, &off) == SRM_OK && count <= 2);
    }
    HOLDS(data_packer_end(p, frames, &count) == SRM_OK && count >= 1 && count <= 2);
    uint8_t *last = copy_last(&frames[count - 1]);
    *l = data_packer_layout(p);
    data_packer_free(p);
    return last;
}

static uint8_t *spell_out(script *s, layout *l) {
    (void)number(s, 1);
    l->frame_count = 1 + number(s, 1);
    l->last_len = (uint32_t)LAST_FRAME_UNIT << number(s, 1) % 9;
    size_t len = l->last_len - SRM_TAG_LEN;
    uint8_t *last = calloc(1, len);
    HOLDS(last != NULL);
    size_t given = min_size(s->left, len);
    memcpy(last + len - given, s->at, given);
    s->left = 0;
    return last;
}

static void check_entries(const data_entry *entries, uint32_t count, const layout *l) {
    uint64_t end = 0;
    HOLDS(count >= 1 && count <= DATA_CHUNKS_MAX && l->frame_count <= DATA_FRAMES_MAX + 1);
    for (uint32_t i = 0; i < count; i++) {
        const data_entry *e = &entries[i];
        HOLDS(e->off >= end && e->off - end < RECORD_HEAD_LEN);
        HOLDS(FRAME_PLAIN_LEN - e->off % FRAME_PLAIN_LEN >= RECORD_HEAD_LEN);
        HOLDS(e->stored_len >= 1 && e->stored_len <= e->raw_len && e->raw_len <= SRM_CHUNK_LEN);
        HOLDS((e->stored_len == e->raw_len) == (e->codec == CODEC_RAW) && e->codec <= CODEC_ZSTD);
        end = (uint64_t)e->off + RECORD_HEAD_LEN + e->stored_len;
    }
    uint64_t tail = 2 * RECORD_HEAD_LEN + (uint64_t)count * DATA_ENTRY_LEN + FOOTER_LEN;
    HOLDS(end + tail <= layout_plain_len(l));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    script s = {data, len};
    layout l = {0};
    data_entry *entries;
    uint32_t count;
    bool changed = len > 0 && data[0] == 255;
    uint8_t *last = changed ? spell_out(&s, &l) : lay(&s, &l);
    size_t last_len = l.last_len - SRM_TAG_LEN;
    while (s.left > 0) {
        size_t off = number(&s, 2) % last_len;
        uint8_t mask = (uint8_t)number(&s, 1);
        last[last_len - 1 - off] ^= mask;
        changed = changed || mask != 0;
    }
    srm_status status = data_directory(last, last_len, &l, &entries, &count);
    HOLDS(changed || status == SRM_OK);
    if (status == SRM_OK)
        check_entries(entries, count, &l);
    else
        HOLDS(status == SRM_EDAMAGED || (status == SRM_EINVAL && l.frame_count > DATA_FRAMES_MAX));
    HOLDS(status == SRM_OK || (entries == NULL && count == 0));
    free(entries);
    free(last);
    return 0;
}
