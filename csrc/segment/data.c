#include "segment/data.h"

#include "base/bytes.h"
#include "segment/record.h"

#include <stdlib.h>

struct data_packer {
    bool ended;
    uint64_t next_frame;
    uint8_t *plain; /* FRAME_PLAIN_LEN bytes: the frame being filled */
    size_t plain_len;
    uint8_t *other; /* FRAME_PLAIN_LEN bytes: what the frame handed out last is made of */
    uint8_t head[RECORD_HEAD_LEN];
    uint8_t *entries; /* of the directory, as stored */
    uint32_t count;
    uint32_t capacity;
    uint64_t raw_total;
    layout layout; /* once ended */
};

void data_packer_free(data_packer *p) {
    if (p == NULL)
        return;
    wipe_free(p->plain, FRAME_PLAIN_LEN);
    wipe_free(p->other, FRAME_PLAIN_LEN);
    wipe_free(p->entries, (size_t)p->capacity * DATA_ENTRY_LEN);
    wipe_free(p, sizeof *p);
}

srm_status data_packer_new(data_packer **out) {
    *out = NULL;
    data_packer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return SRM_ENOMEM;
    p->plain = calloc(1, FRAME_PLAIN_LEN);
    p->other = calloc(1, FRAME_PLAIN_LEN);
    if (p->plain == NULL || p->other == NULL) {
        data_packer_free(p);
        return SRM_ENOMEM;
    }
    *out = p; /* the caller owns it now */
    return SRM_OK;
}

uint32_t data_packer_count(const data_packer *p) {
    return p->count;
}

layout data_packer_layout(const data_packer *p) {
    return p->layout;
}

/* Where the next head stands when a record ended at off: heads never cross a frame boundary. */
static uint64_t align_head(uint64_t off) {
    uint64_t room = FRAME_PLAIN_LEN - off % FRAME_PLAIN_LEN;
    return room < RECORD_HEAD_LEN ? off + room : off;
}

/* The one layout of a segment whose count records end at off. SRM_ELIMIT: there is none. */
static srm_status plan(uint64_t off, uint32_t count, uint64_t raw_total, layout *l, footer *f) {
    uint64_t directory_len = (uint64_t)count * DATA_ENTRY_LEN;
    uint64_t tail = RECORD_HEAD_LEN + directory_len + FOOTER_LEN;
    *f = (footer){
        .records_end = align_head(off),
        .directory_len = directory_len,
        .count = count,
        .raw_total = raw_total,
    };
    uint64_t full = f->records_end / FRAME_PLAIN_LEN;
    uint64_t needed = f->records_end % FRAME_PLAIN_LEN + RECORD_HEAD_LEN + tail;
    if (needed > FRAME_PLAIN_LEN) {
        full++; /* with the end record in it */
        needed = tail;
    }
    if (count > DATA_CHUNKS_MAX || full > DATA_FRAMES_MAX)
        return SRM_ELIMIT;
    *l = (layout){.frame_count = full + 1, .last_len = LAST_FRAME_UNIT};
    while (l->last_len - SRM_TAG_LEN < needed)
        l->last_len *= 2;
    f->directory_off = layout_plain_len(l) - tail;
    return SRM_OK;
}

static uint64_t position(const data_packer *p) {
    return p->next_frame * FRAME_PLAIN_LEN + p->plain_len;
}

bool data_packer_has_room(const data_packer *p, uint32_t stored_len) {
    layout l;
    footer f;
    uint64_t end = align_head(position(p)) + RECORD_HEAD_LEN + stored_len;
    return !p->ended && plan(end, p->count + 1, 0, &l, &f) == SRM_OK;
}

/* Hand out a frame that begins with what the buffer holds, and go on with the other buffer. */
static void hand_out(
    data_packer *p, bool last, const uint8_t *rest, size_t rest_len, data_frame *frame) {
    *frame = (data_frame){
        .index = p->next_frame++,
        .last = last,
        .stored_len = p->plain_len + rest_len + SRM_TAG_LEN,
        .pieces = {{p->plain, p->plain_len}, {rest, rest_len}},
        .piece_count = rest_len > 0 ? 2 : 1,
    };
    uint8_t *filled = p->plain;
    p->plain = p->other;
    p->other = filled;
    p->plain_len = 0;
}

