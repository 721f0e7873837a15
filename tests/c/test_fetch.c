/* Chunks of many segments, loaded into an index and fetched to where they are wanted. */
#include "base/bytes.h"
#include "check.h"
#include "repository.h"
#include "segment/record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK ((size_t)SRM_CHUNK_LEN)
#define WHOLE_COUNT 5
#define PACKED_COUNT 40
#define SMALL_COUNT 3
#define CHUNK_COUNT (WHOLE_COUNT + PACKED_COUNT + SMALL_COUNT)
enum { WHOLE = 1, PACKED = 2, SMALL = 3 }; /* names of segments */

static repository repo;
static uint8_t *raw; /* of all chunks, one after another */
static size_t raw_len;
static chunk chunks[CHUNK_COUNT];
static size_t offs[CHUNK_COUNT]; /* in raw */
static stored_segment stored[4];

static const uint8_t IDS[3 * 16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};

/* Noise, text and zeros; whole and of many lengths, so that packed records cross frames. */
static void make_chunks(void) {
    raw = must_alloc(CHUNK_COUNT * CHUNK);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        size_t len = i < WHOLE_COUNT ? CHUNK : 1 + (i * 7919 * 131) % 300000;
        if (i == WHOLE_COUNT + 7 || i == WHOLE_COUNT + 20)
            len = CHUNK;
        if (i >= WHOLE_COUNT + PACKED_COUNT)
            len = 1 + i;
        offs[i] = raw_len;
        uint8_t *at = raw + raw_len;
        if (i == WHOLE_COUNT + 7)
            memset(at, 0, len);
        else if (i >= WHOLE_COUNT && i % 3 == 0)
            fill_text(at, len);
        else
            fill_noise(at, len, i + 1);
        if (i == 2)
            memset(at + 100000, 0, 300000);
        chunks[i] = (chunk){.raw = at, .raw_len = (uint32_t)len};
        raw_len += len;
    }
}

static void put_all(void) {
    repository_put(&repo, WHOLE, chunks, WHOLE_COUNT, 0, NULL, NULL, &stored[WHOLE]);
    repository_put(
        &repo, PACKED, chunks + WHOLE_COUNT, PACKED_COUNT, 3, NULL, NULL, &stored[PACKED]);
    repository_put(&repo, SMALL, chunks + WHOLE_COUNT + PACKED_COUNT, SMALL_COUNT, 3, NULL, NULL,
        &stored[SMALL]);
}

static srm_index *new_index(void) {
    srm_index *index = NULL;
    CHECK_STATUS(SRM_OK, srm_index_new(&index));
    return index;
}

static void load(srm_segments *g, srm_index *index, srm_segment_status statuses[3]) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK, srm_load_start(g, index, IDS, 3, statuses, 2, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
}

/* The one segment of three that may be harmed. */
static void check_loaded(
    const srm_segment_status statuses[3], unsigned name, srm_status status, srm_place place) {
    for (unsigned i = 0; i < 3; i++) {
        const bool harmed = i + 1 == name;
        CHECK_STATUS(harmed ? status : SRM_OK, (srm_status)statuses[i].status);
        CHECK(statuses[i].place == (int32_t)(harmed ? place : SRM_AT_NONE));
    }
}

static srm_want want_of(size_t i) {
    srm_want want = {.raw_len = chunks[i].raw_len, .off = offs[i]};
    memcpy(want.id, chunks[i].id, sizeof want.id);
    return want;
}

static void all_wants(srm_want wants[CHUNK_COUNT]) {
    for (size_t i = 0; i < CHUNK_COUNT; i++)
        wants[i] = want_of(i);
}

static outcome fetch(srm_segments *g, srm_index *index, srm_want *wants, size_t count,
    const int32_t *fds, uint32_t fd_count, uint8_t *mem, size_t mem_len, uint32_t threads) {
    srm_job *job = NULL;
    CHECK_STATUS(SRM_OK,
        srm_fetch_start(g, index, wants, count, fds, fd_count, mem, mem_len, threads, &job));
    outcome end = settle(job);
    CHECK_STATUS(SRM_OK, end.status);
    return end;
}

