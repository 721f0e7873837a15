"""What a backup has to read and what it has already: batches made while walking."""

from __future__ import annotations

from collections.abc import Iterator
from os import stat_result
from typing import Final, NamedTuple, Protocol, TypeAlias, cast

from strongroom._core import CHUNK_LEN
from strongroom.errors import DamagedError, SourceError
from strongroom.manifest.entry import (
    DEVICES,
    FILE,
    ID_LEN,
    chunks_of,
    decode,
    encode,
    encode_ids,
    status_bytes,
    stored_status,
)
from strongroom.manifest.merge import Earlier, Stored
from strongroom.ops.record import TYPE_BITS, TYPES, Recorder, Xattrs
from strongroom.ops.walk import Found, failed

FILES_MAX: Final = 4096
BYTES_MAX: Final = 256 << 20
SLOTS_MAX: Final = 16384
# The first batch is small, so that reading begins at once.
_FIRST: Final = 16
# Some file systems (FAT, sshfs, ext4 with small inodes) keep time stamps in steps of up to 2 s.
_SECOND_NS: Final = 1_000_000_000
_COARSE_NS: Final = 2 * _SECOND_NS

LinkKey: TypeAlias = "tuple[int, int, int, int]"
Ready: TypeAlias = "tuple[bytes, int, int, bytes]"
"""Path, type, size and all items, as ManifestWriter.put takes them."""


class ChunkPresence(Protocol):
    """Which chunks are stored."""

    def has_all(self, ids: bytes, /) -> bool:
        """Are all of these, given one after another?"""


class Fresh(NamedTuple):
    """A file whose contents are to be read, or were, under another name."""

    path: bytes
    real: bytes
    size: int
    xattrs: Xattrs
    link: LinkKey | None
    """What names of the same file have in common, if it has several."""
    read: bool
    """False: an earlier name of the same file is read."""
    last: bool = False
    """No other name of it comes."""


class Batch:
    """Entries in order, and the files among them that are to be read."""

    def __init__(self) -> None:
        self.slots: list[Ready | Fresh] = []
        self.paths: list[bytes] = []
        """Of what is to be read, in the order of the slots."""
        self.bytes = 0
        """What will be read."""
        self.kept_bytes = 0
        """Sizes of files that are taken over."""
        self.errors: list[SourceError] = []


_Kept: TypeAlias = "tuple[int, bytes, bytes, int]"
"""A file that is taken over if its chunks are there: its slot, its path here, the ids of its
chunks, and the length of its item without them."""


class Changed(NamedTuple):
    """When a file counts as changed since an earlier snapshot."""

    ignore_inode: bool = False
    ignore_ctime: bool = False
    settled_ns: tuple[int, ...] = (0,)
    """Of each earlier snapshot, the newest first. What changed later may have changed unseen in
    the tick of the clock in which it was read."""

    def is_settled(self, at_ns: int, source: int) -> bool:
        """Would a change after that snapshot read a file of that time stamp have got another one?
        Whole seconds may be all that its file system knows."""
        if at_ns % _SECOND_NS == 0:
            at_ns += _COARSE_NS
        return at_ns < self.settled_ns[source]


