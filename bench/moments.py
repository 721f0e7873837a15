"""python -m bench moments: what takes moments: reading at random places, starting up."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.corpora import MIB, write_file
from bench.processes import Case, interleave, put, ratio, say, spread
from strongroom import Opener, RootKey, seal_file

READ_LEN = 65536


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench moments", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="length of the file")
    parser.add_argument("--reads", type=int, default=300)
    parser.add_argument("--starts", type=int, default=15)
    parser.add_argument("--dir", type=Path, help="where to work; a tmpfs leaves the disk out")
    asked = parser.parse_args(arguments)
    for corpus in ("media", "text"):
        with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.dir) as folder:
            _seek(Path(folder), corpus, asked.mib * MIB, asked.reads)
    _start(asked.starts)
    return 0


def _seek(folder: Path, corpus: str, length: int, reads: int) -> None:
    plain, sealed = folder / "plain", folder / "sealed"
    key = RootKey.generate()
    write_file(plain, corpus, length)
    seal_file(plain, sealed, key=key)
    begun = time.perf_counter()
    with Opener(sealed, key=key) as file:
        opened = time.perf_counter() - begun
        taken = []
        for place in random.Random(1).choices(range(length - READ_LEN), k=reads):
            begun = time.perf_counter()
            file.seek(place)
            got = file.read(READ_LEN)
            taken.append(time.perf_counter() - begun)
            if len(got) != READ_LEN:
                raise ValueError("a read came back short")
    low, middle, high = spread(taken)
    late = sorted(taken)[int(0.99 * len(taken))]
    figures = {"seconds": middle, "spread": [low, high], "p99": late, "open_seconds": opened}
    put("moments", f"seek {corpus}", bytes=length, reads=reads, **figures)
    say(
        f"seek and read 64 KiB of {corpus}: {middle * 1e3:.2f} ms"
        f" ({low * 1e3:.2f} to {high * 1e3:.2f}, p99 {late * 1e3:.2f});"
        f" Opener {opened * 1e3:.1f} ms"
    )


def _start(rounds: int) -> None:
    program = Path(sys.executable).with_name("strongroom")
    commands: dict[str, list[str | Path]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "strongroom --version": [program, "--version"],
        "strongroom info": [program, "info"],
    }
    runs = interleave([Case(name, words, lambda: None) for name, words in commands.items()], rounds)
    for name, each in runs.items():
        low, middle, high = spread([run.wall for run in each])
        above = ratio(each, runs["python -c pass"])[1]
        put("moments", name, rounds=rounds, seconds=middle, spread=[low, high], of_python=above)
        say(f"{name:<22}{middle * 1e3:>6.0f} ms ({low * 1e3:.0f} to {high * 1e3:.0f})")
