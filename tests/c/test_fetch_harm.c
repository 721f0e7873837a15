/* Chunks fetched from segments that are damaged, cut, gone, or lied about by who holds the keys: no
 * wrong byte comes out, and what is whole does. */
#include "base/bytes.h"
#include "fetching.h"
#include "segment/record.h"

#include <errno.h>
#include <unistd.h>

/* Damage after the segments were loaded harms what lies there. */
static void damage_harms_what_it_hits(void) {
    srm_segment_status statuses[3];
    srm_index *index = fetching_new_index();
    srm_segments *g = repository_segments(&fetching_repo);
    fetching_load(g, index, statuses);
    for (size_t i = 0; i < WHOLE_COUNT; i++) {
        srm_status harmed[CHUNK_COUNT] = {0};
        harmed[i] = SRM_EAUTH;
        repository_flip(&fetching_repo, WHOLE, SRM_HEADER_LEN + i * SRM_FRAME_LEN + 77 * i);
        fetching_check_fetch(g, index, harmed, 2);
        repository_flip(&fetching_repo, WHOLE, SRM_HEADER_LEN + i * SRM_FRAME_LEN + 77 * i);
        fetching_fetch_all(g, index);
    }
    repository_swap(&fetching_repo, WHOLE, PACKED);
    srm_status swapped[CHUNK_COUNT] = {0};
    fetching_fetch_all(g, index); /* those that are open stay */
    srm_segments_free(g);
    g = repository_segments(&fetching_repo);
    fetching_harm(swapped, 0, WHOLE_COUNT + PACKED_COUNT, SRM_EDAMAGED);
    fetching_check_fetch(g, index, swapped, 2);
    srm_segments_free(g);
    repository_swap(&fetching_repo, WHOLE, PACKED);
    srm_index_free(index);
}

static void a_segment_that_is_gone_or_not_ours_fails_alone(void) {
    srm_segment_status statuses[3];
    srm_index *index = fetching_new_index();
    srm_segments *g = repository_segments(&fetching_repo);
    srm_status harmed[CHUNK_COUNT] = {0};
    fetching_load(g, index, statuses);
    srm_segments_free(g);
    repository_remove(&fetching_repo, SMALL);
    g = repository_segments(&fetching_repo);
    fetching_load(g, index, statuses);
    fetching_check_loaded(statuses, SMALL, SRM_ENOTFOUND, SRM_AT_INPUT);
    CHECK(statuses[2].os_error == ENOENT);
    fetching_harm(harmed, WHOLE_COUNT + PACKED_COUNT, CHUNK_COUNT, SRM_ENOTFOUND);
    fetching_check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    fetching_put_all();
    fetching_repo.wrap_key[0] ^= 1;
    g = repository_segments(&fetching_repo);
    fetching_load(g, index, statuses);
    CHECK(statuses[0].status == SRM_EAUTH && statuses[0].place == SRM_AT_HEADER);
    fetching_harm(harmed, 0, CHUNK_COUNT, SRM_EAUTH);
    fetching_check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    fetching_repo.wrap_key[0] ^= 1;
    fetching_repo.repo_id[0] ^= 1;
    g = repository_segments(&fetching_repo);
    fetching_harm(harmed, 0, CHUNK_COUNT, SRM_EDAMAGED);
    fetching_check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    fetching_repo.repo_id[0] ^= 1;
    fetching_repo.chunk_key[0] ^= 1;
    g = repository_segments(&fetching_repo);
    fetching_check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    fetching_repo.chunk_key[0] ^= 1;
    srm_index_free(index);
}

