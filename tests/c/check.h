/* Facts about the core, each a function; the first that does not hold ends the program. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include "strongroom.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            check_failed(#condition, __FILE__, __LINE__);                                          \
    } while (0)

#define CHECK_STATUS(wanted, call) check_status((wanted), (call), #call, __FILE__, __LINE__)

typedef struct fact {
    const char *name;
    void (*check)(void);
} fact;

#define FACT(name) {#name, name}

static inline _Noreturn void check_failed(const char *condition, const char *file, int line) {
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    exit(1);
}

static inline void check_status(
    srm_status wanted, srm_status got, const char *call, const char *file, int line) {
    if (got == wanted)
        return;
    (void)fprintf(stderr, "%s:%d: %s\n  wanted %d (%s), got %d (%s)\n", file, line, call,
        (int)wanted, srm_status_text((int)wanted), (int)got, srm_status_text((int)got));
    exit(1);
}

static inline int check_facts(const fact *facts, size_t fact_count) {
    for (size_t i = 0; i < fact_count; i++) {
        (void)fprintf(stderr, "%s\n", facts[i].name);
        facts[i].check();
    }
    (void)printf("%zu facts hold\n", fact_count);
    return 0;
}

#endif
