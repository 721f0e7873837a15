/* Whichever allocation fails, calls say so and nothing leaks. The linker puts our own malloc,
 * calloc and realloc in front of those of the core and libcrypto. */
#include "base/bytes.h"
#include "check.h"
#include "support.h"

#include <stdatomic.h>

#define RAW_LEN ((size_t)5000)
#define STORED_CAP ((size_t)1 << 20)

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *memory, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *memory, size_t len);

static atomic_long until_failure = -1; /* allocations; below 0: none fails */

static bool fails(void) {
    return atomic_load(&until_failure) >= 0 && atomic_fetch_sub(&until_failure, 1) == 0;
}

void *__wrap_malloc(size_t len) {
    return fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len) {
    return fails() ? NULL : __real_calloc(count, len);
}

void *__wrap_realloc(void *memory, size_t len) {
    return fails() ? NULL : __real_realloc(memory, len);
}

static uint8_t raw[RAW_LEN];
static uint8_t stored[STORED_CAP];
static uint8_t opened[RAW_LEN];
static uint8_t out[WRITER_OUT_LEN];

static srm_status write_stream(size_t *stored_len) {
    srm_seal_options options = test_options(1, 1);
    writer *w = NULL;
    size_t len = 0;
    bool done = false;
    srm_status status = writer_new(&options, stored, &w);
    CHECK((status == SRM_OK) == (w != NULL));
    *stored_len = SRM_HEADER_LEN;
    if (status == SRM_OK)
        status = writer_put(w, raw, RAW_LEN, out, &len);
    while (status == SRM_OK && !done) {
        status = writer_tail(w, out, &len, &done);
        memcpy(stored + *stored_len, out, len);
        *stored_len += len;
    }
    CHECK(status == SRM_OK || len == 0);
    writer_free(w);
    return status;
}

static srm_status read_stream(size_t stored_len) {
    srm_seal_options options = test_options(1, 1);
    const size_t frame_len = stored_len - SRM_HEADER_LEN - SRM_TRAILER_LEN;
    reader *r = NULL;
    const uint8_t *data = NULL;
    size_t len = 0;
    srm_status status = reader_new(stored, options.session_key, &r);
    CHECK((status == SRM_OK) == (r != NULL));
    if (status == SRM_OK)
        status = reader_feed(r, stored + SRM_HEADER_LEN, frame_len, true);
    if (status == SRM_OK)
        status = reader_next(r, &data, &len);
    if (status == SRM_OK) {
        CHECK(len == RAW_LEN && memcmp(data, raw, RAW_LEN) == 0);
        status = reader_next(r, &data, &len);
    }
    if (status == SRM_OK)
        status = reader_end(r, stored + stored_len - SRM_TRAILER_LEN);
    reader_free(r);
    return status;
}

static srm_status finish(srm_status started, srm_job *job, uint64_t *stored_len) {
    srm_result result;
    srm_failure failure;
    CHECK((started == SRM_OK) == (job != NULL));
    if (started != SRM_OK)
        return started;
    srm_status status = srm_job_wait(job, 60000);
    CHECK_STATUS(SRM_OK, srm_job_result(job, &result, &failure));
    CHECK(failure.status == (int32_t)status);
    *stored_len = result.stored_len;
    srm_job_free(job);
    return status;
}

static srm_status run_jobs(void) {
    srm_seal_options options = test_options(1, 1);
    srm_source in = {-1, raw, RAW_LEN};
    srm_sink to = {-1, stored, STORED_CAP};
    srm_job *job = NULL;
    uint64_t len = 0;
    srm_status status = srm_seal_start(&options, in, to, &job);
    status = finish(status, job, &len);
    if (status != SRM_OK)
        return status;
    in = (srm_source){-1, stored + SRM_HEADER_LEN, (size_t)len - SRM_HEADER_LEN};
    to = (srm_sink){-1, opened, RAW_LEN};
    status = srm_open_start(stored, options.session_key, in, to, &job);
    status = finish(status, job, &len);
    if (status != SRM_OK)
        return status;
    CHECK(memcmp(opened, raw, RAW_LEN) == 0);
    status = srm_scrub_start(stored, in, &job);
    return finish(status, job, &len);
}

static srm_status write_and_read(void) {
    size_t len = 0;
    srm_status status = write_stream(&len);
    return status == SRM_OK ? read_stream(len) : status;
}

/* Fail the first allocation, then the second and so on, until there are no more. Some failures
 * do not matter to libcrypto; most must be told. */
static void fail_each(srm_status (*work)(void)) {
    long told = 0;
    CHECK_STATUS(SRM_OK, work()); /* what lasts as long as the process is there now */
    for (long n = 0;; n++) {
        atomic_store(&until_failure, n);
        srm_status status = work();
        bool reached = atomic_exchange(&until_failure, -1) < 0;
        CHECK(status == SRM_OK || status == SRM_ENOMEM || status == SRM_ECRYPTO);
        CHECK(reached || status == SRM_OK);
        told += status != SRM_OK;
        if (!reached)
            break;
    }
    CHECK(told > 20);
}

static void a_stream_survives_every_failing_allocation(void) {
    fail_each(write_and_read);
}

static void jobs_survive_every_failing_allocation(void) {
    fail_each(run_jobs);
}

int main(void) {
    static const fact facts[] = {
        FACT(a_stream_survives_every_failing_allocation),
        FACT(jobs_survive_every_failing_allocation),
    };
    fill_text(raw, RAW_LEN);
    return check_facts(facts, sizeof facts / sizeof facts[0]);
}
