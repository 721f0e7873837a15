"""Fetch packages through apt without touching the system's own apt state.

Everything apt writes goes to a temporary folder: lists, caches and downloads.
The mirror is the one this machine is set up for, the check of signatures is
apt's own, and no step needs root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from csrc.deps.errors import DepsError

TIMEOUT_S = 10
OPTIONS = {
    "Acquire::http::Timeout": TIMEOUT_S,
    "Acquire::https::Timeout": TIMEOUT_S,
    "Acquire::Retries": 1,
    "Acquire::Languages": "none",
    "APT::Default-Release": "",  # the user's may name a suite our lists do not hold
    "Dir::Etc::Preferences": "/dev/null",
    "Dir::Etc::PreferencesParts": "/dev/null",
}


@dataclass(frozen=True, slots=True)
class Distribution:
    """What to ask the mirrors of one distribution for, newest needs first. A suite of security
    updates often keeps an older file longer than a mirror takes to get the newest one."""

    suites: tuple[str, ...]
    security: tuple[str, ...]
    components: str
    keyring: Path


# By the Origin that a repository's signed Release file states.
DISTRIBUTIONS = {
    "Debian": Distribution(
        suites=("trixie", "forky"),
        security=("trixie-security",),
        components="main",
        keyring=Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    ),
    "Ubuntu": Distribution(
        suites=("resolute", "questing"),
        security=("resolute-security", "questing-security"),
        components="main universe",
        keyring=Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
    ),
}


@dataclass(frozen=True, slots=True)
class Mirror:
    """A repository this machine's apt is set up for."""

    uri: str
    origin: str
    security: bool = False

    @property
    def suites(self) -> tuple[str, ...]:
        """Newer suites to look for on it."""
        distribution = DISTRIBUTIONS[self.origin]
        return distribution.security if self.security else distribution.suites


def sources_text(mirror: Mirror, suite: str) -> str:
    """One sources.list for another suite of the same mirror, signatures checked as ever."""
    distribution = DISTRIBUTIONS[mirror.origin]
    keyring = distribution.keyring
    signed_by = f"[signed-by={keyring}] " if keyring.exists() else ""
    entry = f"{signed_by}{mirror.uri} {suite} {distribution.components}"
    return f"deb {entry}\ndeb-src {entry}\n"


class Apt:
    """apt-get with all its state in `folder`; without `sources`, the system's sources."""

    def __init__(self, folder: Path, *, sources: str | None = None) -> None:
        self._folder = folder
        self._downloads = folder / "downloads"
        for each in (folder / "lists/partial", folder / "cache/archives/partial", self._downloads):
            each.mkdir(parents=True)
        for each in (self._downloads, folder / "cache/archives/partial"):
            _give_to_sandbox(each)
        options = dict(OPTIONS)
        options["Dir::State::Lists"] = str(folder / "lists")
        options["Dir::Cache"] = str(folder / "cache")
        if sources is not None:
            (folder / "sources.list").write_text(sources)
            options["Dir::Etc::SourceList"] = str(folder / "sources.list")
            options["Dir::Etc::SourceParts"] = "/dev/null"
        self._options = [f"-o{key}={value}" for key, value in options.items()]

    def update(self) -> None:
        """Refresh the lists; a single source that fails leaves the others usable."""
        self._run("update", check=False)

    def download(self, package: str) -> Path:
        """The .deb of `package`, verified by apt. Raises DepsError when there is none."""
        self._run("download", package)
        return max(self._downloads.glob(f"{package}_*.deb"))

    def closure(self, package: str) -> list[Path]:
        """The .debs of `package` and of all it needs, the C library too: as if none were installed.
        Raises DepsError when that cannot be had."""
        nothing = self._folder / "status"
        nothing.touch()
        archives = self._folder / "cache/archives"
        for stale in archives.glob("*.deb"):
            stale.unlink()
        options = [f"-oDir::State::Status={nothing}", "--no-install-recommends", "--yes"]
        self._run(*options, "--download-only", "install", package)
        return sorted(archives.glob("*.deb"))

    def source(self, package: str) -> list[Path]:
        """Upstream's files in source package `package`, each verified by apt, not unpacked.
        Debian's changes to them are not asked for: mirrors lack them at times."""
        self._run("source", "--download-only", "--tar-only", package)
        return sorted(self._downloads.glob(f"{package}_*"))

    def mirrors(self) -> list[Mirror]:
        """Repositories of a known distribution, read from the lists that `update` fetched; those of
        security updates first, as callers take the first that has a source, or the last."""
        shape = "$(ORIGIN)|$(LABEL)|$(SUITE)|$(REPO_URI)"
        rows = self._run("indextargets", "--format", shape, "Created-By: Packages").splitlines()
        found: dict[Mirror, None] = {}
        for origin, label, suite, uri in (row.split("|", 3) for row in rows):
            security = suite.endswith("-security")
            if origin in DISTRIBUTIONS and label in {origin, f"{origin}-Security"}:
                found[Mirror(uri, origin, security=security)] = None
        return sorted(found, key=lambda mirror: not mirror.security)

    def _run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["apt-get", "-qq", *self._options, *arguments],
            cwd=self._downloads,
            env=os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise DepsError(f"apt-get {arguments[0]}: {said}")
        return done.stdout


@contextmanager
def system_apt() -> Iterator[Apt]:
    """The sources this machine is set up for. Raises DepsError where there is no apt."""
    with _folder() as folder:
        apt = Apt(folder)
        apt.update()
        yield apt


@contextmanager
def newer_suites() -> Iterator[Iterator[Apt]]:
    """The newer suites of this machine's mirror, each refreshed when it is reached."""
    with system_apt() as system, _folder() as folder:
        yield _newer(system.mirrors(), folder)


def _newer(mirrors: list[Mirror], folder: Path) -> Iterator[Apt]:
    for index, mirror in enumerate(mirrors):
        for suite in mirror.suites:
            apt = Apt(folder / f"{index}-{suite}", sources=sources_text(mirror, suite))
            apt.update()
            yield apt


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder that apt's sandbox user may enter, unlike a home folder's cache."""
    if shutil.which("apt-get") is None:
        raise DepsError("this system has no apt-get")
    with tempfile.TemporaryDirectory(prefix="strongroom-apt-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def _give_to_sandbox(folder: Path) -> None:
    """As root, apt downloads as user _apt, which must be able to write here."""
    if os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam("_apt")
    except KeyError:
        return
    os.chown(folder, user.pw_uid, -1)
