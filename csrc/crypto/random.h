/* Fresh randomness from the kernel. */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include "strongroom.h"

/* 32 bytes that do not repeat even if the kernel's generator does (a cloned or rewound virtual
 * machine): HMAC-SHA256 keyed with getrandom(2) over process id, a counter and the clock. */
SRM_MUST_USE srm_status random_hedged(uint8_t out[32]);

#endif
