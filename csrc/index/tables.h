/* What an index is made of. */
#ifndef INDEX_TABLES_H
#define INDEX_TABLES_H

#include "index/file.h"
#include "index/fresh.h"

#define TABLES_MAX 64

struct srm_index {
    names segments;
    fresh fresh;
    table tables[TABLES_MAX]; /* oldest first */
    unsigned table_count;
};

/* What the tables before number `end` say of a chunk, the newest first; false: it is in none. */
bool tables_find(const chunk_index *x, unsigned end, const uint8_t id[INDEX_ID_LEN], place *out);

/* What a place in memory means. */
typedef enum meaning {
    AS_TABLES_SAY, /* its segment was dropped */
    NOWHERE,
    CLAIMED,
    HERE,
} meaning;
meaning fresh_meaning(const chunk_index *x, const place *p);

#endif
