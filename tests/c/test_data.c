/* Data segments: what is laid out can be found again, and nothing else passes for it. */
#include "base/bytes.h"
#include "laid.h"
#include "segment/frame.h"
#include "segment/record.h"
#include "segment/root.h"

static void a_small_segment_is_one_small_frame(void) {
    const uint32_t len[] = {100, 200};
    laid s;
    laid_lay(&s, len, len, 2);
    CHECK(s.frame_count == 1 && s.layout.last_len == 4096);
    laid_release(&s);
}

static void records_of_all_lengths_are_found_again(void) {
    /* Around the places where a head, or the tail, just fits or does not. */
    const uint32_t plain = (uint32_t)FRAME_PLAIN_LEN;
    for (uint32_t left = 0; left < 420; left += left > 100 && left < 300 ? 48 : 1) {
        uint32_t half = plain / 2;
        const uint32_t stored[] = {half, plain - left - half - 2 * RECORD_HEAD_LEN, 3};
        const uint32_t raw[] = {CHUNK, CHUNK, 3};
        laid s;
        for (uint32_t count = 2; count <= 3; count++) {
            laid_lay(&s, stored, raw, count);
            CHECK(s.frame_count <= 2);
            laid_release(&s);
        }
    }
}

static void whole_chunks_are_frames_of_their_own(void) {
    data_packer *p;
    laid s;
    uint32_t count = 0;
    laid_begin(&s, &p);
    for (; data_packer_has_room(p, CHUNK); count++)
        laid_put(&s, p, CHUNK, CHUNK);
    CHECK(count == DATA_FRAMES_MAX && s.frame_count == count);
    laid_end(&s, p);
    CHECK(s.frame_count == FRAMES_MOST && s.layout.last_len == 4096);
    laid_check(&s);
    laid_release(&s);
}

static void a_mix_fills_its_frames(void) {
    data_packer *p;
    laid s;
    uint64_t total = 0;
    laid_begin(&s, &p);
    for (uint32_t i = 1;; i++) {
        uint32_t stored = (uint32_t)((uint64_t)i * 2654435761u % CHUNK) + 1;
        stored = i % 7 == 0 ? CHUNK : stored;
        if (!data_packer_has_room(p, stored))
            break;
        laid_put(&s, p, stored, i % 3 == 0 || stored == CHUNK ? stored : CHUNK);
        total += stored;
    }
    laid_end(&s, p);
    CHECK(total > (DATA_FRAMES_MAX - 2) * FRAME_PLAIN_LEN);
    laid_check(&s);
    laid_release(&s);
}

static void a_segment_closes_before_its_directory_outgrows_a_frame(void) {
    data_packer *p;
    data_frame frames[2];
    laid s;
    size_t made;
    uint32_t off;
    laid_begin(&s, &p);
    while (data_packer_has_room(p, 1))
        laid_put(&s, p, 1, 1);
    CHECK(s.count == DATA_CHUNKS_MAX && s.count == 21841);
    data_chunk more = laid_chunk_of(1, 1, 1);
    CHECK_STATUS(SRM_ELIMIT, data_packer_put(p, &more, frames, &made, &off));
    CHECK(made == 0 && data_packer_count(p) == DATA_CHUNKS_MAX);
    laid_end(&s, p);
    CHECK(s.layout.last_len == SRM_FRAME_LEN);
    laid_check(&s);
    laid_release(&s);
}

static void a_packer_refuses_what_cannot_be(void) {
    const data_chunk wrong[] = {{.stored = laid_noise}, {.stored = laid_noise, .stored_len = 1},
        {.stored = laid_noise, .stored_len = 2, .raw_len = 3},
        {.stored = laid_noise, .stored_len = 3, .raw_len = 3, .codec = CODEC_ZSTD},
        {.stored = laid_noise, .stored_len = 3, .raw_len = 4, .codec = 2},
        {.stored = laid_noise, .stored_len = CHUNK + 1, .raw_len = CHUNK + 1}};
    data_packer *p;
    data_frame frames[2];
    size_t count = 1;
    uint32_t off;
    CHECK_STATUS(SRM_OK, data_packer_new(&p));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_STATUS(SRM_EINVAL, data_packer_put(p, &wrong[i], frames, &count, &off));
        CHECK(count == 0 && data_packer_count(p) == 0);
    }
    CHECK_STATUS(SRM_EINVAL, data_packer_end(p, frames, &count)); /* nothing in it */
    data_packer_free(p);
    data_packer_free(NULL);
}

/* Only ids can be changed in what the last frame says without a contradiction. */
static void every_byte_of_directory_and_footer_counts(void) {
    const uint32_t stored[] = {1000, 900000, 400000, 77};
    const uint32_t raw[] = {1000, CHUNK, 500000, 77};
    laid s;
    data_entry *entries;
    uint32_t count;
    laid_lay(&s, stored, raw, 4);
    CHECK(s.frame_count == 2);
    const data_entry *final = &s.put[3];
    size_t entries_at = s.last_plain_len - FOOTER_LEN - 4 * DATA_ENTRY_LEN;
    size_t at = final->off + RECORD_HEAD_LEN + final->stored_len - FRAME_PLAIN_LEN;
    for (; at < s.last_plain_len; at += at < entries_at - 200 ? 997 : 1)
        for (unsigned bit = (unsigned)(at % 5); bit < 8; bit += 5) {
            size_t in_entry = at - entries_at;
            bool is_id = at >= entries_at && at < s.last_plain_len - FOOTER_LEN &&
                         in_entry % DATA_ENTRY_LEN >= 16;
            laid_last_of(&s)[at] ^= (uint8_t)(1u << bit);
            CHECK_STATUS(is_id ? SRM_OK : SRM_EDAMAGED, laid_directory(&s, &entries, &count));
            CHECK(is_id ? entries != NULL : entries == NULL && count == 0);
            free(entries);
            laid_last_of(&s)[at] ^= (uint8_t)(1u << bit);
        }
    laid_check(&s);
    laid_release(&s);
}

