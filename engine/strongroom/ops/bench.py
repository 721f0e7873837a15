"""How fast this machine does each step of sealing, and which one limits it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path
from typing import IO

from strongroom import _core
from strongroom.errors import LimitError, TargetError
from strongroom.keys.rootkey import RootKey
from strongroom.ops.open import open_into
from strongroom.ops.seal import DEFAULT_LEVEL, seal_descriptor, seal_into, sealed_length
from strongroom.ops.source import Source
from strongroom.ops.threads import thread_limit

MIB = 1 << 20

_MEMORY_LEN = 64 * MIB
_TEXT_LEN = 16 * MIB
_ENOUGH = 0.4
"""Seconds after which a step in memory has been repeated often enough."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step, by itself."""

    name: str
    about: str
    length: int
    """Bytes of plaintext it went over."""
    seconds: float

    @property
    def rate(self) -> float:
        """MB/s, of 10^6 bytes."""
        return self.length / self.seconds / 1e6


@dataclass(frozen=True, slots=True)
class Limit:
    """What sealing media on this machine waits for."""

    stage: str
    rate: float
    """MB/s, of 10^6 bytes."""
    words: str


def measure(folder: Path, *, length: int, threads: int | None = None) -> Iterator[Stage]:
    """Measure step by step, in files of `length` bytes that have no names and vanish with the
    process. Raises TargetError, LimitError when there is no room for two of them."""
    doing = f"measuring in {folder}"
    limit = thread_limit(threads)
    with _explained(doing):
        free = shutil.disk_usage(folder).free
    if free < 2 * length + length // 8:
        raise LimitError(
            f"{doing}: two files of {length // MIB} MiB need more room than the"
            f" {free // MIB} MiB there are",
            hint="name another folder with --dir, or less with --mib",
        )
    noise = bytearray(b"".join(os.urandom(MIB) for _ in range(min(length, _MEMORY_LEN) // MIB)))
    with _explained(doing), tempfile.TemporaryFile(dir=folder) as file:
        yield _write(file, noise, length)
        yield _read(file, length)
        yield from _in_memory(noise, threads, limit)
        yield _whole(file, folder, length, threads)


def limit_of(stages: Sequence[Stage]) -> Limit:
    """The slowest of the steps that sealing media overlaps."""
    rates = {stage.name: stage.rate for stage in stages}
    slowest = min(("read", "seal", "write"), key=rates.__getitem__)
    core, rate = rates["seal"], rates[slowest]
    words = {
        "read": f"reading limits this machine, to {rate:,.0f} MB/s",
        "write": f"writing limits this machine, to {rate:,.0f} MB/s",
        "seal": f"the processor limits this machine, to {rate:,.0f} MB/s",
    }[slowest]
    if slowest != "seal":
        words += f"; its processor could seal {core:,.0f} MB/s"
    if rates["compress"] < rate:
        words += f"; what compresses goes at {rates['compress']:,.0f} MB/s"
    return Limit(slowest, rate, f"{words}.")


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(f"{doing}: {error.strerror}") from None


def _write(file: IO[bytes], noise: bytearray, length: int) -> Stage:
    begun = time.perf_counter()
    with memoryview(noise) as view:
        for at in range(0, length, MIB):
            place = at % len(view)
            file.write(view[place : place + MIB])
    file.flush()
    os.fsync(file.fileno())
    return Stage("write", "a new file, to the disk", length, time.perf_counter() - begun)


def _read(file: IO[bytes], length: int) -> Stage:
    room = bytearray(MIB)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    begun = time.perf_counter()
    for at in range(0, length, MIB):
        os.preadv(file.fileno(), [room], at)
    about = "that file again, from the disk if the system agrees"
    return Stage("read", about, length, time.perf_counter() - begun)


def _in_memory(noise: bytearray, threads: int | None, limit: int) -> Iterator[Stage]:
    key = RootKey.generate()
    sealed = bytearray(sealed_length(len(noise)))
    plain = bytearray(len(noise))
    doing = "measuring in memory"

    def seal(data: bytearray, level: int) -> int:
        return seal_into(
            data, sealed, key=key, level=level, pad=False, threads=threads
        ).stored_bytes

    stored = seal(noise, 0)
    header = _core.parse_header(bytes(sealed[: _core.HEADER_LEN]), doing=doing)
    with memoryview(sealed)[:stored] as whole, whole[_core.HEADER_LEN :] as rest:
        yield _repeat(
            "hash",
            "checking in memory, as scrub does",
            len(noise),
            lambda: _core.scrub(header, rest, doing=doing, threads=limit),
        )
        yield _repeat(
            "open",
            "decrypting and checking in memory",
            len(noise),
            lambda: open_into(whole, plain, key=key, threads=threads),
        )
    yield _repeat(
        "seal", "encrypting and hashing in memory", len(noise), lambda: seal(noise, DEFAULT_LEVEL)
    )
    text = _text(min(_TEXT_LEN, len(noise)))
    about = f"text in memory at level {DEFAULT_LEVEL}, encrypted and hashed too"
    yield _repeat("compress", about, len(text), lambda: seal(text, DEFAULT_LEVEL))


def _whole(file: IO[bytes], folder: Path, length: int, threads: int | None) -> Stage:
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    source = Source.of_descriptor(file.fileno())
    with tempfile.TemporaryFile(dir=folder) as target:
        begun = time.perf_counter()
        seal_descriptor(
            source,
            target.fileno(),
            key=RootKey.generate(),
            level=DEFAULT_LEVEL,
            pad=True,
            doing=f"measuring in {folder}",
            threads=threads,
        )
        os.fsync(target.fileno())
        return Stage("file", "sealing that file into another", length, time.perf_counter() - begun)


def _repeat(name: str, about: str, length: int, step: Callable[[], object]) -> Stage:
    step()
    count, begun = 0, time.perf_counter()
    while (taken := time.perf_counter() - begun) < _ENOUGH or count == 0:
        step()
        count += 1
    return Stage(name, about, length * count, taken)


def _text(length: int) -> bytearray:
    """Numbers in words: what zstd shrinks about as it does prose."""
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    numbers = (number * 2_654_435_761 % 2**32 for number in range(MIB // 32))
    words = chain.from_iterable((digits[int(digit)] for digit in str(n)) for n in numbers)
    block = " ".join(words).encode()[:MIB]
    return bytearray(b"".join(islice(repeat(block), length // MIB)))
