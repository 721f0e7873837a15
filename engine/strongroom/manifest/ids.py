"""The chunk ids of a manifest, and nothing else of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from strongroom.errors import DamagedError
from strongroom.manifest.entry import HEAD_LEN, ID_LEN, IDS_ITEM
from strongroom.manifest.reader import Readable, read_items

AT_ONCE: Final = 1 << 16


def read_ids(source: Readable, *, doing: str) -> Iterator[bytes]:
    """Ids of 32 bytes each, in order, some 65,536 at a time; to the end of the manifest.

    Raises DamagedError, UnsupportedError.
    """
    blocks: list[bytes] = []
    length = 0
    for item in read_items(source, doing=doing):
        if item[0] != IDS_ITEM:
            continue
        if (len(item) - HEAD_LEN) % ID_LEN:
            raise DamagedError(f"{doing}: half a chunk id")
        blocks.append(item[HEAD_LEN:])
        length += len(item) - HEAD_LEN
        if length >= AT_ONCE * ID_LEN:
            yield b"".join(blocks)
            blocks, length = [], 0
    if blocks:
        yield b"".join(blocks)
