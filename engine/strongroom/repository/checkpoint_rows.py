"""What a checkpoint lists, looked at in arrays: it may be millions of segments."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from strongroom._core import TYPE_DATA, TYPE_MANIFEST
from strongroom.errors import UnsupportedError
from strongroom.repository.entry import SEGMENT, Checkpoint

# SEGMENT and TOMBSTONE, seen so that millions are compared at once.
_ROW: Final = np.dtype(
    {
        "names": ["id", "type", "type_and_seq"],
        "formats": ["(2,)u8", "u1", ">u8"],
        "offsets": [0, 56, 56],
        "itemsize": SEGMENT.size,
    }
)
_SEQ_MASK: Final = np.uint64(2**56 - 1)
_TOMBSTONE_ROW: Final = np.dtype([("id", "(2,)u8"), ("seq", ">u8")])


def is_consistent(checkpoint: Checkpoint, seq: int, *, doing: str) -> bool:
    """Does it, as entry seq, not contradict itself? Raises UnsupportedError for a type that is not
    known."""
    rows = np.frombuffer(checkpoint.segments, _ROW)
    unknown = rows["type"][(rows["type"] != TYPE_DATA) & (rows["type"] != TYPE_MANIFEST)]
    if len(unknown):
        raise UnsupportedError(f"{doing}: it lists a segment of type {unknown[0]}")
    tombstones = np.frombuffer(checkpoint.tombstones, _TOMBSTONE_ROW)
    origins = np.concatenate((rows["type_and_seq"] & _SEQ_MASK, tombstones["seq"]))
    before, digest = checkpoint.previous
    return not (
        _has_double(np.concatenate((rows["id"], tombstones["id"])))
        or ((origins < 1) | (origins >= seq)).any()
        or not before < seq
        or (before == 0) != (not any(digest))
    )


def manifest_rows(checkpoint: Checkpoint) -> bytes:
    """Those of its rows that are manifests."""
    whole = np.frombuffer(checkpoint.segments, np.dtype((np.void, SEGMENT.size)))
    types = np.frombuffer(checkpoint.segments, _ROW)["type"]
    manifests: bytes = whole[types == TYPE_MANIFEST].tobytes()
    return manifests


def _has_double(ids: NDArray[np.uint64]) -> bool:
    """ids: two halves each."""
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    ids = ids[order]
    return bool((ids[1:] == ids[:-1]).all(axis=1).any())
