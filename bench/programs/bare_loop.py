"""seal|zstd SOURCE TARGET LIBRARY THREADS: the C loop of kernels.c over a file.

seal: AES-256-GCM, and BLAKE3 of what comes out. zstd: compress for nothing; TARGET stays empty.
"""

import ctypes
import os
import sys


def main(verb: str, source: str, target: str, library: str, threads: str) -> None:
    """Run it."""
    lib = ctypes.CDLL(library)
    lib.bench_bare_file.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint]
    with open(source, "rb") as file, open(target, "wb") as out:  # noqa: PTH123
        length = os.fstat(file.fileno()).st_size
        to = -1 if verb == "zstd" else out.fileno()
        if lib.bench_bare_file(file.fileno(), to, length, int(threads)) != 0:
            raise OSError("the loop failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