/* Zeros up to plain_len. */
static void pad(data_packer *p, size_t plain_len) {
    memset(p->plain + p->plain_len, 0, plain_len - p->plain_len);
    p->plain_len = plain_len;
}

static void append(data_packer *p, const uint8_t *data, size_t len) {
    memcpy(p->plain + p->plain_len, data, len);
    p->plain_len += len;
}

static srm_status add_entry(data_packer *p, const data_chunk *chunk, uint32_t off) {
    if (p->count == p->capacity) {
        uint32_t capacity = p->capacity == 0 ? 128 : p->capacity * 2;
        uint8_t *entries = calloc(capacity, DATA_ENTRY_LEN);
        if (entries == NULL)
            return SRM_ENOMEM;
        if (p->count > 0)
            memcpy(entries, p->entries, (size_t)p->count * DATA_ENTRY_LEN);
        wipe_free(p->entries, (size_t)p->capacity * DATA_ENTRY_LEN);
        p->entries = entries;
        p->capacity = capacity;
    }
    uint8_t *entry = p->entries + (size_t)p->count * DATA_ENTRY_LEN;
    store_be32(entry, off);
    store_be32(entry + 4, chunk->stored_len);
    store_be32(entry + 8, chunk->raw_len);
    entry[12] = chunk->codec;
    memcpy(entry + 16, chunk->id, sizeof chunk->id);
    p->count++;
    return SRM_OK;
}

static void put_record(
    data_packer *p, const data_chunk *chunk, data_frame frames[2], size_t *count) {
    size_t room = FRAME_PLAIN_LEN - p->plain_len - RECORD_HEAD_LEN;
    size_t first = min_size(room, chunk->stored_len);
    if (p->plain_len == 0 && first == room) {
        /* Head and chunk are this frame, to the byte. */
        frames[(*count)++] = (data_frame){
            .index = p->next_frame++,
            .stored_len = SRM_FRAME_LEN,
            .pieces = {{p->head, RECORD_HEAD_LEN}, {chunk->stored, SRM_CHUNK_LEN}},
            .piece_count = 2,
        };
        return;
    }
    append(p, p->head, RECORD_HEAD_LEN);
    if (first == room)
        hand_out(p, false, chunk->stored, first, &frames[(*count)++]);
    else
        first = 0;
    append(p, chunk->stored + first, chunk->stored_len - first);
}

srm_status data_packer_put(
    data_packer *p, const data_chunk *chunk, data_frame frames[2], size_t *count, uint32_t *off) {
    *count = 0;
    *off = 0;
    record_head head = {
        .type = RECORD_DATA,
        .codec = chunk->codec,
        .stored_len = chunk->stored_len,
        .raw_len = chunk->raw_len,
    };
    record_head checked;
    memcpy(head.id, chunk->id, sizeof head.id);
    record_head_store(&head, p->head);
    if (p->ended || record_head_load(p->head, &checked) != SRM_OK)
        return SRM_EINVAL;
    if (!data_packer_has_room(p, chunk->stored_len))
        return SRM_ELIMIT;
    uint32_t at = (uint32_t)align_head(position(p));
    srm_status status = add_entry(p, chunk, at);
    if (status != SRM_OK)
        return status;
    if (at > position(p)) {
        pad(p, FRAME_PLAIN_LEN);
        hand_out(p, false, NULL, 0, &frames[(*count)++]);
    }
    put_record(p, chunk, frames, count);
    p->raw_total += chunk->raw_len;
    *off = at;
    return SRM_OK;
}

srm_status data_packer_end(data_packer *p, data_frame frames[2], size_t *count) {
    footer f;
    uint8_t foot[FOOTER_LEN];
    *count = 0;
    if (p->ended || p->count == 0)
        return SRM_EINVAL;
    srm_status status = plan(position(p), p->count, p->raw_total, &p->layout, &f);
    if (status != SRM_OK)
        return status;
    p->ended = true;
    if (p->next_frame + 1 < p->layout.frame_count) {
        pad(p, FRAME_PLAIN_LEN); /* the end record's head is all zeros too */
        hand_out(p, false, NULL, 0, &frames[(*count)++]);
    }
    record_head directory = {
        .type = RECORD_DIRECTORY,
        .stored_len = (uint32_t)f.directory_len,
        .raw_len = (uint32_t)f.directory_len,
    };
    record_head_store(&directory, p->head);
    footer_store(&f, foot);
    pad(p, (size_t)(f.directory_off - p->next_frame * FRAME_PLAIN_LEN));
    append(p, p->head, RECORD_HEAD_LEN);
    append(p, p->entries, (size_t)f.directory_len);
    append(p, foot, FOOTER_LEN);
    hand_out(p, true, NULL, 0, &frames[(*count)++]);
    return SRM_OK;
}