static void a_directory_fits_no_other_layout(void) {
    const uint32_t len[] = {100, 200};
    laid s;
    data_entry *entries;
    uint32_t count;
    laid_lay(&s, len, len, 2);
    layout right = s.layout;
    s.layout.frame_count = 2;
    CHECK_STATUS(SRM_EDAMAGED, laid_directory(&s, &entries, &count));
    s.layout = (layout){.frame_count = 1, .last_len = 8192};
    CHECK_STATUS(SRM_EINVAL, laid_directory(&s, &entries, &count));
    s.layout = (layout){.frame_count = FRAMES_MOST + 1, .last_len = 4096};
    CHECK_STATUS(SRM_EINVAL, laid_directory(&s, &entries, &count));
    s.layout = right;
    laid_check(&s);
    laid_release(&s);
}

static void a_length_names_one_layout_or_none(void) {
    unsigned seen = 0;
    for (uint64_t len = 0; len < 3 * (uint64_t)SRM_FRAME_LEN; len += 32) {
        layout l;
        if (layout_of_data(len, &l) != SRM_OK)
            continue;
        CHECK(layout_trailer_off(&l) - SRM_HEADER_LEN + data_trailer_len(&l) == len);
        seen++;
    }
    CHECK(seen == 9 + 9 + 8); /* lengths of the last frame, behind none, one or two */
    for (uint64_t n = 1; n <= FRAMES_MOST + 1; n++) {
        layout l = {.frame_count = n, .last_len = 4096};
        layout found;
        uint64_t len = layout_trailer_off(&l) - SRM_HEADER_LEN + data_trailer_len(&l);
        CHECK_STATUS(n <= FRAMES_MOST ? SRM_OK : SRM_EDAMAGED, layout_of_data(len, &found));
        CHECK(n > FRAMES_MOST || (found.frame_count == n && found.last_len == 4096));
        CHECK_STATUS(SRM_EDAMAGED, layout_of_data(len + 1, &found));
        CHECK_STATUS(SRM_EDAMAGED, layout_of_data(len - 32, &found));
    }
}

static void a_trailer_with_digests_is_checked_to_the_byte(void) {
    srm_seal_options options = test_options(0, 0);
    uint8_t header[SRM_HEADER_LEN];
    uint8_t root[SRM_DIGEST_LEN];
    uint8_t digests[2 * SRM_DIGEST_LEN];
    uint8_t trailer[sizeof digests + SRM_TRAILER_LEN];
    layout l = {.frame_count = 2, .last_len = 8192};
    segment_keys keys;
    root_builder b;
    options.type = SEGMENT_DATA;
    CHECK_STATUS(SRM_OK, header_build(&options, header, &keys));
    fill_noise(digests, sizeof digests, 3);
    CHECK_STATUS(SRM_OK, root_of_digests(header, &l, digests, root));
    CHECK(data_trailer_len(&l) == sizeof trailer);
    data_trailer_store(header, root, &l, digests, trailer);
    CHECK(memcmp(trailer, digests, sizeof digests) == 0 && trailer_has_magic(trailer + 64));
    for (size_t at = 0; at < sizeof trailer; at += at == 64 ? 4000 : 1) {
        trailer[at] ^= 1;
        CHECK_STATUS(SRM_EDAMAGED, data_trailer_check(trailer, header, root, &l, digests));
        trailer[at] ^= 1;
    }
    CHECK_STATUS(SRM_OK, data_trailer_check(trailer, header, root, &l, digests));
    uint8_t again[SRM_DIGEST_LEN];
    CHECK_STATUS(SRM_OK, root_begin(&b, header));
    CHECK_STATUS(SRM_OK, root_add(&b, digests, SRM_FRAME_LEN, false));
    CHECK_STATUS(SRM_OK, root_add(&b, digests + SRM_DIGEST_LEN, 8192, true));
    CHECK_STATUS(SRM_OK, root_end(&b, again));
    CHECK(memcmp(root, again, sizeof root) == 0);
    root_free(&b);
    segment_keys_wipe(&keys);
}

int main(void) {
    static const fact facts[] = {
        FACT(a_small_segment_is_one_small_frame),
        FACT(records_of_all_lengths_are_found_again),
        FACT(whole_chunks_are_frames_of_their_own),
        FACT(a_mix_fills_its_frames),
        FACT(a_segment_closes_before_its_directory_outgrows_a_frame),
        FACT(a_packer_refuses_what_cannot_be),
        FACT(every_byte_of_directory_and_footer_counts),
        FACT(a_directory_fits_no_other_layout),
        FACT(a_length_names_one_layout_or_none),
        FACT(a_trailer_with_digests_is_checked_to_the_byte),
    };
    return laid_facts(facts, sizeof facts / sizeof facts[0]);
}
