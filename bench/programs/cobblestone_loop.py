"""seal|open SOURCE TARGET: Cobblestone-256 (C2SP chunked encryption) of `cryptography` 50."""

import sys

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor

KEY = bytes(range(32))
STEP_LEN = 1 << 20


def main(verb: str, source: str, target: str) -> None:
    """Run it."""
    make = Cobblestone256Encryptor if verb == "seal" else Cobblestone256Decryptor
    engine = make(KEY, b"bench")
    with open(source, "rb", 0) as file, open(target, "wb", 0) as out:  # noqa: PTH123
        while data := file.read(STEP_LEN):
            out.write(engine.update(data))
        out.write(engine.finalize())


if __name__ == "__main__":
    main(*sys.argv[1:])