class Gatherer:
    """Sorts what the walk finds into batches. Works in one thread, and knows no other."""

    def __init__(
        self,
        *,
        earlier: Earlier,
        chunks: ChunkPresence,
        recorder: Recorder,
        changed: Changed,
    ) -> None:
        self._earlier = earlier
        self._chunks = chunks
        self._recorder = recorder
        self._changed = changed
        self._batch = Batch()
        self._kept: list[_Kept] = []
        self._links: dict[LinkKey, int] = {}  # names that are to come; only while there are
        self._shift = _FIRST
        self._slots_max = SLOTS_MAX
        self._is_odd = False  # a kept file has too few or too many ids

    def report(self, error: SourceError) -> None:
        """Into the batch that is being made."""
        self._batch.errors.append(error)
        if len(self._batch.errors) >= FILES_MAX:
            self._slots_max = 0

    def batches(self, steps: Iterator[Found]) -> Iterator[Batch]:
        """All that steps give, in order."""
        earlier, is_settled = self._earlier, self._changed.is_settled
        find, long_settled = earlier.find, self._changed.settled_ns[-1] - _COARSE_NS
        for found in steps:
            path, real, _, status = found
            type_ = TYPES[status.st_mode & TYPE_BITS]
            old = find(path)
            if (
                old is None
                or (
                    status.st_ctime_ns >= long_settled
                    and not is_settled(status.st_ctime_ns, earlier.source)
                )
                or old[3][4] != type_
                or _status(status, type_) != stored_status(old[3])
            ):
                self._look(found, type_, old)
            elif type_ == FILE:
                self._keep(path, real, status.st_size, old[1:])
            else:
                self._batch.slots.append((path, type_, 0, old[3]))
            if len(self._batch.slots) >= self._slots_max:
                yield self._close()
        yield self._close()

    def _look(self, found: Found, type_: int, old: Stored | None) -> None:
        """At what is new, or is not to the bit as it was."""
        path, real, at, status = found
        try:
            if type_ != FILE:
                entry = self._recorder.of_status(path, at, status)
                self._batch.slots.append((path, type_, 0, encode(entry)))
            elif old is not None and self._has_same_contents(old, status):
                entry = self._recorder.of_status(path, at, status)
                entry = entry._replace(flags=decode(old[3][: old[1]]).flags)
                item = encode(entry)
                items = item + encode_ids(old[2])
                self._keep(path, real, status.st_size, (len(item), old[2], items))
            else:
                xattrs = self._recorder.xattrs(at, status.st_dev)
                self._read(path, real, status, xattrs)
        except OSError as error:
            self.report(failed(real, error))

    def _has_same_contents(self, old: Stored, status: stat_result) -> bool:
        """By what the user wants it judged by."""
        try:
            before = decode(old[3][: old[1]])
        except DamagedError:
            return False
        changed = self._changed
        latest = status.st_mtime_ns if changed.ignore_ctime else status.st_ctime_ns
        return (
            before.type == FILE
            and (before.size, before.mtime_ns) == (status.st_size, status.st_mtime_ns)
            and (changed.ignore_ctime or before.ctime_ns == status.st_ctime_ns)
            and (changed.ignore_inode or before.ino == status.st_ino)
            and changed.is_settled(latest, self._earlier.source)
        )

    def _keep(self, path: bytes, real: bytes, size: int, stored: tuple[int, bytes, bytes]) -> None:
        """Take over a file as it is stored, provided that its chunks are there."""
        own_len, ids, items = stored
        batch = self._batch
        if size:
            self._kept.append((len(batch.slots), real, ids, own_len))
            self._is_odd |= len(ids) != ID_LEN * -(-size // CHUNK_LEN)
            batch.kept_bytes += size
        batch.slots.append((path, FILE, size, items))

    def _read(self, path: bytes, real: bytes, status: stat_result, xattrs: Xattrs) -> None:
        link, first, left = None, True, 0
        if status.st_nlink > 1:
            link = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            first = link not in self._links
            left = self._links.pop(link, status.st_nlink) - 1
            if left:
                self._links[link] = left
        batch = self._batch
        batch.slots.append(Fresh(path, real, status.st_size, xattrs, link, first, left == 0))
        if first:
            batch.paths.append(real)
            batch.bytes += status.st_size
        if len(batch.paths) * self._shift >= FILES_MAX or batch.bytes * self._shift >= BYTES_MAX:
            self._slots_max = 0  # it is full

    def _close(self) -> Batch:
        """The batch so far. What lost chunks meanwhile is read again."""
        batch = self._batch
        lost = self._lost()
        for slot, real, _, own_len in lost:
            path, _, size, items = cast(Ready, batch.slots[slot])
            xattrs = decode(items[:own_len]).xattrs
            batch.slots[slot] = Fresh(path, real, size, xattrs, None, read=True)
            batch.kept_bytes -= size
            batch.bytes += size
        if lost:
            batch.paths = [s.real for s in batch.slots if isinstance(s, Fresh) and s.read]
        self._batch, self._kept, self._is_odd = Batch(), [], False
        self._shift = max(1, self._shift // 4)
        self._slots_max = SLOTS_MAX
        return batch

    def _lost(self) -> list[_Kept]:
        """Kept files that have to be read all the same."""
        kept, has_all = self._kept, self._chunks.has_all
        if not kept or (not self._is_odd and has_all(b"".join([one[2] for one in kept]))):
            return []
        slots = self._batch.slots
        return [
            one
            for one in kept
            if len(one[2]) != ID_LEN * chunks_of(cast(Ready, slots[one[0]])[2])
            or not has_all(one[2])
        ]


def _status(status: stat_result, type_: int) -> bytes:
    """As an entry's item holds it."""
    return status_bytes(
        status.st_mode & 0o7777,
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_dev,
        status.st_nlink,
        status.st_size if type_ == FILE else 0,
        status.st_rdev if type_ in DEVICES else 0,
    )
