"""Which files are meant, and which goes where, when many are worked on one by one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import click

from strongroom.errors import SourceError, StrongroomError

SUFFIX = ".sealed"

Rename: TypeAlias = Callable[[str], str | None]
"""The target's name for a source's, or None for a file that is not to be touched."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file, by itself or below a folder that was named."""

    source: Path
    below: Path
    """Its path below the folder that was named; its name if it was named itself."""
    size: int


@dataclass(slots=True)
class Findings:
    """Regular files, and an error for all else that was met."""

    files: list[Found] = field(default_factory=list)
    errors: list[StrongroomError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Task:
    """One file to turn into another."""

    source: Path
    target: Path
    size: int


def is_many(inputs: tuple[Path, ...]) -> bool:
    """More than one file, or a folder."""
    return len(inputs) > 1 or is_folder(inputs[0])


def is_folder(path: Path) -> bool:
    """Whether path is a folder. What cannot be looked at is none; opening it will say why."""
    try:
        return path.is_dir()
    except OSError:
        return False


def size_of(path: Path) -> int:
    """Bytes, for a progress bar; 0 if they cannot be known."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def find(inputs: tuple[Path, ...]) -> Findings:
    """All regular files named or below what was named, sorted folder by folder.

    Links that are named are followed; links below a folder are left out, with an error.
    """
    findings = Findings()
    for named in inputs:
        if not is_folder(named):
            _add(findings, Path(os.path.realpath(named)), named, Path(named.name))
            continue
        for path in _below(named, findings):
            _add(findings, path, path, path.relative_to(named))
    return findings


def plan(findings: Findings, output: Path, rename: Rename) -> tuple[list[Task], list[Path]]:
    """What goes where below output, and what rename does not want touched.

    Raises a usage error where two files would get the same target.
    """
    tasks: list[Task] = []
    passed_over: list[Path] = []
    taken: dict[Path, Path] = {}
    for found in findings.files:
        name = rename(found.below.name)
        if name is None:
            passed_over.append(found.source)
            continue
        target = output / found.below.with_name(name)
        if target in taken:
            raise click.UsageError(f"{taken[target]} and {found.source} would both make {target}")
        taken[target] = found.source
        tasks.append(Task(found.source, target, found.size))
    return tasks, passed_over


def check_apart(inputs: tuple[Path, ...], output: Path) -> None:
    """Raise a usage error if output lies inside a folder that is read."""
    inside = Path(os.path.realpath(output))
    for named in inputs:
        if is_folder(named) and inside.is_relative_to(os.path.realpath(named)):
            raise click.UsageError(f"the output folder {output} lies inside {named}")


def _add(findings: Findings, path: Path, shown: Path, below: Path) -> None:
    try:
        status = path.lstat()
    except OSError as error:
        findings.errors.append(SourceError(f"reading {shown}: {error.strerror}"))
        return
    if stat.S_ISREG(status.st_mode):
        findings.files.append(Found(shown, below, status.st_size))
    else:
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        findings.errors.append(SourceError(f"left out {shown}: it is {kind}"))


def _below(folder: Path, findings: Findings) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        findings.errors.append(SourceError(f"reading {error.filename}: {error.strerror}"))

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(parent)
        links = [name for name in folders if (here / name).is_symlink()]
        folders.sort()
        yield from (here / name for name in sorted(names + links))
