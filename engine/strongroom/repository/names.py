"""What objects of a repository are called. docs/FORMAT.md, section 7."""

from __future__ import annotations

from typing import Final

SEGMENTS: Final = "segments/"


def segment_name(segment_id: bytes) -> str:
    """The object that holds a segment."""
    name = segment_id.hex()
    return f"{SEGMENTS}{name[:2]}/{name}"
