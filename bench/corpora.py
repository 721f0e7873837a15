"""Data to measure with: seeded, generated, never stored in the repository."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

STEP_LEN = 1 << 20


def media(length: int, seed: int = 1) -> Iterator[bytes]:
    """Incompressible bytes, as media is once encoded."""
    generator = random.Random(seed)
    for at in range(0, length, STEP_LEN):
        yield generator.randbytes(min(STEP_LEN, length - at))


def text(length: int, seed: int = 1) -> Iterator[bytes]:
    """Words with the frequencies of a language (Zipf), which zstd shrinks to about a third."""
    generator = random.Random(seed)
    words = [hashlib.sha256(b"%d" % i).hexdigest()[: 2 + i % 9].encode() for i in range(20_000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    for at in range(0, length, STEP_LEN):
        chosen = generator.choices(words, weights, k=STEP_LEN // 4)
        yield b" ".join(chosen)[: min(STEP_LEN, length - at)]


CORPORA = {"media": media, "text": text}


def write_file(path: Path, corpus: str, length: int) -> None:
    """length bytes of a corpus, as one file."""
    with path.open("wb") as file:
        for step in CORPORA[corpus](length):
            file.write(step)
