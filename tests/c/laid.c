#include "laid.h"

#include "base/bytes.h"
#include "segment/record.h"

uint8_t *laid_noise;
/* FRAMES_MOST frames for whichever is laid out: so much costs sanitizers more than its contents. */
static uint8_t *room;
static bool room_in_use;

static void keep(laid *s, const data_frame *frames, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const data_frame *f = &frames[i];
        size_t len = 0;
        CHECK(f->index == s->frame_count && s->frame_count < FRAMES_MOST);
        CHECK(f->piece_count >= 1 && f->piece_count <= 2 && s->last_plain_len == 0);
        for (size_t k = 0; k < f->piece_count; k++) {
            memcpy(
                s->plain + f->index * FRAME_PLAIN_LEN + len, f->pieces[k].data, f->pieces[k].len);
            len += f->pieces[k].len;
        }
        CHECK(len + SRM_TAG_LEN == f->stored_len);
        CHECK(f->last || f->stored_len == SRM_FRAME_LEN);
        if (f->last)
            s->last_plain_len = len;
        s->frame_count++;
    }
}

data_chunk laid_chunk_of(uint32_t number, uint32_t stored_len, uint32_t raw_len) {
    data_chunk c = {
        .stored = laid_noise + number % CHUNK,
        .stored_len = stored_len,
        .raw_len = raw_len,
        .codec = stored_len < raw_len,
    };
    fill_noise(c.id, sizeof c.id, number);
    return c;
}

void laid_begin(laid *s, data_packer **p) {
    CHECK(!room_in_use);
    room_in_use = true;
    *s = (laid){.plain = room, .put = must_alloc(DATA_CHUNKS_MAX * sizeof(data_entry))};
    CHECK_STATUS(SRM_OK, data_packer_new(p));
}

void laid_put(laid *s, data_packer *p, uint32_t stored_len, uint32_t raw_len) {
    data_chunk c = laid_chunk_of(s->count, stored_len, raw_len);
    data_frame frames[2];
    size_t count = 9;
    data_entry *e = &s->put[s->count++];
    *e = (data_entry){.stored_len = stored_len, .raw_len = raw_len, .codec = c.codec};
    memcpy(e->id, c.id, sizeof e->id);
    CHECK(data_packer_has_room(p, stored_len));
    CHECK_STATUS(SRM_OK, data_packer_put(p, &c, frames, &count, &e->off));
    CHECK(count <= 2 && data_packer_count(p) == s->count);
    keep(s, frames, count);
}

void laid_end(laid *s, data_packer *p) {
    data_frame frames[2];
    size_t count = 9;
    data_chunk c = laid_chunk_of(0, 1, 1);
    uint32_t off;
    CHECK_STATUS(SRM_OK, data_packer_end(p, frames, &count));
    CHECK(count >= 1 && count <= 2 && frames[count - 1].last);
    keep(s, frames, count);
    s->layout = data_packer_layout(p);
    CHECK(s->layout.frame_count == s->frame_count);
    CHECK(s->layout.last_len == s->last_plain_len + SRM_TAG_LEN);
    CHECK((s->layout.last_len & (s->layout.last_len - 1)) == 0);
    CHECK_STATUS(SRM_EINVAL, data_packer_end(p, frames, &count));
    CHECK_STATUS(SRM_EINVAL, data_packer_put(p, &c, frames, &count, &off));
    CHECK(!data_packer_has_room(p, 1));
    data_packer_free(p);
}

void laid_release(laid *s) {
    room_in_use = false;
    free(s->put);
}

uint8_t *laid_last_of(const laid *s) {
    return s->plain + (s->frame_count - 1) * FRAME_PLAIN_LEN;
}

srm_status laid_directory(const laid *s, data_entry **entries, uint32_t *count) {
    /* To the byte, for the sanitizers. */
    uint8_t *last = must_alloc(s->last_plain_len);
    memcpy(last, laid_last_of(s), s->last_plain_len);
    srm_status status = data_directory(last, s->last_plain_len, &s->layout, entries, count);
    free(last);
    return status;
}

void laid_check(const laid *s) {
    data_entry *entries;
    uint32_t count;
    uint64_t end_off = 0;
    CHECK_STATUS(SRM_OK, laid_directory(s, &entries, &count));
    CHECK(count == s->count);
    for (uint32_t i = 0; i < count; i++) {
        const data_entry *e = &entries[i];
        record_head head;
        CHECK(memcmp(e->id, s->put[i].id, sizeof e->id) == 0 && e->off == s->put[i].off);
        CHECK(e->stored_len == s->put[i].stored_len && e->raw_len == s->put[i].raw_len);
        CHECK(e->codec == s->put[i].codec && e->off >= end_off);
        CHECK(FRAME_PLAIN_LEN - e->off % FRAME_PLAIN_LEN >= RECORD_HEAD_LEN);
        CHECK(zero_run(s->plain + end_off, e->off - end_off) == e->off - end_off);
        CHECK_STATUS(SRM_OK, record_head_load(s->plain + e->off, &head));
        CHECK(head.type == RECORD_DATA && head.codec == e->codec);
        CHECK(head.stored_len == e->stored_len && head.raw_len == e->raw_len);
        CHECK(memcmp(head.id, e->id, sizeof head.id) == 0);
        CHECK(memcmp(s->plain + e->off + RECORD_HEAD_LEN, laid_noise + i % CHUNK, e->stored_len) ==
              0);
        end_off = (uint64_t)e->off + RECORD_HEAD_LEN + e->stored_len;
    }
    uint64_t directory_off = layout_plain_len(&s->layout) - FOOTER_LEN - RECORD_HEAD_LEN -
                             (uint64_t)count * DATA_ENTRY_LEN;
    CHECK(directory_off >= end_off + RECORD_HEAD_LEN);
    CHECK(zero_run(s->plain + end_off, directory_off - end_off) == directory_off - end_off);
    free(entries);
}

void laid_lay(laid *s, const uint32_t *stored, const uint32_t *raw, uint32_t count) {
    data_packer *p;
    laid_begin(s, &p);
    for (uint32_t i = 0; i < count; i++)
        laid_put(s, p, stored[i], raw[i]);
    laid_end(s, p);
    laid_check(s);
}

int laid_facts(const fact *facts, size_t fact_count) {
    laid_noise = must_alloc(2 * (size_t)CHUNK);
    fill_noise(laid_noise, 2 * (size_t)CHUNK, 1);
    room = must_alloc(FRAMES_MOST * FRAME_PLAIN_LEN);
    int status = check_facts(facts, fact_count);
    free(room);
    free(laid_noise);
    return status;
}
