"""Where the sources of a library come from. Each way checks a hash or a signature."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from csrc.deps.apt import Apt, newer_suites
from csrc.deps.errors import DepsError
from csrc.deps.toolchain import run

TIMEOUT_S = 10
BLOCK_LEN = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A source tree, and in words where it came from."""

    folder: Path
    origin: str


# Unpacks into an empty folder. Raises DepsError when this way leads nowhere.
Source = Callable[[Path], Unpacked]


@dataclass(frozen=True, slots=True)
class Release:
    """A release of upstream, pinned by its hash."""

    url: str
    sha256: str


def first_of(sources: Sequence[Source], scratch: Path) -> Unpacked:
    """The first source that works. Raises DepsError with the reasons of all that do not."""
    reasons = []
    for index, source in enumerate(sources):
        folder = scratch / str(index)
        folder.mkdir(parents=True)
        try:
            return source(folder)
        except DepsError as error:
            reasons.append(str(error))
    raise DepsError("\n".join(reasons))


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tarball(path: Path) -> Source:
    """A tarball the user vouches for by naming it."""

    def unpack(into: Path) -> Unpacked:
        if not path.is_file():
            raise DepsError(f"{path}: no such file")
        return Unpacked(_untar(path, into), f"tarball {path.name}, SHA-256 {file_sha256(path)}")

    return unpack


def upstream(release: Release) -> Source:
    """Upstream's own release, refused unless it has the pinned hash."""

    def unpack(into: Path) -> Unpacked:
        archive = into / release.url.rsplit("/", 1)[-1]
        try:
            _download(release.url, archive)
        except (OSError, http.client.HTTPException) as error:
            raise DepsError(f"{release.url}: {error}") from error
        found = file_sha256(archive)
        if found != release.sha256:
            raise DepsError(f"{release.url}: refused, SHA-256 is {found}, not {release.sha256}")
        return Unpacked(_untar(archive, into), f"upstream's release, SHA-256 {found}")

    return unpack


def debian_source(package: str, *, upstream_version: str) -> Source:
    """Upstream's tarball in a newer suite's source package, of a version matching a glob."""
    pattern = f"{package}_{upstream_version}.orig.tar.?z*"

    def unpack(into: Path) -> Unpacked:
        def fetch(apt: Apt) -> Unpacked:
            for path in apt.source(package):
                if path.match(pattern) and path.suffix != ".asc":
                    return Unpacked(_untar(path, into), _by_apt(path))
            raise DepsError(f"no {pattern} in this suite")

        return _first_suite(fetch)

    return unpack


def debian_files(package: str) -> Source:
    """The files of a newer suite's binary package."""

    def unpack(into: Path) -> Unpacked:
        def fetch(apt: Apt) -> Unpacked:
            deb = apt.download(package)
            run(["dpkg-deb", "-x", deb, into])
            return Unpacked(into, _by_apt(deb))

        return _first_suite(fetch)

    return unpack


def _first_suite(fetch: Callable[[Apt], Unpacked]) -> Unpacked:
    reasons = []
    with newer_suites() as suites:
        for apt in suites:
            try:
                return fetch(apt)
            except DepsError as error:
                reasons.append(str(error))
    raise DepsError("; ".join(reasons) or "apt: no mirror of a known distribution")


def _by_apt(path: Path) -> str:
    return f"{path.name} by apt, SHA-256 {file_sha256(path)}"


def _download(url: str, to: Path) -> None:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, to.open("wb") as file:  # noqa: S310
        while block := response.read(BLOCK_LEN):
            file.write(block)


def _untar(archive: Path, into: Path) -> Path:
    """Unpack, and return the one folder that a release tarball holds."""
    run(["tar", "--no-same-owner", "-xf", archive.resolve(), "-C", into])
    folders = [each for each in into.iterdir() if each.is_dir()]
    if len(folders) != 1:
        raise DepsError(f"{archive.name}: expected one folder in it, found {len(folders)}")
    return folders[0]
