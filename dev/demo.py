"""make demo: seal a folder of media, check it without a key, open it, compare, and damage it.

Everything runs in this one process beside a plain copy, so that the figures compare; what it
costs to start the program stands apart.
"""

from __future__ import annotations

import filecmp
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dev.console import ROOT, SetupError
from dev.demo_files import media
from dev.setup import check_disk
from strongroom import DamagedError, RootKey, open_file, scrub, seal_file

SCRATCH = ROOT / "build"
SEALED = ".sealed"


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage took: wall-clock seconds, and processor seconds in user mode."""

    name: str
    wall: float
    user: float


def main(arguments: list[str]) -> int:
    """Run the demo over the folder named, or over sample media."""
    sample = media(Path(arguments[0]).expanduser() if arguments else None)
    files = sorted(path for path in sample.folder.rglob("*") if path.is_file())
    total = sum(path.stat().st_size for path in files)
    if not files:
        raise SetupError(f"error: {sample.folder}: no files in it")
    print(f"\n{len(files)} files, {total / 1e6:,.0f} MB: {sample.origin}")
    check_disk(4 * total)
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo-", dir=SCRATCH) as folder:
        names = [path.relative_to(sample.folder) for path in files]
        stages = _work(sample.folder, names, Path(folder))
    _report(stages, total)
    print(f"starting the program and printing its version: {_start_up() * 1000:.0f} ms")
    return 0


def _work(media_folder: Path, names: list[Path], scratch: Path) -> list[Stage]:
    key = RootKey.generate()
    copies, sealed, opened = scratch / "copies", scratch / "sealed", scratch / "opened"
    roots: dict[Path, bytes] = {}

    def each(act: Callable[[Path], object]) -> None:
        for name in names:
            act(name)

    def copy(name: Path) -> None:
        shutil.copyfile(media_folder / name, _place(copies / name))
        _sync(copies / name)

    def seal(name: Path) -> None:
        target = _place(_sealed(sealed / name))
        roots[name] = seal_file(media_folder / name, target, key=key).root

    def check(name: Path) -> None:
        scrub(_sealed(sealed / name), root=roots[name])

    def open_again(name: Path) -> None:
        open_file(_sealed(sealed / name), _place(opened / name), key=key)

    each(lambda name: (media_folder / name).read_bytes())  # so that every stage finds it cached
    stages = [
        _timed("cp, made durable", lambda: each(copy)),
        _timed("seal", lambda: each(seal)),
        _timed("scrub, without a key", lambda: each(check)),
        _timed("open", lambda: each(open_again)),
    ]
    for name in names:
        if not filecmp.cmp(media_folder / name, opened / name, shallow=False):
            raise SetupError(f"error: {name} came back different")
    print(f"all {len(names)} files came back the same, byte for byte")
    _damage(_sealed(sealed / names[0]), scratch, key)
    return stages


def _damage(victim: Path, scratch: Path, key: RootKey) -> None:
    """Flip one bit in the middle of a sealed file and show that it is caught and named."""
    with victim.open("r+b") as file:
        middle = victim.stat().st_size // 2
        file.seek(middle)
        byte = file.read(1)[0]
        file.seek(middle)
        file.write(bytes([byte ^ 1]))
    print(f"one bit flipped at offset {middle:,} of {victim.name!r}:")
    attempts: list[tuple[str, Callable[[], object]]] = [
        ("scrub", lambda: scrub(victim)),
        ("open", lambda: open_file(victim, scratch / "must-not-appear", key=key)),
    ]
    for verb, attempt in attempts:
        try:
            attempt()
        except DamagedError as error:
            print(f"  {verb}: exit {error.exit_code}: {str(error).replace(str(scratch), '…')}")
        else:
            raise SetupError(f"error: {verb} did not notice the damage")
    if (scratch / "must-not-appear").exists():
        raise SetupError("error: a damaged file got its name")


def _report(stages: list[Stage], total: int) -> None:
    copy = stages[0]
    print(f"\n{'':<22}{'MB/s':>8}{'x cp time':>11}{'user CPU s/GB':>15}")
    for stage in stages:
        rate = total / 1e6 / stage.wall
        ratio = stage.wall / copy.wall
        print(f"{stage.name:<22}{rate:>8,.0f}{ratio:>11.2f}{stage.user / total * 1e9:>15.2f}")
    print()


def _timed(name: str, work: Callable[[], None]) -> Stage:
    user = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    start = time.perf_counter()
    work()
    wall = time.perf_counter() - start
    return Stage(name, wall, resource.getrusage(resource.RUSAGE_SELF).ru_utime - user)


def _start_up() -> float:
    """Seconds, the best of three."""
    command = [str(Path(sys.executable).with_name("strongroom")), "--version"]
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def _sealed(path: Path) -> Path:
    return path.with_name(path.name + SEALED)


def _place(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(str(error))
