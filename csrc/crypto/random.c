#include "crypto/random.h"

#include "base/bytes.h"
#include "crypto/hash.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

srm_status random_hedged(uint8_t out[32]) {
    static atomic_uint_fast64_t drawn;
    uint8_t seed[32];
    for (size_t have = 0; have < sizeof seed;) {
        ssize_t got = getrandom(seed + have, sizeof seed - have, 0);
        if (got < 0 && errno != EINTR) {
            wipe(seed, sizeof seed);
            return SRM_ECRYPTO;
        }
        if (got > 0)
            have += (size_t)got;
    }
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint8_t moment[32];
    store_be64(moment, (uint64_t)getpid());
    store_be64(moment + 8, atomic_fetch_add(&drawn, 1));
    store_be64(moment + 16, (uint64_t)now.tv_sec);
    store_be64(moment + 24, (uint64_t)now.tv_nsec);
    srm_status status = hmac_sha256(seed, sizeof seed, moment, sizeof moment, out);
    wipe(seed, sizeof seed);
    return status;
}
