"""Data to measure with: seeded, generated, never stored in the repository."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

MIB = 1 << 20
STEP_LEN = MIB
TEXT_STEPS = 16


def media(length: int, seed: int = 1) -> Iterator[bytes]:
    """Incompressible bytes, as media is once encoded."""
    generator = random.Random(seed)
    for at in range(0, length, STEP_LEN):
        yield generator.randbytes(min(STEP_LEN, length - at))


def text(length: int, seed: int = 1) -> Iterator[bytes]:
    """Words with the frequencies of a language (Zipf), which zstd shrinks to about a third.

    After 16 MiB it begins again, far beyond the window of whatever compresses chunks of 1 MiB.
    """
    generator = random.Random(seed)
    words = [hashlib.sha256(b"%d" % i).hexdigest()[: 2 + i % 9].encode() for i in range(20_000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    drawn: list[bytes] = []
    for number, at in enumerate(range(0, length, STEP_LEN)):
        if number < TEXT_STEPS:
            chosen = generator.choices(words, weights, k=STEP_LEN // 4)
            drawn.append(b" ".join(chosen)[:STEP_LEN])
        yield drawn[number % TEXT_STEPS][: length - at]


CORPORA = {"media": media, "text": text}


def write_file(path: Path, corpus: str, length: int) -> None:
    """length bytes of a corpus, as one file."""
    with path.open("wb") as file:
        for step in CORPORA[corpus](length):
            file.write(step)


def write_zeros(path: Path, length: int) -> None:
    """A file of length bytes, every page touched."""
    block = bytes(MIB)
    with path.open("wb") as file:
        for at in range(0, length, MIB):
            file.write(block[: min(MIB, length - at)])