/* Fetch everything. harmed says of each chunk how it is to fail; nothing of such a one comes out.
 */
static void check_fetch(
    srm_segments *g, srm_index *index, const srm_status harmed[CHUNK_COUNT], uint32_t threads) {
    srm_want wants[CHUNK_COUNT];
    uint8_t *out = must_alloc(raw_len);
    all_wants(wants);
    memset(out, 0xee, raw_len);
    (void)fetch(g, index, wants, CHUNK_COUNT, NULL, 0, out, raw_len, threads);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        CHECK_STATUS(harmed[i], (srm_status)wants[i].status);
        for (size_t k = 0; harmed[i] != SRM_OK && k < chunks[i].raw_len; k++)
            CHECK(out[offs[i] + k] == 0xee);
        CHECK(harmed[i] != SRM_OK || memcmp(out + offs[i], chunks[i].raw, chunks[i].raw_len) == 0);
    }
    free(out);
}

static void fetch_all(srm_segments *g, srm_index *index) {
    static const srm_status sound[CHUNK_COUNT];
    check_fetch(g, index, sound, 2);
}

static void harm(srm_status harmed[CHUNK_COUNT], size_t from, size_t to, srm_status status) {
    for (size_t i = from; i < to; i++)
        harmed[i] = status;
}

/* --- facts --- */

static void chunks_come_to_their_places(void) {
    static const srm_status sound[CHUNK_COUNT];
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&repo);
    srm_index *index = new_index();
    load(g, index, statuses);
    check_loaded(statuses, 0, SRM_OK, SRM_AT_NONE);
    CHECK(statuses[0].chunks == WHOLE_COUNT && statuses[1].chunks == PACKED_COUNT);
    CHECK(statuses[1].length == stored[PACKED].length);
    for (uint32_t threads = 1; threads <= 9; threads += 4)
        check_fetch(g, index, sound, threads);
    srm_index_free(index);
    srm_segments_free(g);
}

/* Every chunk twice in each of two files, in a crooked order. */
static void files_get_what_they_want_wherever_it_is(void) {
    enum { FILES = 2, TIMES = 2, COUNT = CHUNK_COUNT * FILES * TIMES };
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&repo);
    srm_index *index = new_index();
    srm_want *wants = must_alloc(COUNT * sizeof *wants);
    int32_t fds[FILES];
    uint8_t *out = must_alloc(raw_len);
    load(g, index, statuses);
    for (size_t i = 0; i < FILES; i++) {
        fds[i] = memfd_create("out", MFD_CLOEXEC);
        CHECK(fds[i] >= 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t k = i * 89 % COUNT;
        wants[i] = want_of(k % CHUNK_COUNT);
        wants[i].file = (uint32_t)(k / CHUNK_COUNT % FILES);
        wants[i].off += k / CHUNK_COUNT / FILES * raw_len;
    }
    outcome end = fetch(g, index, wants, COUNT, fds, FILES, NULL, 0, 3);
    CHECK(end.bytes_out == FILES * TIMES * raw_len);
    CHECK(end.bytes_in < 2 * (stored[1].length + stored[2].length + stored[3].length));
    for (size_t i = 0; i < COUNT; i++)
        CHECK_STATUS(SRM_OK, (srm_status)wants[i].status);
    for (size_t i = 0; i < FILES * TIMES; i++) {
        CHECK(
            pread(fds[i % FILES], out, raw_len, (off_t)(i / FILES * raw_len)) == (ssize_t)raw_len);
        CHECK(memcmp(out, raw, raw_len) == 0);
    }
    for (size_t i = 0; i < FILES; i++)
        close(fds[i]);
    free(out);
    free(wants);
    srm_index_free(index);
    srm_segments_free(g);
}

