"""seal|open SOURCE TARGET THREADS: AES-256-GCM of `cryptography`, a MiB at a time.

Nothing else is done: no hash, no check that chunks are missing. Not a design to copy.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = bytes(range(32))
TAG_LEN = 16
STEP_LEN = 1 << 20


def main(verb: str, source: str, target: str, thread_count: str) -> None:
    """Run it."""
    read_len, write_len = (STEP_LEN, STEP_LEN + TAG_LEN)
    if verb == "open":
        read_len, write_len = write_len, read_len
    threads = int(thread_count)

    def work(number: int) -> None:
        cipher, data, out = AESGCM(KEY), bytearray(read_len), bytearray(write_len)
        run = cipher.encrypt_into if verb == "seal" else cipher.decrypt_into
        for index in range(number, -(-length // read_len), threads):
            nonce = index.to_bytes(12, "big")
            got = os.preadv(from_fd, [data], index * read_len)
            with memoryview(data)[:got] as piece, memoryview(out) as room:
                made = run(nonce, piece, None, room[: got + write_len - read_len])
                os.pwrite(to_fd, room[:made], index * write_len)

    with open(source, "rb") as file, open(target, "wb") as output:  # noqa: PTH123
        from_fd, to_fd = file.fileno(), output.fileno()
        length = os.fstat(from_fd).st_size
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))


if __name__ == "__main__":
    main(*sys.argv[1:])
