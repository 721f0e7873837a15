/* One pass over a stream, whatever the bytes come from and go to. */
#ifndef TESTS_PASSES_H
#define TESTS_PASSES_H

#include "support.h"

#include <pthread.h>

typedef enum verb { SEAL, OPEN, SCRUB } verb;
typedef enum way { BY_MEMORY, BY_FILE, BY_PIPE } way;

/* Writes into a pipe from a thread of its own, in bursts with pauses, and closes it. A reader
 * that left does not matter. */
typedef struct feeder {
    pthread_t thread;
    int fd;
    const uint8_t *data;
    size_t len;
    size_t burst;
    unsigned pause_us;
} feeder;

/* The end to read from. */
int feeder_start(feeder *f, const uint8_t *data, size_t len, size_t burst, unsigned pause_us);
void feeder_join(feeder *f);

/* Reads a pipe from a thread of its own until it ends or `most` bytes came, and closes it. */
typedef struct taker {
    pthread_t thread;
    int fd;
    uint8_t *data; /* most bytes */
    size_t most;
    size_t len;
} taker;

/* The end to write to. */
int taker_start(taker *t, uint8_t *data, size_t most);
void taker_join(taker *t);

/* A regular file without a name that holds this, standing at its start. */
int file_of(const uint8_t *data, size_t len);

/* Everything is named: what is done, by how many threads, from where, to where. */
typedef struct pass {
    verb verb;
    uint32_t threads;
    int32_t level;
    way in;
    way out;
    const uint8_t *data; /* to open or scrub: a whole segment */
    size_t len;
    uint8_t *got; /* got_cap bytes */
    size_t got_cap;
    size_t got_len; /* what came out, also of a pass that failed */
} pass;

/* Start only the job of a pass. */
srm_job *pass_start(const pass *p, srm_source source, srm_sink sink);

/* The bytes of `data` that its job reads. */
srm_source pass_source(const pass *p);

outcome pass_run(pass *p);

/* Start, and stop after so many microseconds. Ends with SRM_OK or SRM_ECANCELLED. */
void pass_cancel(pass *p, unsigned after_us);

#endif