/* What was there before shows what was not written. */
static void zeros_are_left_out_where_that_is_asked_for(void) {
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&repo);
    srm_index *index = new_index();
    uint8_t *before = must_alloc(2 * CHUNK);
    int32_t fd = memfd_create("out", MFD_CLOEXEC);
    srm_want wants[2] = {want_of(2), want_of(WHOLE_COUNT + 7)};
    load(g, index, statuses);
    CHECK(fd >= 0);
    memset(before, 0xee, 2 * CHUNK);
    for (int sparse = 0; sparse < 2; sparse++) {
        CHECK(pwrite(fd, before, 2 * CHUNK, 0) == (ssize_t)(2 * CHUNK));
        for (size_t i = 0; i < 2; i++) {
            wants[i].off = i * CHUNK;
            wants[i].flags = sparse == 0 ? 0 : SRM_WANT_SPARSE;
        }
        (void)fetch(g, index, wants, 2, &fd, 1, NULL, 0, 1);
        CHECK(wants[0].status == SRM_OK && wants[1].status == SRM_OK);
        uint8_t *out = must_alloc(2 * CHUNK);
        CHECK(pread(fd, out, 2 * CHUNK, 0) == (ssize_t)(2 * CHUNK));
        for (size_t i = 0; i < 2 * CHUNK; i++) {
            const uint8_t *from = raw + (i < CHUNK ? offs[2] : offs[WHOLE_COUNT + 7] - CHUNK);
            size_t block = i - i % 4096;
            const bool zeros = (block >= 100000 && block + 4096 <= 400000) || i >= CHUNK;
            CHECK(out[i] == (sparse != 0 && zeros ? 0xee : from[i]));
        }
        free(out);
    }
    close(fd);
    free(before);
    srm_index_free(index);
    srm_segments_free(g);
}

static void a_want_that_cannot_be_fails_alone(void) {
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&repo);
    srm_index *index = new_index();
    srm_want wants[CHUNK_COUNT];
    uint8_t *out = must_alloc(raw_len);
    load(g, index, statuses);
    all_wants(wants);
    memset(wants[3].id, 7, 32);    /* unknown */
    wants[4].raw_len--;            /* of another length */
    wants[5].off = raw_len - 1;    /* no place */
    wants[6].off = UINT64_MAX - 5; /* nor there */
    wants[7].raw_len = 0;          /* nothing */
    wants[8].raw_len = SRM_CHUNK_LEN + 1;
    wants[9].id[31] ^= 1; /* an index may know half an id only */
    memset(out, 0xee, raw_len);
    (void)fetch(g, index, wants, CHUNK_COUNT, NULL, 0, out, raw_len, 2);
    CHECK_STATUS(SRM_ENOTFOUND, (srm_status)wants[3].status);
    CHECK_STATUS(SRM_EDAMAGED, (srm_status)wants[4].status);
    for (size_t i = 5; i <= 8; i++)
        CHECK_STATUS(SRM_EINVAL, (srm_status)wants[i].status);
    CHECK(wants[9].status == SRM_EDAMAGED || wants[9].status == SRM_ENOTFOUND);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        const bool good = i < 3 || i > 9;
        CHECK(!good || wants[i].status == SRM_OK);
        CHECK(good ? memcmp(out + offs[i], chunks[i].raw, chunks[i].raw_len) == 0
                   : out[offs[i]] == 0xee);
    }
    free(out);
    srm_index_free(index);
    srm_segments_free(g);
}

