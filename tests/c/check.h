/* Facts about the core, each a function; the first that does not hold ends the program. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include "strongroom.h"

#include <stdbool.h>
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
    bool is_long;
} fact;

#define FACT(name) {#name, name, false}
/* One that takes long, and shows nothing of threads that others do not: checked as the core is
 * shipped and with gcc's sanitizers, not once more with others. */
#define LONG_FACT(name) {#name, name, true}

#if defined(__SANITIZE_THREAD__) || defined(__clang__)
#define CHECK_LONG_FACTS false
#else
#define CHECK_LONG_FACTS true
#endif

static inline bool check_is_asked(const char *variable) {
    const char *value = getenv(variable);
    return value != NULL && value[0] == '1';
}

/* Under valgrind all takes fifty times as long, and a part of what is alike is enough. */
static inline bool check_is_sparse(void) {
    return check_is_asked("STRONGROOM_TEST_SPARSE");
}

/* How often to repeat what depends on moments: a hundred times more with STRONGROOM_TEST_LONG=1. */
static inline unsigned check_rounds(unsigned usual) {
    return check_is_asked("STRONGROOM_TEST_LONG") && !check_is_sparse() ? 100 * usual : usual;
}

/* How far the next place is that is tried. */
static inline size_t check_step(size_t usual) {
    return check_is_sparse() ? 4 * usual : usual;
}

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
    size_t checked = 0;
    for (size_t i = 0; i < fact_count; i++) {
        if (facts[i].is_long && !CHECK_LONG_FACTS)
            continue;
        (void)fprintf(stderr, "%s\n", facts[i].name);
        facts[i].check();
        checked++;
    }
    (void)printf("%zu facts hold\n", checked);
    return 0;
}

#endif