/* --- reading --- */

static bool entry_load(const uint8_t in[DATA_ENTRY_LEN], data_entry *e) {
    e->off = load_be32(in);
    e->stored_len = load_be32(in + 4);
    e->raw_len = load_be32(in + 8);
    e->codec = in[12];
    memcpy(e->id, in + 16, sizeof e->id);
    if (zero_run(in + 13, 3) != 3 || e->raw_len == 0 || e->raw_len > SRM_CHUNK_LEN)
        return false;
    if (e->codec == CODEC_RAW)
        return e->stored_len == e->raw_len;
    return e->codec == CODEC_ZSTD && e->stored_len > 0 && e->stored_len < e->raw_len;
}

/* Entries that follow each other from offset 0; *end: where the last one ends. */
static bool entries_load(
    const uint8_t *in, uint32_t count, data_entry *entries, uint64_t *end, uint64_t *raw_total) {
    *end = 0;
    *raw_total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!entry_load(in + (size_t)i * DATA_ENTRY_LEN, &entries[i]) ||
            entries[i].off != align_head(*end))
            return false;
        *end = (uint64_t)entries[i].off + RECORD_HEAD_LEN + entries[i].stored_len;
        *raw_total += entries[i].raw_len;
    }
    return true;
}

/* Does the one layout that these entries make agree with what is stored? */
static bool plan_agrees(uint64_t end, uint64_t raw_total, const layout *l, const footer *f) {
    layout planned;
    footer expected;
    return plan(end, (uint32_t)f->count, raw_total, &planned, &expected) == SRM_OK &&
           planned.frame_count == l->frame_count && planned.last_len == l->last_len &&
           expected.records_end == f->records_end && expected.directory_off == f->directory_off &&
           expected.raw_total == f->raw_total;
}

/* The directory's head, and zeros between records and it, as far as the last frame shows them. */
static bool head_agrees(
    const uint8_t *last_plain, size_t head_at, const layout *l, const footer *f) {
    record_head head;
    uint64_t base = (l->frame_count - 1) * FRAME_PLAIN_LEN;
    size_t zeros_at = f->records_end > base ? (size_t)(f->records_end - base) : 0;
    return record_head_load(last_plain + head_at, &head) == SRM_OK &&
           head.type == RECORD_DIRECTORY && head.stored_len == f->directory_len &&
           zero_run(last_plain + zeros_at, head_at - zeros_at) == head_at - zeros_at;
}

srm_status data_directory(
    const uint8_t *last_plain, size_t len, const layout *l, data_entry **entries, uint32_t *count) {
    footer f;
    uint64_t end;
    uint64_t raw_total;
    *entries = NULL;
    *count = 0;
    if (l->frame_count == 0 || l->frame_count > DATA_FRAMES_MAX + 1 ||
        (uint64_t)len + SRM_TAG_LEN != l->last_len || len < FOOTER_LEN + RECORD_HEAD_LEN)
        return SRM_EINVAL;
    size_t footer_at = len - FOOTER_LEN;
    if (footer_load_data(last_plain + footer_at, &f) != SRM_OK ||
        f.directory_len > footer_at - RECORD_HEAD_LEN)
        return SRM_EDAMAGED;
    size_t entries_at = footer_at - (size_t)f.directory_len;
    data_entry *loaded = calloc((size_t)f.count, sizeof *loaded);
    if (loaded == NULL)
        return SRM_ENOMEM;
    if (!entries_load(last_plain + entries_at, (uint32_t)f.count, loaded, &end, &raw_total) ||
        !plan_agrees(end, raw_total, l, &f) ||
        !head_agrees(last_plain, entries_at - RECORD_HEAD_LEN, l, &f)) {
        wipe_free(loaded, (size_t)f.count * sizeof *loaded);
        return SRM_EDAMAGED;
    }
    *entries = loaded; /* the caller's now */
    *count = (uint32_t)f.count;
    return SRM_OK;
}