static void a_file_that_cannot_be_written_fails_alone(void) {
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&repo);
    srm_index *index = new_index();
    srm_want wants[CHUNK_COUNT];
    int32_t fds[3] = {memfd_create("out", MFD_CLOEXEC), open("/dev/null", O_RDONLY), -1};
    load(g, index, statuses);
    all_wants(wants);
    for (size_t i = 0; i < CHUNK_COUNT; i++)
        wants[i].file = (uint32_t)(i % 4);
    (void)fetch(g, index, wants, CHUNK_COUNT, fds, 3, NULL, 0, 2);
    for (size_t i = 0; i < CHUNK_COUNT; i++) {
        static const srm_status expected[4] = {SRM_OK, SRM_EIO, SRM_EINVAL, SRM_EINVAL};
        CHECK_STATUS(expected[i % 4], (srm_status)wants[i].status);
        CHECK(i % 4 != 1 || (wants[i].os_error == EBADF && wants[i].place == SRM_AT_OUTPUT));
    }
    close(fds[0]);
    close(fds[1]);
    srm_index_free(index);
    srm_segments_free(g);
}

/* Damage after the segments were loaded harms what lies there. */
static void damage_harms_what_it_hits(void) {
    srm_segment_status statuses[3];
    srm_index *index = new_index();
    srm_segments *g = repository_segments(&repo);
    load(g, index, statuses);
    for (size_t i = 0; i < WHOLE_COUNT; i++) {
        srm_status harmed[CHUNK_COUNT] = {0};
        harmed[i] = SRM_EAUTH;
        repository_flip(&repo, WHOLE, SRM_HEADER_LEN + i * SRM_FRAME_LEN + 77 * i);
        check_fetch(g, index, harmed, 2);
        repository_flip(&repo, WHOLE, SRM_HEADER_LEN + i * SRM_FRAME_LEN + 77 * i);
        fetch_all(g, index);
    }
    repository_swap(&repo, WHOLE, PACKED);
    srm_status swapped[CHUNK_COUNT] = {0};
    fetch_all(g, index); /* those that are open stay */
    srm_segments_free(g);
    g = repository_segments(&repo);
    harm(swapped, 0, WHOLE_COUNT + PACKED_COUNT, SRM_EDAMAGED);
    check_fetch(g, index, swapped, 2);
    srm_segments_free(g);
    repository_swap(&repo, WHOLE, PACKED);
    srm_index_free(index);
}

static void a_segment_that_is_gone_or_not_ours_fails_alone(void) {
    srm_segment_status statuses[3];
    srm_index *index = new_index();
    srm_segments *g = repository_segments(&repo);
    srm_status harmed[CHUNK_COUNT] = {0};
    load(g, index, statuses);
    srm_segments_free(g);
    repository_remove(&repo, SMALL);
    g = repository_segments(&repo);
    load(g, index, statuses);
    check_loaded(statuses, SMALL, SRM_ENOTFOUND, SRM_AT_INPUT);
    CHECK(statuses[2].os_error == ENOENT);
    harm(harmed, WHOLE_COUNT + PACKED_COUNT, CHUNK_COUNT, SRM_ENOTFOUND);
    check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    put_all();
    repo.wrap_key[0] ^= 1;
    g = repository_segments(&repo);
    load(g, index, statuses);
    CHECK(statuses[0].status == SRM_EAUTH && statuses[0].place == SRM_AT_HEADER);
    harm(harmed, 0, CHUNK_COUNT, SRM_EAUTH);
    check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    repo.wrap_key[0] ^= 1;
    repo.repo_id[0] ^= 1;
    g = repository_segments(&repo);
    harm(harmed, 0, CHUNK_COUNT, SRM_EDAMAGED);
    check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    repo.repo_id[0] ^= 1;
    repo.chunk_key[0] ^= 1;
    g = repository_segments(&repo);
    check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    repo.chunk_key[0] ^= 1;
    srm_index_free(index);
}