/* Load what is left of PACKED, and fetch: chunks of frames before `lost` come back. */
static void check_recovered(uint64_t lost, srm_place place, srm_status load_status) {
    srm_segment_status statuses[3];
    srm_status harmed[CHUNK_COUNT] = {0};
    uint32_t found = 0;
    for (size_t i = WHOLE_COUNT; i < WHOLE_COUNT + PACKED_COUNT; i++) {
        const size_t next = i + 1 < WHOLE_COUNT + PACKED_COUNT ? i + 1 : i;
        const uint64_t end = next > i ? fetching_chunks[next].off - 1 : UINT32_MAX;
        if (end / FRAME_PLAIN_LEN >= lost)
            harmed[i] = SRM_ENOTFOUND;
        else
            found++;
    }
    srm_index *index = fetching_new_index();
    srm_segments *g = repository_segments(&fetching_repo);
    fetching_load(g, index, statuses);
    fetching_check_loaded(statuses, PACKED, load_status, place);
    CHECK(statuses[1].chunks == found);
    fetching_check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    srm_index_free(index);
}

static void what_a_cut_leaves_is_found(void) {
    const stored_segment *s = &fetching_stored[PACKED];
    const uint64_t end = layout_trailer_off(&s->layout);
    const uint64_t full = s->layout.frame_count - 1;
    CHECK(full > 2);
    static const srm_status sound[CHUNK_COUNT];
    const uint64_t whole_cuts[] = {
        s->length - 1, s->length - 64, s->length - SRM_TRAILER_LEN, end + 1, end};
    for (size_t i = 0; i < sizeof whole_cuts / sizeof whole_cuts[0]; i++) {
        srm_segment_status statuses[3];
        repository_cut(&fetching_repo, PACKED, whole_cuts[i]);
        srm_index *index = fetching_new_index();
        srm_segments *g = repository_segments(&fetching_repo);
        fetching_load(g, index, statuses);
        fetching_check_loaded(statuses, PACKED, SRM_EDAMAGED, SRM_AT_TRAILER);
        CHECK(statuses[1].chunks == PACKED_COUNT);
        fetching_check_fetch(g, index, sound, 2);
        srm_segments_free(g);
        srm_index_free(index);
    }
    repository_cut(&fetching_repo, PACKED, end - 1);
    check_recovered(full, SRM_AT_TRAILER, SRM_EDAMAGED);
    repository_cut(&fetching_repo, PACKED, SRM_HEADER_LEN + 2 * (uint64_t)SRM_FRAME_LEN + 4096);
    check_recovered(2, SRM_AT_TRAILER, SRM_EDAMAGED);
    repository_cut(&fetching_repo, PACKED, SRM_HEADER_LEN);
    check_recovered(0, SRM_AT_TRAILER, SRM_EDAMAGED);
    repository_cut(&fetching_repo, PACKED, SRM_HEADER_LEN - 1);
    check_recovered(0, SRM_AT_HEADER, SRM_EDAMAGED);
    repository_cut(&fetching_repo, PACKED, 0);
    check_recovered(0, SRM_AT_HEADER, SRM_EDAMAGED);
    fetching_put_all();
}

static void without_a_directory_chunks_are_found_by_their_heads(void) {
    const uint64_t full = fetching_stored[PACKED].layout.frame_count - 1;
    repository_flip(&fetching_repo, PACKED, SRM_HEADER_LEN + full * SRM_FRAME_LEN + 9);
    check_recovered(full, SRM_AT_FRAME, SRM_EAUTH);
    /* A frame in the middle as well: the search finds into step again behind it. */
    repository_flip(&fetching_repo, PACKED, SRM_HEADER_LEN + SRM_FRAME_LEN + 9);
    srm_segment_status statuses[3];
    srm_status harmed[CHUNK_COUNT] = {0};
    uint32_t found = PACKED_COUNT;
    for (size_t i = WHOLE_COUNT; i < WHOLE_COUNT + PACKED_COUNT; i++) {
        const bool has_next = i + 1 < WHOLE_COUNT + PACKED_COUNT;
        const uint64_t first = fetching_chunks[i].off / FRAME_PLAIN_LEN;
        const uint64_t end =
            has_next ? (fetching_chunks[i + 1].off - 1) / FRAME_PLAIN_LEN : UINT32_MAX;
        if (first == 1 || end == 1 || end >= full) {
            harmed[i] = SRM_ENOTFOUND;
            found--;
        }
    }
    srm_index *index = fetching_new_index();
    srm_segments *g = repository_segments(&fetching_repo);
    fetching_load(g, index, statuses);
    CHECK(statuses[1].chunks == found && found > 3 && found < PACKED_COUNT - 3);
    fetching_check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    srm_index_free(index);
    fetching_put_all();
}

