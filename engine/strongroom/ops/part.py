"""Open a part of a sealed file: only the frames it lies in are read."""

from __future__ import annotations

from pathlib import Path

from strongroom.keys.envelope import Credential
from strongroom.ops.opener import Opener
from strongroom.ops.source import open_source
from strongroom.ops.target import new_file
from strongroom.ops.write import write_all

_STEP_LEN = 1 << 20


def open_part(
    source: Path,
    target: Path | int,
    *,
    key: Credential,
    offset: int,
    length: int | None,
    overwrite: bool,
) -> int:
    """Write plaintext bytes [offset, offset + length), to the end if None, to a file or an open
    descriptor. Returns how many there were. Raises as open_file does."""
    doing = f"opening {source}"
    with Opener(source, key=key) as opened, open_source(source, doing=doing) as same:
        opened.seek(offset)
        wanted = max(0, len(opened) - offset)
        wanted = wanted if length is None else min(length, wanted)
        if isinstance(target, int):
            same.check_apart(target, doing=doing)
            _copy(opened, target, wanted, doing=doing)
        else:
            with new_file(target, source=same, overwrite=overwrite, doing=doing) as fd:
                _copy(opened, fd, wanted, doing=doing)
    return wanted


def _copy(opened: Opener, target_fd: int, wanted: int, *, doing: str) -> None:
    buffer = bytearray(_STEP_LEN)
    with memoryview(buffer) as view:
        while wanted > 0:
            got = opened.readinto(view[: min(wanted, _STEP_LEN)])
            wanted -= got
            write_all(target_fd, view[:got], doing=doing)