/* Load what is left of PACKED, and fetch: chunks of frames before `lost` come back. */
static void check_recovered(uint64_t lost, srm_place place, srm_status load_status) {
    srm_segment_status statuses[3];
    srm_status harmed[CHUNK_COUNT] = {0};
    uint32_t found = 0;
    for (size_t i = WHOLE_COUNT; i < WHOLE_COUNT + PACKED_COUNT; i++) {
        const size_t next = i + 1 < WHOLE_COUNT + PACKED_COUNT ? i + 1 : i;
        const uint64_t end = next > i ? chunks[next].off - 1 : UINT32_MAX;
        if (end / FRAME_PLAIN_LEN >= lost)
            harmed[i] = SRM_ENOTFOUND;
        else
            found++;
    }
    srm_index *index = new_index();
    srm_segments *g = repository_segments(&repo);
    load(g, index, statuses);
    check_loaded(statuses, PACKED, load_status, place);
    CHECK(statuses[1].chunks == found);
    check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    srm_index_free(index);
}

static void what_a_cut_leaves_is_found(void) {
    const stored_segment *s = &stored[PACKED];
    const uint64_t end = layout_trailer_off(&s->layout);
    const uint64_t full = s->layout.frame_count - 1;
    CHECK(full > 2);
    static const srm_status sound[CHUNK_COUNT];
    const uint64_t whole_cuts[] = {
        s->length - 1, s->length - 64, s->length - SRM_TRAILER_LEN, end + 1, end};
    for (size_t i = 0; i < sizeof whole_cuts / sizeof whole_cuts[0]; i++) {
        srm_segment_status statuses[3];
        repository_cut(&repo, PACKED, whole_cuts[i]);
        srm_index *index = new_index();
        srm_segments *g = repository_segments(&repo);
        load(g, index, statuses);
        check_loaded(statuses, PACKED, SRM_EDAMAGED, SRM_AT_TRAILER);
        CHECK(statuses[1].chunks == PACKED_COUNT);
        check_fetch(g, index, sound, 2);
        srm_segments_free(g);
        srm_index_free(index);
    }
    repository_cut(&repo, PACKED, end - 1);
    check_recovered(full, SRM_AT_TRAILER, SRM_EDAMAGED);
    repository_cut(&repo, PACKED, SRM_HEADER_LEN + 2 * (uint64_t)SRM_FRAME_LEN + 4096);
    check_recovered(2, SRM_AT_TRAILER, SRM_EDAMAGED);
    repository_cut(&repo, PACKED, SRM_HEADER_LEN);
    check_recovered(0, SRM_AT_TRAILER, SRM_EDAMAGED);
    repository_cut(&repo, PACKED, SRM_HEADER_LEN - 1);
    check_recovered(0, SRM_AT_HEADER, SRM_EDAMAGED);
    repository_cut(&repo, PACKED, 0);
    check_recovered(0, SRM_AT_HEADER, SRM_EDAMAGED);
    put_all();
}

