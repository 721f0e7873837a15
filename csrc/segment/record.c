#include "segment/record.h"

#include "base/bytes.h"

static const uint8_t FOOTER_MAGIC[8] = {'s', 'r', 'm', '-', 'f', 'o', 'o', 't'};

void record_head_store(const record_head *head, uint8_t out[RECORD_HEAD_LEN]) {
    memset(out, 0, RECORD_HEAD_LEN);
    out[0] = head->type;
    out[1] = head->codec;
    store_be32(out + 4, head->stored_len);
    store_be32(out + 8, head->raw_len);
    memcpy(out + 16, head->id, sizeof head->id);
}

static bool lengths_fit(const record_head *head) {
    switch (head->type) {
    case RECORD_END:
        return head->codec == CODEC_RAW && head->stored_len == 0 && head->raw_len == 0;
    case RECORD_DIRECTORY:
        return head->codec == CODEC_RAW && head->stored_len == head->raw_len &&
               head->stored_len % OFFSET_LEN == 0 && head->stored_len > 0 &&
               head->stored_len <= CHUNK_COUNT_MAX * OFFSET_LEN;
    case RECORD_DATA:
        if (head->raw_len == 0 || head->raw_len > SRM_CHUNK_LEN || head->stored_len == 0)
            return false;
        if (head->codec == CODEC_RAW)
            return head->stored_len == head->raw_len;
        return head->codec == CODEC_ZSTD && head->stored_len < head->raw_len;
    default:
        return false;
    }
}

srm_status record_head_load(const uint8_t in[RECORD_HEAD_LEN], record_head *out) {
    memset(out, 0, sizeof *out);
    record_head head = {
        .type = in[0],
        .codec = in[1],
        .stored_len = load_be32(in + 4),
        .raw_len = load_be32(in + 8),
    };
    memcpy(head.id, in + 16, sizeof head.id);
    if (load_be16(in + 2) != 0 || load_be32(in + 12) != 0 || !lengths_fit(&head))
        return SRM_EDAMAGED;
    if (head.type != RECORD_DATA && zero_run(head.id, sizeof head.id) != sizeof head.id)
        return SRM_EDAMAGED;
    *out = head;
    return SRM_OK;
}

void footer_store(const footer *f, uint8_t out[FOOTER_LEN]) {
    memset(out, 0, FOOTER_LEN);
    memcpy(out, FOOTER_MAGIC, sizeof FOOTER_MAGIC);
    store_be64(out + 8, f->records_end);
    store_be64(out + 16, f->directory_off);
    store_be64(out + 24, f->directory_len);
    store_be64(out + 32, f->count);
    store_be64(out + 40, f->raw_total);
}

/* All chunks but the last are SRM_CHUNK_LEN long, so the count follows from the total. */
static bool counts_agree(const footer *f) {
    if (f->count > CHUNK_COUNT_MAX || f->raw_total > CHUNK_COUNT_MAX * SRM_CHUNK_LEN)
        return false;
    if (f->count != (f->raw_total + SRM_CHUNK_LEN - 1) / SRM_CHUNK_LEN)
        return false;
    if (f->directory_off == 0)
        return f->directory_len == 0;
    return f->count > 0 && f->directory_len == f->count * OFFSET_LEN;
}

static bool data_counts_agree(const footer *f) {
    return f->count >= 1 && f->count <= DATA_CHUNKS_MAX && f->raw_total >= f->count &&
           f->raw_total <= f->count * SRM_CHUNK_LEN &&
           f->directory_len == f->count * DATA_ENTRY_LEN;
}

static srm_status load(const uint8_t in[FOOTER_LEN], bool (*agree)(const footer *), footer *out) {
    memset(out, 0, sizeof *out);
    footer f = {
        .records_end = load_be64(in + 8),
        .directory_off = load_be64(in + 16),
        .directory_len = load_be64(in + 24),
        .count = load_be64(in + 32),
        .raw_total = load_be64(in + 40),
    };
    if (memcmp(in, FOOTER_MAGIC, sizeof FOOTER_MAGIC) != 0 || zero_run(in + 48, 16) != 16 ||
        !agree(&f))
        return SRM_EDAMAGED;
    *out = f;
    return SRM_OK;
}

srm_status footer_load(const uint8_t in[FOOTER_LEN], footer *out) {
    return load(in, counts_agree, out);
}

srm_status footer_load_data(const uint8_t in[FOOTER_LEN], footer *out) {
    return load(in, data_counts_agree, out);
}