static void alter_entry(const data_frame *frame, uint8_t *plain, size_t len, void *how) {
    if (frame->last)
        plain[len - FOOTER_LEN - 2 * DATA_ENTRY_LEN + *(size_t *)how] ^= 1;
}

static void alter_chunk(const data_frame *frame, uint8_t *plain, size_t len, void *how) {
    (void)len;
    if (frame->index == 0)
        plain[*(size_t *)how] ^= 1;
}

/* Whoever holds the keys wrote something else: no wrong byte comes out, nothing breaks. */
static void authors_who_lie_harm_only_what_they_lie_about(void) {
    for (size_t at = 0; at < 2 * DATA_ENTRY_LEN + FOOTER_LEN; at += 3) {
        srm_segment_status statuses[3];
        srm_index *index = fetching_new_index();
        stored_segment lying;
        repository_put(&fetching_repo, SMALL, fetching_chunks + WHOLE_COUNT + PACKED_COUNT,
            SMALL_COUNT, 0, alter_entry, &at, &lying);
        srm_segments *g = repository_segments(&fetching_repo);
        fetching_load(g, index, statuses);
        const size_t entry = at / DATA_ENTRY_LEN;
        const bool id_lies = entry < 2 && at % DATA_ENTRY_LEN >= 16;
        fetching_check_loaded(statuses, SMALL, id_lies ? SRM_OK : SRM_EDAMAGED,
            id_lies ? SRM_AT_NONE : SRM_AT_DIRECTORY);
        srm_status harmed[CHUNK_COUNT] = {0};
        if (id_lies)
            harmed[CHUNK_COUNT - 2 + entry] =
                at % DATA_ENTRY_LEN < 32 ? SRM_ENOTFOUND : SRM_OK; /* half an id finds it */
        fetching_check_fetch(g, index, harmed, 2);
        srm_segments_free(g);
        srm_index_free(index);
    }
    for (size_t at = 0; at < RECORD_HEAD_LEN + 9; at += 3) {
        srm_segment_status statuses[3];
        srm_index *index = fetching_new_index();
        stored_segment lying;
        repository_put(&fetching_repo, SMALL, fetching_chunks + WHOLE_COUNT + PACKED_COUNT,
            SMALL_COUNT, 0, alter_chunk, &at, &lying);
        srm_segments *g = repository_segments(&fetching_repo);
        fetching_load(g, index, statuses);
        fetching_check_loaded(statuses, 0, SRM_OK, SRM_AT_NONE);
        srm_status harmed[CHUNK_COUNT] = {0};
        harmed[CHUNK_COUNT - SMALL_COUNT] = SRM_EDAMAGED;
        fetching_check_fetch(g, index, harmed, 2);
        srm_segments_free(g);
        srm_index_free(index);
    }
    fetching_put_all();
}

int main(void) {
    static const fact facts[] = {
        LONG_FACT(damage_harms_what_it_hits),
        FACT(a_segment_that_is_gone_or_not_ours_fails_alone),
        LONG_FACT(what_a_cut_leaves_is_found),
        FACT(without_a_directory_chunks_are_found_by_their_heads),
        LONG_FACT(authors_who_lie_harm_only_what_they_lie_about),
    };
    return fetching_facts(facts, sizeof facts / sizeof facts[0]);
}
