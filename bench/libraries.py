"""Folders of files to back up: seeded, generated, never stored in the repository."""

from __future__ import annotations

import random
from pathlib import Path

from bench.corpora import CORPORA

SMALL_LEN = 8192
SMALL_A_FOLDER = 500
LARGE_LENGTHS = (1 << 16, 8 << 20)
"""Bytes of the shortest and the longest file of media or text."""
LARGE_A_FOLDER = 40


def write_library(folder: Path, corpus: str, length: int, files: int) -> tuple[int, int]:
    """Fill a folder with files small ones, or length bytes and a bit of media or text, no two files
    alike; (bytes, files)."""
    if corpus == "small":
        return _write_small(folder, files)
    draw = random.Random(2)
    written = number = 0
    while written < length:
        size = int(draw.uniform(*LARGE_LENGTHS))
        place = folder / f"album-{number // LARGE_A_FOLDER}"
        place.mkdir(parents=True, exist_ok=True)
        with (place / f"{number:04}.bin").open("wb") as file:
            for step in CORPORA[corpus](size, seed=3 + number):
                file.write(step)
        written += size
        number += 1
    return written, number


def _write_small(folder: Path, files: int) -> tuple[int, int]:
    noise = random.Random(1)
    for number in range(files):
        place = folder / f"{number // SMALL_A_FOLDER:04}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06}").write_bytes(noise.randbytes(SMALL_LEN))
    return files * SMALL_LEN, files
