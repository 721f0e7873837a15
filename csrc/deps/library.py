"""What a build needs to know to use one library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from csrc.deps.cache import Built
from csrc.deps.toolchain import Package


@dataclass(frozen=True, slots=True)
class Library:
    """A library to compile and link against; static when it has an archive."""

    name: str
    version: str
    include_dirs: tuple[Path, ...] = ()
    archives: tuple[Path, ...] = ()
    link_args: tuple[str, ...] = ()
    provenance: str = ""
    note: str = ""  # what is worse than it could be, if anything


def of_system(name: str, package: Package, *, note: str = "") -> Library:
    """The system's own, linked dynamically."""
    return Library(
        name=name,
        version=package.version,
        include_dirs=package.include_dirs,
        link_args=package.link_args,
        provenance="the system's, linked dynamically",
        note=note,
    )


def of_cache(name: str, built: Built) -> Library:
    """A static one, laid out as `install` in each library's module leaves it."""
    return Library(
        name=name,
        version=built.version,
        include_dirs=(built.folder / "include",),
        archives=tuple(sorted((built.folder / "lib").glob("*.a"))),
        provenance=(built.folder / "provenance").read_text().strip(),
    )
