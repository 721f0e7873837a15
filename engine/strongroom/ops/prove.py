"""Prove that stored bytes are part of what a root names, and check such proofs; no key needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import _core
from strongroom._core import FRAME_LEN, HEADER_LEN, TRAILER_LEN, Cancel, Progress, Watch
from strongroom.errors import DamagedError, SourceError, UsageError
from strongroom.ops.header import read_header
from strongroom.ops.source import open_source
from strongroom.ops.threads import thread_limit

if TYPE_CHECKING:
    from typing_extensions import Buffer

ROOT_LEN = 32


@dataclass(frozen=True, slots=True)
class Proof:
    """That one frame of a sealed file is part of what its segment root names."""

    root: bytes
    """The segment root, 32 bytes. Whoever checks must know it from elsewhere."""
    frame: bytes
    """The frame as stored, 1 MiB; the last one may be shorter."""
    proof: bytes
    """At most 848 bytes; see docs/FORMAT.md, 3.8."""


def prove(
    source: str | os.PathLike[str],
    *,
    frame: int,
    threads: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Proof:
    """Prove frame number `frame`, counted from 0, of a sealed file.

    Reads the whole file once, and checks it as scrub does. Raises DamagedError,
    UnsupportedError, SourceError; UsageError if there is no such frame.
    """
    doing = f"proving frame {frame} of {os.fspath(source)}"
    with open_source(Path(source), doing=doing) as opened:
        header = read_header(opened.fd, doing=doing)
        frames_len = opened.size - TRAILER_LEN
        frame_count = -(-(frames_len - HEADER_LEN) // FRAME_LEN)
        if frame_count < 1:
            raise DamagedError(f"{doing}: it is cut off, or not a regular file")
        if not 0 <= frame < frame_count:
            raise UsageError(f"{doing}: it has frames 0 to {frame_count - 1}")
        result, proof = _core.prove(
            header,
            opened.fd,
            frame,
            doing=doing,
            threads=thread_limit(threads),
            watch=Watch(progress, cancel),
        )
        begin = HEADER_LEN + frame * FRAME_LEN
        length = min(FRAME_LEN, frames_len - begin)
        try:
            stored = os.pread(opened.fd, length, begin)
        except OSError as error:
            raise SourceError(f"{doing}: reading failed: {error.strerror}") from None
    verify_proof(proof, root=result.root, frame=stored)
    return Proof(result.root, stored, proof)


def verify_proof(proof: bytes, *, root: bytes, frame: Buffer) -> None:
    """Check that a proof leads from a frame, as stored, to a root you know from elsewhere.

    Raises DamagedError when it does not, UnsupportedError for a proof of an unknown kind.
    """
    if len(root) != ROOT_LEN:
        raise UsageError(f"a root has {ROOT_LEN} bytes, not {len(root)}")
    _core.check_proof(proof, frame, root, doing="checking a proof")
