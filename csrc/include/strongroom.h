/* The public interface of the Strongroom core. */
#ifndef STRONGROOM_H
#define STRONGROOM_H

#include <stddef.h>
#include <stdint.h>

/* [cdef begins: build_ffi.py reads the declarations from here] */

/* The versions this core was built with and runs on, as static text. */
const char *srm_openssl_version(void);
const char *srm_zstd_version(void);
const char *srm_blake3_version(void);

/* [cdef ends] */

#endif
