"""python -m bench interrupted: a first backup killed in the middle, and gone on with.

A library is generated, backed up until so much of it was read, killed (SIGKILL), and backed up
again; then verified, and restored once the library is gone, as its room may be needed. What each
process read is what the kernel counted. Prints a table on stderr and JSON lines on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.corpora import MIB
from bench.processes import put, say
from strongroom import RootKey

FILE_MIB = (1, 256)
"""The shortest and the longest file."""
LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """One run of the program. read counts what came from files, cached or not."""

    seconds: float
    read: int
    peak_mib: float
    code: int


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench interrupted", description=__doc__)
    parser.add_argument("--mib", type=int, default=20 * 1024, help="of the library")
    parser.add_argument("--share", type=float, default=0.55, help="of it read when it is killed")
    parser.add_argument("--dir", type=Path, help="where to work; needs a bit over twice the room")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.dir) as folder:
        _measure(Path(folder), asked.mib * MIB, asked.share)
    return 0


def _measure(folder: Path, length: int, share: float) -> None:
    library = folder / "library"
    _write(library, length)
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_text(RootKey.generate().to_digits())
    strongroom = Path(sys.executable).with_name("strongroom")
    at = ["-r", str(folder / "repo"), "--key-file", str(key), "-q"]

    def program(verb: str, *words: str | Path, kill_at: int | None = None) -> Process:
        command = [str(word) for word in (strongroom, verb, *at, *words)]
        done = _run(command, kill_at)
        put("interrupted", verb, bytes=length, share=share, **asdict(done))
        say(
            f"{verb:<10}{done.seconds:>9.1f} s   read {done.read / MIB:>9,.0f} MiB"
            f"   peak {done.peak_mib:>5,.0f} MiB   {'killed' if kill_at else f'exit {done.code}'}"
        )
        return done

    program("init")
    first = program("backup", library, kill_at=int(length * share))
    partial = _partial([str(strongroom), "snapshots", *at, "--json"])
    second = program("backup", library)
    again = first.read + second.read - length
    put("interrupted", "read again", bytes=again, of=length, partial_bytes=partial)
    say(f"the partial snapshot held {partial / MIB:,.0f} MiB; read twice: {again / MIB:,.0f} MiB")
    program("backup", library)
    program("verify", "--data")
    shutil.rmtree(library)
    program("restore", "latest", "--target", folder / "out")
    restored = sum(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file())
    say(f"restored {restored / MIB:,.0f} of {length / MIB:,.0f} MiB")


def _write(library: Path, length: int) -> None:
    """Incompressible files of all lengths between the two, no two alike."""
    noise = np.random.Generator(np.random.SFC64(1))
    number = 0
    while length > 0:
        size = min(length, int(noise.integers(*FILE_MIB, endpoint=True)) * MIB)
        place = library / f"{number // 40:03}"
        place.mkdir(parents=True, exist_ok=True)
        with (place / f"{number:05}.mov").open("wb") as file:
            for _ in range(size // MIB):
                file.write(noise.bytes(MIB))
        length -= size
        number += 1


def _run(command: Sequence[str], kill_at: int | None) -> Process:
    """kill_at: bytes read at which it is killed."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if kill_at is not None and _read_by(process.pid) >= kill_at:
            process.send_signal(signal.SIGKILL)
        time.sleep(LOOK_S)
    read = _read_by(process.pid)  # it has ended, and is not yet waited for
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code != (0 if kill_at is None else -signal.SIGKILL):
        raise subprocess.CalledProcessError(code, command)
    return Process(time.perf_counter() - begun, read, usage.ru_maxrss / 1024, code)


def _read_by(pid: int) -> int:
    fields = Path(f"/proc/{pid}/io").read_text("ascii").split()
    return int(fields[fields.index("rchar:") + 1])


def _partial(command: Sequence[str]) -> int:
    """Bytes of the files in the snapshot that the log has."""
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return max((int(line.get("bytes", 0)) for line in lines if line.get("partial")), default=0)
