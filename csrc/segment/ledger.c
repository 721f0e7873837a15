#include "segment/ledger.h"

#ifdef SRM_NONCE_LEDGER

#include "base/bytes.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define BUCKET_COUNT 4096

/* The record tag names the frame key: both come out of one HKDF output. */
typedef struct entry {
    struct entry *next;
    uint8_t record_tag[RECORD_TAG_LEN];
    uint8_t nonce[AEAD_NONCE_LEN];
} entry;

static atomic_flag busy = ATOMIC_FLAG_INIT; /* held for moments */
static entry *buckets[BUCKET_COUNT];

void ledger_add(const segment_keys *keys, const uint8_t nonce[AEAD_NONCE_LEN]) {
    entry *e = calloc(1, sizeof *e);
    if (e == NULL)
        abort();
    memcpy(e->record_tag, keys->record_tag, sizeof e->record_tag);
    memcpy(e->nonce, nonce, sizeof e->nonce);
    while (atomic_flag_test_and_set(&busy)) {
    }
    entry **bucket = &buckets[load_be32(nonce + 8) % BUCKET_COUNT];
    for (const entry *seen = *bucket; seen != NULL; seen = seen->next)
        if (memcmp(seen->record_tag, e->record_tag, sizeof e->record_tag) == 0 &&
            memcmp(seen->nonce, e->nonce, sizeof e->nonce) == 0) {
            (void)fputs("a nonce was used twice\n", stderr);
            abort();
        }
    e->next = *bucket;
    *bucket = e;
    atomic_flag_clear(&busy);
}

#else

typedef int ledger_is_empty; /* ISO C wants a declaration */

#endif
