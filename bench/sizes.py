"""python -m bench sizes: sealing a pipe into a pipe, short inputs and long ones.

The source is generated, the sink counts and drops: nothing but the programs themselves can grow.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from bench.corpora import CORPORA, MIB
from bench.processes import Measured, Run, put, say, spread
from bench.quiet import undisturbed
from strongroom import RootKey

NOISE_LEN = 64 * MIB


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench sizes", description=__doc__)
    parser.add_argument("--mib", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--text-mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    program = Path(sys.executable).with_name("strongroom")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        key = Path(folder) / "key"
        key.touch(mode=0o600)
        key.write_text(RootKey.generate().to_digits())
        seal: list[str | Path] = [program, "seal", "--key-file", key, "-", "-o", "-"]
        open_: list[str | Path] = [program, "open", "--key-file", key, "-", "-o", "-"]
        noise = random.Random(1).randbytes(NOISE_LEN)
        words = b"".join(CORPORA["text"](min(NOISE_LEN, 16 * MIB)))
        sizes = [("media", size) for size in asked.mib] + [("text", asked.text_mib)]
        runs: dict[tuple[str, int], list[list[Run]]] = {size: [] for size in sizes}
        for _ in range(asked.rounds):
            for corpus, size in sizes:
                data = noise if corpus == "media" else words
                commands = [seal] if corpus == "media" else [seal, open_]
                run = partial(chain, commands, data, size * MIB)
                runs[corpus, size].append(undisturbed(run))
    for (corpus, size), each in runs.items():
        _report(corpus, size, each)
    return 0


def _report(corpus: str, size: int, runs: list[list[Run]]) -> None:
    names = ["seal", "open"][: len(runs[0])]
    low, middle, high = spread([size * MIB / run[0].wall / 1e6 for run in runs])
    peaks = {
        f"{name}_peak_kib": max(run[number].peak_kib for run in runs)
        for number, name in enumerate(names)
    }
    figures = {"mb_per_s": middle, "spread": [low, high], **peaks}
    case = f"{corpus} {size} MiB: {' | '.join(names)}"
    put("sizes", case, corpus=corpus, bytes=size * MIB, rounds=len(runs), **figures)
    peak = ", ".join(f"{name} {value / 1024:.0f} MiB" for name, value in peaks.items())
    say(f"{case:<32}{middle:>8,.0f} MB/s ({low:,.0f} to {high:,.0f})   {peak}")


def chain(commands: Sequence[Sequence[str | Path]], data: bytes, length: int) -> list[Run]:
    """Run commands as a pipeline over length bytes, data again and again. Raises
    CalledProcessError."""
    reading, feeding = os.pipe()
    with ExitStack() as stack:
        processes = []
        for command in commands:
            next_reading, writing = os.pipe()
            processes.append(stack.enter_context(Measured(command, stdin=reading, stdout=writing)))
            os.close(reading)
            os.close(writing)
            reading = next_reading
        feeder = threading.Thread(target=_feed, args=(feeding, data, length))
        feeder.start()
        _drop(reading)
        feeder.join()
        return [process.run() for process in processes]


def _feed(fd: int, data: bytes, length: int) -> None:
    # Who stopped reading says why by its exit code.
    with suppress(BrokenPipeError), open(fd, "wb", 0) as pipe, memoryview(data) as view:
        left = length
        while left > 0:
            at = (length - left) % len(data)
            left -= pipe.write(view[at : min(at + MIB, at + left, len(data))])


def _drop(fd: int) -> None:
    room = bytearray(MIB)
    with open(fd, "rb", 0) as pipe:
        while pipe.readinto(room):
            pass
