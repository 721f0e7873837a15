"""Which chunks the snapshots of a repository need, and which segments hold how many of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from strongroom._core import TYPE_DATA, UNWATCHED, Watch
from strongroom._core.marks import Marks
from strongroom._core.rows import as_ids
from strongroom.errors import CancelledError, DamagedError, StrongroomError
from strongroom.manifest.ids import read_ids
from strongroom.repository.entry import SegmentRef
from strongroom.repository.names import SEGMENTS, segment_id_of, segment_name
from strongroom.repository.opened import OpenRepository
from strongroom.repository.stored_segment import check_segment

if TYPE_CHECKING:
    from typing import Self

RECORD_HEAD_LEN: Final = 48


@dataclass(frozen=True, slots=True)
class Need:
    """What is needed of a segment."""

    chunks: NDArray[np.void]
    """An array of CHUNK_ENTRY, in the order of storing."""
    stored_bytes: int
    """Of these, heads of records included."""
    unneeded_bytes: int
    """Of the others."""


class Survey:
    """The needs of all snapshots at one place in the log. Close it. One thread at a time.

    The index is made anew from the directories of all segments: what this machine remembers knows
    a chunk in one place only, and that may be gone while another segment has it too. Memory: what
    an index takes while it is made, then a file and a bit a chunk.

    A copy of a chunk counts as needed in every segment that holds one: others may know the chunk
    by that copy.
    """

    def __init__(self, opened: OpenRepository, *, watch: Watch = UNWATCHED) -> None:
        """Reads all manifests. Raises DamagedError where one cannot be read: then nothing can be
        said of what is needed. TargetError, CancelledError."""
        self._opened = opened
        self.base = opened.log.head[0]
        self.data = {s.id: s for s in opened.log.segments() if s.type == TYPE_DATA}
        names = ((segment_id_of(name), name) for name in opened.store.list(SEGMENTS))
        self.stored = {id_: name for id_, name in names if name == segment_name(id_)}
        """Names of all segments there are, known to the log or not, by their ids."""
        self.unsound = {s.id for s in self.data.values() if not self._is_in_place(s)}
        """Data segments that are missing, are not those of the log, or whose directory cannot be
        read."""
        with ExitStack() as stack:
            sound = [name for name in self.data if name not in self.unsound]
            index, failures = opened.index_of(sound, watch=Watch(cancel=watch.cancel))
            self.index = stack.enter_context(index)
            """Of all that is sound; to fetch from. Never changed."""
            self.unsound |= failures
            self._marks = Marks(self.index)
            self.lost = sum(map(self._mark, self._ids_of_all(watch)))
            """How many chunks that are needed are nowhere."""
            self._used = self._marks.tally()
            self._stack = stack.pop_all()

    def used_bytes(self, segment_id: bytes) -> int:
        """A lower bound of what is needed of a segment, from the index alone."""
        return self._used.get(segment_id, 0)

    def need(self, segment: SegmentRef) -> Need:
        """What is needed of a segment, by its directory. Raises DamagedError, SourceError."""
        doing = f"pruning: segment {segment.id.hex()}"
        check_segment(self._opened.store, segment, doing=doing)
        entries = self._opened.segments.directory(segment.id).array
        needed = self._marks.marked(entries["id"])
        lengths = entries["stored_len"].astype(np.uint64) + np.uint64(RECORD_HEAD_LEN)
        stored = int(lengths[needed].sum())
        if stored < self.used_bytes(segment.id):
            raise DamagedError(f"{doing}: it holds less than its directory said before")
        return Need(entries[needed], stored, int(lengths.sum()) - stored)

    def close(self) -> None:
        """More than once is fine."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_in_place(self, segment: SegmentRef) -> bool:
        try:
            check_segment(self._opened.store, segment, doing="pruning")
        except DamagedError:
            return False
        return True

    def _mark(self, ids: NDArray[np.uint8]) -> int:
        return int((~self._marks.mark(ids)).sum())

    def _ids_of_all(self, watch: Watch) -> Iterator[NDArray[np.uint8]]:
        for snapshot in self._opened.snapshots:
            doing = f"reading the manifest of snapshot {snapshot.id.hex()}"
            try:
                with self._opened.open_manifest(snapshot) as manifest:
                    for block in read_ids(manifest, doing=doing):
                        yield as_ids(block)
                        if watch.cancel is not None and watch.cancel.is_set():
                            raise CancelledError("pruning: cancelled")
            except CancelledError:
                raise
            except StrongroomError as error:
                raise DamagedError(
                    f"{error}; so nobody knows what it needs, and nothing is removed",
                    hint=f'if it is lost for good: "strongroom forget {snapshot.id.hex()[:8]}"',
                ) from None
