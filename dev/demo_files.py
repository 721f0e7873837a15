"""A folder of real media for the demo: the user's, or a sample made once and cached."""

from __future__ import annotations

import heapq
import itertools
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from csrc.deps.apt import Apt, system_apt
from csrc.deps.cache import built
from csrc.deps.errors import DepsError
from csrc.deps.toolchain import run
from dev.console import SetupError, step
from dev.setup import GIB, check_disk

ENOUGH_LEN = 512 << 20
SAMPLE_LEN = 2 * GIB  # the download, what it unpacks to, and the sample itself

# Music first, then pictures; each release of a distribution has some of them.
PACKAGES = (
    "wesnoth-1.16-music",
    "wesnoth-1.18-music",
    "wesnoth-1.14-music",
    "plasma-workspace-wallpapers",
    "ubuntu-wallpapers",
)
SUFFIXES = {".ogg", ".opus", ".mp3", ".flac", ".jpg", ".jpeg", ".png", ".webp"}
LOCAL_FOLDERS = (Path("/usr/share"), Path("/usr/lib"))
LOCAL_COUNT = 2000


@dataclass(frozen=True, slots=True)
class Sample:
    """A folder to back up, and in words what is in it."""

    folder: Path
    origin: str


def media(given: Path | None) -> Sample:
    """The folder the user named, else a cached one of 512 MiB or more."""
    if given is not None:
        if not given.is_dir():
            raise SetupError(f"error: {given}: no such folder")
        return Sample(given, "your folder")
    try:
        return _cached("packaged", "\n".join(PACKAGES), _from_packages)
    except DepsError:
        return _cached("local", "largest files", _from_this_machine)


def _cached(kind: str, recipe: str, make: Callable[[Path], str]) -> Sample:
    found = built(f"media-{kind}", f"{recipe}\n{ENOUGH_LEN}", make, shelf="demo")
    return Sample(found.folder, found.version)


def _from_packages(out: Path) -> str:
    """Fill `out` from the first package that the mirror has; return its name."""
    check_disk(SAMPLE_LEN)
    with step("sample media"), system_apt() as apt:
        deb, package = _first_package(apt)
        unpacked = out.parent / "unpacked"
        unpacked.mkdir()
        run(["dpkg-deb", "-x", deb, unpacked])
        _repeat(_media_files(unpacked), out)
        return package


def _first_package(apt: Apt) -> tuple[Path, str]:
    for package in PACKAGES:
        try:
            return apt.download(package), package
        except DepsError:
            continue
    raise DepsError("no media package on this machine's mirror")


def _from_this_machine(out: Path) -> str:
    """Fill `out` with the largest files that every system has."""
    check_disk(SAMPLE_LEN)
    with step("sample of local files"):
        files = (path for folder in LOCAL_FOLDERS for path in folder.rglob("*"))
        largest = heapq.nlargest(LOCAL_COUNT, ((_length(path), path) for path in files))
        _repeat([path for length, path in largest if length > 0], out)
        return "local-files"


def _length(path: Path) -> int:
    """Bytes of a regular file that we may read; 0 for anything else."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    readable = stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK)
    return status.st_size if readable else 0


def _media_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _repeat(files: list[Path], out: Path) -> None:
    """Copy files, again under other names once all are copied, until there is enough."""
    if not files:
        raise DepsError("no media found")
    copied = 0
    for turn in itertools.count(1):
        for index, path in enumerate(files):
            folder = out / f"set-{turn}"
            folder.mkdir(exist_ok=True)
            copied += shutil.copyfile(path, folder / f"{index:04}-{path.name}").stat().st_size
            if copied >= ENOUGH_LEN:
                return
