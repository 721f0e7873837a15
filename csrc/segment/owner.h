/* The owner's envelope in a header: a session key under the root key's wrap key. */
#ifndef SEGMENT_OWNER_H
#define SEGMENT_OWNER_H

#include "strongroom.h"

/* The session key of a header, whose form is checked here too. SRM_EAUTH: wrap_key is not the one
 * it was sealed for, or it has no owner envelope; SRM_EDAMAGED: what follows the commitment fails;
 * SRM_EUNSUPPORTED. Says nothing yet of the header's own MAC: header_unlock does. Any thread. */
SRM_MUST_USE srm_status owner_open(const uint8_t header[SRM_HEADER_LEN],
    const uint8_t wrap_key[SRM_KEY_LEN], uint8_t session_key[SRM_KEY_LEN]);

#endif
