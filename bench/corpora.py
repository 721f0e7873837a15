"""Data to measure with: seeded, generated, never stored in the repository."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MIB = 1 << 20
STEP_LEN = MIB
WORDS = 20_000


def media(length: int, seed: int = 1) -> Iterator[bytes]:
    """Incompressible bytes, as media is once encoded."""
    generator = random.Random(seed)
    for at in range(0, length, STEP_LEN):
        yield generator.randbytes(min(STEP_LEN, length - at))


def text(length: int, seed: int = 1) -> Iterator[bytes]:
    """Words with the frequencies of a language (Zipf), which zstd shrinks to about a third."""
    generator = np.random.Generator(np.random.PCG64(seed))
    words, up_to = _vocabulary()
    for at in range(0, length, STEP_LEN):
        chosen = np.searchsorted(up_to, generator.random(STEP_LEN // 4))
        step = b" ".join([words[each] for each in chosen.tolist()])
        yield step[: min(STEP_LEN, length - at)]


@cache
def _vocabulary() -> tuple[list[bytes], NDArray[np.float64]]:
    """Words, and up to which of equally likely numbers below one each is meant."""
    words = [hashlib.sha256(b"%d" % i).hexdigest()[: 2 + i % 9].encode() for i in range(WORDS)]
    weights = 1 / np.arange(1, WORDS + 1)
    return words, np.cumsum(weights)[:-1] / np.sum(weights)


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