static void without_a_directory_chunks_are_found_by_their_heads(void) {
    const uint64_t full = stored[PACKED].layout.frame_count - 1;
    repository_flip(&repo, PACKED, SRM_HEADER_LEN + full * SRM_FRAME_LEN + 9);
    check_recovered(full, SRM_AT_FRAME, SRM_EAUTH);
    /* A frame in the middle as well: the search finds into step again behind it. */
    repository_flip(&repo, PACKED, SRM_HEADER_LEN + SRM_FRAME_LEN + 9);
    srm_segment_status statuses[3];
    srm_status harmed[CHUNK_COUNT] = {0};
    uint32_t found = PACKED_COUNT;
    for (size_t i = WHOLE_COUNT; i < WHOLE_COUNT + PACKED_COUNT; i++) {
        const bool has_next = i + 1 < WHOLE_COUNT + PACKED_COUNT;
        const uint64_t first = chunks[i].off / FRAME_PLAIN_LEN;
        const uint64_t end = has_next ? (chunks[i + 1].off - 1) / FRAME_PLAIN_LEN : UINT32_MAX;
        if (first == 1 || end == 1 || end >= full) {
            harmed[i] = SRM_ENOTFOUND;
            found--;
        }
    }
    srm_index *index = new_index();
    srm_segments *g = repository_segments(&repo);
    load(g, index, statuses);
    CHECK(statuses[1].chunks == found && found > 3 && found < PACKED_COUNT - 3);
    check_fetch(g, index, harmed, 2);
    srm_segments_free(g);
    srm_index_free(index);
    put_all();
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
        srm_index *index = new_index();
        stored_segment lying;
        repository_put(&repo, SMALL, chunks + WHOLE_COUNT + PACKED_COUNT, SMALL_COUNT, 0,
            alter_entry, &at, &lying);
        srm_segments *g = repository_segments(&repo);
        load(g, index, statuses);
        const size_t entry = at / DATA_ENTRY_LEN;
        const bool id_lies = entry < 2 && at % DATA_ENTRY_LEN >= 16;
        check_loaded(statuses, SMALL, id_lies ? SRM_OK : SRM_EDAMAGED,
            id_lies ? SRM_AT_NONE : SRM_AT_DIRECTORY);
        srm_status harmed[CHUNK_COUNT] = {0};
        if (id_lies)
            harmed[CHUNK_COUNT - 2 + entry] =
                at % DATA_ENTRY_LEN < 32 ? SRM_ENOTFOUND : SRM_OK; /* half an id finds it */
        check_fetch(g, index, harmed, 2);
        srm_segments_free(g);
        srm_index_free(index);
    }
    for (size_t at = 0; at < RECORD_HEAD_LEN + 9; at += 3) {
        srm_segment_status statuses[3];
        srm_index *index = new_index();
        stored_segment lying;
        repository_put(&repo, SMALL, chunks + WHOLE_COUNT + PACKED_COUNT, SMALL_COUNT, 0,
            alter_chunk, &at, &lying);
        srm_segments *g = repository_segments(&repo);
        load(g, index, statuses);
        check_loaded(statuses, 0, SRM_OK, SRM_AT_NONE);
        srm_status harmed[CHUNK_COUNT] = {0};
        harmed[CHUNK_COUNT - SMALL_COUNT] = SRM_EDAMAGED;
        check_fetch(g, index, harmed, 2);
        srm_segments_free(g);
        srm_index_free(index);
    }
    put_all();
}

