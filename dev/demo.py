"""make demo: back up a media library, change it, check it without a key, lose the password, restore
it with the 64 digits, compare, let a vault bring the key back, and damage it.

Every step is the command that a user would give, beside `cp -r` of the same library.
"""

from __future__ import annotations

import filecmp
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dev import demo_vault
from dev.console import ROOT, SetupError
from dev.demo_files import media
from dev.setup import check_disk

SCRATCH = ROOT / "build"
STRONGROOM = Path(sys.executable).with_name("strongroom")
NOISE_COUNT, NOISE_LEN = 6, 100 << 20
STEP_LEN = 1 << 20
DAMAGED = 13


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage took: wall-clock seconds, and processor seconds in user mode."""

    name: str
    wall: float
    user: float


def main(arguments: list[str]) -> int:
    """Run the demo over the folder named, or over sample media."""
    sample = media(Path(arguments[0]).expanduser() if arguments else None)
    length = _length(sample.folder) + NOISE_COUNT * NOISE_LEN
    print(f"\n{sample.origin}, and {NOISE_COUNT * NOISE_LEN >> 20} MiB of seeded noise")
    check_disk(4 * length)
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo-", dir=SCRATCH) as name:
        folder = Path(name)
        shutil.copytree(sample.folder, folder / "library/media", symlinks=True)
        _write_noise(folder / "library/noise")
        os.chdir(folder)  # so that the commands printed are short
        _report(_stages(folder), _length(folder / "library"))
        demo_vault.scene(folder)
        _damage(folder)
    return 0


def _stages(folder: Path) -> list[Stage]:
    (folder / "password").write_text("correct horse battery staple\n")
    secret = ["--password-file", "password"]
    made = _strongroom("init", "-r", "repository", *secret, "--digits-out", "digits")
    print(f"the key begins with {(folder / 'digits').read_text()[:4]}, 60 more digits follow")
    copied = _timed("cp -r, made durable", ["sh", "-c", "cp -r library copy && sync -f copy"])
    shutil.rmtree(folder / "copy")
    stages = [copied, _backup("backup", secret)]
    _change(folder / "library")
    stages.append(_backup("backup, a few changed", secret))
    _strongroom("snapshots", "-r", "repository", *secret)
    _strongroom("stats", "-r", "repository", *secret)
    stages.append(_timed("scrub, without a key", [STRONGROOM, "scrub", "-r", "repository"]))
    (folder / "password").unlink()
    print("\nthe password is lost; the digits are not")
    digits = ["--key-file", "digits"]
    stages.append(_timed("verify --data", _command("verify", *digits, "--data")))
    stages.append(_timed("restore", _command("restore", *digits, "latest", "--target", "restored")))
    count = _compare(folder / "library", folder / "restored/library")
    print(f"all {count} files came back the same, byte for byte")
    return [*stages, made]


def _backup(name: str, secret: Sequence[str]) -> Stage:
    return _timed(name, _command("backup", *secret, "library"))


def _command(verb: str, *words: str) -> list[str | Path]:
    return [STRONGROOM, verb, "-r", "repository", *words]


def _strongroom(*words: str) -> Stage:
    return _timed(words[0], [STRONGROOM, *words])


def _timed(name: str, command: Sequence[str | Path]) -> Stage:
    """Run a command on this terminal, so that its progress shows."""
    print(f"\n$ {' '.join([Path(command[0]).name, *map(str, command[1:])])}", flush=True)
    user = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    start = time.perf_counter()
    code = subprocess.run(command, check=False).returncode
    wall = time.perf_counter() - start
    if code != 0:
        raise SetupError(f"error: exit {code}")
    return Stage(name, wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - user)


def _change(library: Path) -> None:
    """One file longer, one renamed, one removed, one new."""
    files = sorted(path for path in (library / "media").rglob("*") if path.is_file())
    with files[0].open("ab") as file:
        file.write(b"more")
    if len(files) > 2:
        files[1].rename(files[1].with_name("renamed-" + files[1].name))
        files[2].unlink()
    (library / "new file").write_text("not there the first time\n")


def _compare(one: Path, other: Path) -> int:
    """How many files there are. Raises SetupError unless both trees hold the same."""
    files = [path for path in sorted(one.rglob("*")) if path.is_file() and not path.is_symlink()]
    for path in files:
        if not filecmp.cmp(path, other / path.relative_to(one), shallow=False):
            raise SetupError(f"error: {path} came back different")
    return len(files)


def _damage(folder: Path) -> None:
    """Flip one bit of a segment; it is noticed without a key, and the files it hurts are named."""
    victim = max((folder / "repository").glob("segments/*/*"), key=lambda path: path.stat().st_size)
    middle = victim.stat().st_size // 2
    victim.chmod(0o600)
    with victim.open("r+b") as file:
        file.seek(middle)
        byte = file.read(1)[0]
        file.seek(middle)
        file.write(bytes([byte ^ 1]))
    print(f"one bit flipped at offset {middle:,} of {victim.relative_to(folder)}:")
    for words in (["scrub"], ["verify", "--key-file", "digits", "--data"]):
        print(f"\n$ strongroom {words[0]} -r repository {' '.join(words[1:])}", flush=True)
        done = subprocess.run(_command(words[0], *words[1:]), check=False)
        if done.returncode != DAMAGED:
            raise SetupError(f"error: exit {done.returncode} where damage was to be noticed")
        print(f"exit {done.returncode}")


def _report(stages: list[Stage], total: int) -> None:
    copy = stages[0]
    print(f"\n{'':<24}{'seconds':>8}{'MB/s':>8}{'x cp':>9}{'user CPU s/GB':>15}")
    for stage in stages:
        print(
            f"{stage.name:<24}{stage.wall:>8.2f}{total / 1e6 / stage.wall:>8,.0f}"
            f"{stage.wall / copy.wall:>9.2f}{stage.user / total * 1e9:>15.2f}"
        )
    print("init stretches the password (256 MiB of memory); so does every command given it\n")


def _length(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _write_noise(folder: Path) -> None:
    folder.mkdir()
    generator = random.Random(1)  # noqa: S311
    for number in range(NOISE_COUNT):
        with (folder / f"noise-{number}").open("wb") as file:
            for _ in range(0, NOISE_LEN, STEP_LEN):
                file.write(generator.randbytes(STEP_LEN))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(str(error))
