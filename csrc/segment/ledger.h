/* For test builds (SRM_NONCE_LEDGER): every nonce that a frame key ever sealed with. A repeat ends
 * the process. Other builds hold none of this. */
#ifndef SEGMENT_LEDGER_H
#define SEGMENT_LEDGER_H

#include "segment/header.h"

#ifdef SRM_NONCE_LEDGER
/* Any thread. Kept as long as the process. */
void ledger_add(const segment_keys *keys, const uint8_t nonce[AEAD_NONCE_LEN]);
#endif

#endif