static void more_segments_than_stay_open_are_read(void) {
    enum { COUNT = 100 };
    static chunk many[COUNT];
    uint8_t *bytes = must_alloc(COUNT * 100);
    uint8_t ids[COUNT * 16];
    srm_segment_status statuses[COUNT];
    srm_want wants[4 * COUNT];
    stored_segment s;
    srm_job *job = NULL;
    fill_noise(bytes, COUNT * 100, 1);
    for (size_t i = 0; i < COUNT; i++) {
        many[i] = (chunk){.raw = bytes + i * 100, .raw_len = 100};
        repository_put(&repo, (uint8_t)(10 + i), &many[i], 1, 0, NULL, NULL, &s);
        memset(ids + i * 16, (int)(10 + i), 16);
    }
    srm_segments *g = repository_segments(&repo);
    srm_index *index = new_index();
    CHECK_STATUS(SRM_OK, srm_load_start(g, index, ids, COUNT, statuses, 4, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    uint8_t *out = must_alloc(4 * COUNT * 100);
    for (size_t i = 0; i < 4 * COUNT; i++) {
        wants[i] = (srm_want){.raw_len = 100, .off = i * 100};
        memcpy(wants[i].id, many[i % COUNT].id, 32);
    }
    for (int round = 0; round < 3; round++) {
        memset(out, 0, 4 * COUNT * 100);
        (void)fetch(g, index, wants, 4 * COUNT, NULL, 0, out, 4 * COUNT * 100, 8);
        for (size_t i = 0; i < 4 * COUNT; i++)
            CHECK(memcmp(out + i * 100, bytes + i % COUNT * 100, 100) == 0);
    }
    free(out);
    free(bytes);
    srm_index_free(index);
    srm_segments_free(g);
    for (size_t i = 0; i < COUNT; i++)
        repository_remove(&repo, (uint8_t)(10 + i));
}

static void a_job_that_is_stopped_says_so(void) {
    srm_segment_status statuses[3];
    srm_segments *g = repository_segments(&repo);
    srm_index *index = new_index();
    srm_want wants[CHUNK_COUNT];
    uint8_t *out = must_alloc(raw_len);
    srm_job *job = NULL;
    load(g, index, statuses);
    for (int i = 0; i < 20; i++) {
        all_wants(wants);
        CHECK_STATUS(
            SRM_OK, srm_fetch_start(g, index, wants, CHUNK_COUNT, NULL, 0, out, raw_len, 2, &job));
        usleep((unsigned)i * 300);
        srm_job_cancel(job);
        outcome end = settle(job);
        CHECK(end.status == SRM_OK || end.status == SRM_ECANCELLED);
        for (size_t k = 0; k < CHUNK_COUNT; k++)
            CHECK(wants[k].status == SRM_OK ||
                  (end.status != SRM_OK && wants[k].status == SRM_ECANCELLED));
    }
    free(out);
    srm_index_free(index);
    srm_segments_free(g);
}

static void wrong_arguments_start_nothing(void) {
    srm_segments *g = NULL;
    srm_index *index = new_index();
    srm_job *job = NULL;
    srm_segment_status status;
    srm_want want = {0};
    const uint8_t *k = repo.repo_id;
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(NULL, k, k, 0, &g));
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(k, NULL, k, 0, &g));
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(k, k, NULL, 0, &g));
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(k, k, k, -1, &g));
    CHECK_STATUS(SRM_EINVAL, srm_segments_new(k, k, k, 0, NULL));
    CHECK_STATUS(SRM_EIO, srm_segments_new(k, k, k, 100000, &g));
    g = repository_segments(&repo);
    CHECK_STATUS(SRM_EINVAL, srm_load_start(NULL, index, IDS, 1, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_load_start(g, NULL, IDS, 1, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_load_start(g, index, NULL, 1, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_load_start(g, index, IDS, 1, NULL, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_load_start(g, index, IDS, UINT64_MAX / 8, &status, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_load_start(g, index, IDS, 1, &status, 1, NULL));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(g, index, NULL, 1, NULL, 0, NULL, 0, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(g, index, &want, 1, NULL, 0, NULL, 1, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(g, NULL, &want, 1, NULL, 0, NULL, 0, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(NULL, index, &want, 1, NULL, 0, NULL, 0, 1, &job));
    CHECK_STATUS(SRM_EINVAL, srm_fetch_start(g, index, &want, 1, NULL, 0, NULL, 0, 1, NULL));
    CHECK(job == NULL);
    CHECK_STATUS(SRM_OK, srm_load_start(g, index, NULL, 0, NULL, 0, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    CHECK_STATUS(SRM_OK, srm_fetch_start(g, index, NULL, 0, NULL, 0, NULL, 0, 0, &job));
    CHECK_STATUS(SRM_OK, settle(job).status);
    srm_segments_free(g);
    srm_segments_free(NULL);
    srm_index_free(index);
}

int main(void) {
    static const fact facts[] = {
        FACT(chunks_come_to_their_places),
        FACT(files_get_what_they_want_wherever_it_is),
        FACT(zeros_are_left_out_where_that_is_asked_for),
        FACT(a_want_that_cannot_be_fails_alone),
        FACT(a_file_that_cannot_be_written_fails_alone),
        LONG_FACT(damage_harms_what_it_hits),
        FACT(a_segment_that_is_gone_or_not_ours_fails_alone),
        LONG_FACT(what_a_cut_leaves_is_found),
        FACT(without_a_directory_chunks_are_found_by_their_heads),
        LONG_FACT(authors_who_lie_harm_only_what_they_lie_about),
        FACT(more_segments_than_stay_open_are_read),
        FACT(a_job_that_is_stopped_says_so),
        FACT(wrong_arguments_start_nothing),
    };
    make_chunks();
    repository_begin(&repo);
    put_all();
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    repository_end(&repo);
    free(raw);
    return status;
}
