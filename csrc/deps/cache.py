"""A per-user cache of finished builds.

A build happens in a temporary folder under a lock and is renamed into place, so
a folder of the final name is always complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DIGEST_LEN = 12


@dataclass(frozen=True, slots=True)
class Built:
    """A finished folder of the cache."""

    folder: Path
    version: str


def cache_root() -> Path:
    """The folder everything of ours is cached under (XDG base directory specification)."""
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = configured if configured.is_absolute() else Path.home() / ".cache"
    return base / "strongroom"


def built(name: str, recipe: str, make: Callable[[Path], str], *, shelf: str = "deps") -> Built:
    """The folder `make` fills, made at most once for each `recipe`; on a shelf of the cache.

    `recipe` holds all that decides the result but the version, which `make`
    returns: a second use finds the folder without fetching anything.
    """
    base = cache_root() / shelf
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:DIGEST_LEN]
    found = _finished(base, name, digest)
    if found is not None:
        return found
    base.mkdir(parents=True, exist_ok=True)
    with _locked(base / f".{name}-{digest}.lock"):
        return _finished(base, name, digest) or _build(base, name, digest, make)


def _finished(base: Path, name: str, digest: str) -> Built | None:
    folders = sorted(base.glob(f"{name}-*-{digest}"))
    if not folders:
        return None
    version = folders[-1].name.removeprefix(f"{name}-").removesuffix(f"-{digest}")
    return Built(folders[-1], version)


def _build(base: Path, name: str, digest: str, make: Callable[[Path], str]) -> Built:
    prefix = f".{name}-{digest}-"
    for left_behind in base.glob(f"{prefix}*/"):
        shutil.rmtree(left_behind)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=base) as scratch:
        out = Path(scratch) / "out"
        out.mkdir()
        version = make(out)
        folder = base / f"{name}-{version}-{digest}"
        out.rename(folder)
    return Built(folder, version)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
