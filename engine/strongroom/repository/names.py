"""What objects of a repository are called. docs/FORMAT.md, section 7."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

SEGMENTS: Final = "segments/"


def segment_name(segment_id: bytes) -> str:
    """The object that holds a segment."""
    name = segment_id.hex()
    return f"{SEGMENTS}{name[:2]}/{name}"


def segment_id_of(name: str) -> bytes:
    """The id in an object's name; zeros where there is none."""
    last = name.rpartition("/")[2]
    with suppress(ValueError):
        return bytes.fromhex(last) if len(last) == 32 else bytes(16)
    return bytes(16)
