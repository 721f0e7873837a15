"""Which files are meant, and which goes where, when many are worked on one by one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import click

from strongroom.errors import SourceError, StrongroomError
from strongroom.ops.source import identity_of

SUFFIX = ".sealed"

Rename: TypeAlias = Callable[[str], str]
"""The target's name for a source's."""


class Found(NamedTuple):
    """A regular file, by itself or below a folder that was named."""

    source: Path
    below: Path
    """Its path below the folder that was named; its name if it was named itself."""
    size: int
    identity: tuple[int, int]
    named: bool
    """By itself, not by a folder it is in."""


class Findings:
    """Regular files, and an error for all else that was met."""

    def __init__(self) -> None:
        self.files: list[Found] = []
        self.errors: list[StrongroomError] = []
        self.passed_over: list[Path] = []
        """Files in folders that are none of our business."""


class Task(NamedTuple):
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


def find(inputs: tuple[Path, ...], *, suffix: str = "") -> Findings:
    """All regular files named or below what was named, sorted folder by folder.

    suffix: what names must end in. Files in folders that do not are passed over; to name one is
    an error. Links that are named are followed; links below a folder are left out, with an
    error. Raises SourceError when there is nothing at all.
    """
    findings = Findings()
    for named in inputs:
        if not is_folder(named):
            _add(findings, named, Path(named.name), named=True)
            continue
        for path in _below(named, findings):
            _add(findings, path, path.relative_to(named), named=False)
    findings.files, others = _partition(findings.files, suffix)
    for found in others:
        if found.named:
            message = f"left out {found.source}: its name does not end in {suffix}"
            findings.errors.append(SourceError(message))
        else:
            findings.passed_over.append(found.source)
    if not findings.files and not findings.errors:
        raise SourceError(f"found no file in {', '.join(map(str, inputs))}")
    return findings


def plan(findings: Findings, output: Path, rename: Rename) -> list[Task]:
    """What goes where below output.

    Raises a usage error where two files would get the same target, or one would replace another.
    """
    tasks: list[Task] = []
    taken: dict[Path, Path] = {}
    sources = {found.identity: found.source for found in findings.files}
    for found in findings.files:
        target = output / found.below.with_name(rename(found.below.name))
        if target in taken:
            raise click.UsageError(f"{taken[target]} and {found.source} would both make {target}")
        existing = _identity(target)
        if existing in sources:
            raise click.UsageError(
                f"{found.source} would become {target}, which is the input {sources[existing]}"
            )
        taken[target] = found.source
        tasks.append(Task(found.source, target, found.size))
    return tasks


def check_apart(inputs: tuple[Path, ...], output: Path) -> None:
    """Raise a usage error if output lies inside a folder that is read."""
    inside = Path(os.path.realpath(output))
    for named in inputs:
        if is_folder(named) and inside.is_relative_to(os.path.realpath(named)):
            raise click.UsageError(f"the output folder {output} lies inside {named}")


def _partition(files: list[Found], suffix: str) -> tuple[list[Found], list[Found]]:
    """Those with more to their name than the suffix, and the others."""
    wanted: list[Found] = []
    others: list[Found] = []
    for found in files:
        stem = found.source.name.removesuffix(suffix)
        fits = stem != "" and stem + suffix == found.source.name
        (wanted if fits else others).append(found)
    return wanted, others


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        return identity_of(path.stat())
    except OSError:
        return None


def _add(findings: Findings, path: Path, below: Path, *, named: bool) -> None:
    try:
        status = path.stat() if named else path.lstat()
    except OSError as error:
        findings.errors.append(SourceError(f"reading {path}: {error.strerror}"))
        return
    if stat.S_ISREG(status.st_mode):
        findings.files.append(Found(path, below, status.st_size, identity_of(status), named))
    else:
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        findings.errors.append(SourceError(f"left out {path}: it is {kind}"))


def _below(folder: Path, findings: Findings) -> Iterator[Path]:
    """Everything below that is not a folder. A stack of our own: folders may be nested deeper
    than Python calls may."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            findings.errors.append(SourceError(f"reading {here}: {error.strerror}"))
            continue
        folders = [entry for entry in found if entry.is_dir(follow_symlinks=False)]
        waiting.extend(Path(entry.path) for entry in reversed(folders))
        yield from (Path(e.path) for e in found if not e.is_dir(follow_symlinks=False))
