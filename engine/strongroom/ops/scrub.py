"""Check sealed files without any key."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from strongroom import _core
from strongroom._core import UNWATCHED, Cancel, Progress, Watch
from strongroom.errors import DamagedError, UsageError
from strongroom.ops.header import read_header
from strongroom.ops.source import open_source
from strongroom.ops.threads import thread_limit

ROOT_LEN = 32


@dataclass(frozen=True, slots=True)
class ScrubResult:
    """What a check without a key found."""

    root: bytes
    """The segment root, 32 bytes, rebuilt from every stored byte."""
    frames: int
    stored_bytes: int
    trusted: bool
    """True: equal to the root given. False: only consistent in itself, by whomever made."""


def scrub(
    source: str | os.PathLike[str],
    *,
    root: bytes | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> ScrubResult:
    """Rebuild a sealed file's root and hold it against its trailer and, if given, against root.

    Without root this finds accidental damage. With the root kept from sealing it finds any
    change. threads, progress, cancel: see seal_file. Raises DamagedError, UnsupportedError,
    SourceError.
    """
    doing = f"scrubbing {os.fspath(source)}"
    with open_source(Path(source), doing=doing) as opened:
        return scrub_descriptor(
            opened.fd, root=root, doing=doing, threads=threads, watch=Watch(progress, cancel)
        )


def scrub_descriptor(
    source_fd: int,
    *,
    root: bytes | None,
    doing: str,
    threads: int | None = None,
    watch: Watch = UNWATCHED,
) -> ScrubResult:
    """Scrub what an open descriptor holds, a pipe too."""
    if root is not None and len(root) != ROOT_LEN:
        raise UsageError(f"a root has {ROOT_LEN} bytes, not {len(root)}; use bytes.fromhex")
    header = read_header(source_fd, doing=doing)
    result = _core.scrub(header, source_fd, doing=doing, threads=thread_limit(threads), watch=watch)
    if root is not None and root != result.root:
        raise DamagedError(
            f"{doing}: its root is {result.root.hex()}, not the one given",
            hint="it is whole in itself, but it is not the file that root names",
        )
    return ScrubResult(result.root, result.frames, result.stored_bytes, trusted=root is not None)
