"""The index of a repository's chunks, put together from what the client remembers and what the
segments say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from strongroom._core import TYPE_DATA, UNWATCHED, Watch
from strongroom._core.index import LOCATION, ChunkIndex, read_note
from strongroom._core.rows import each_id
from strongroom._core.segments import Segments
from strongroom.errors import DamagedError, SourceError, StrongroomError, TargetError
from strongroom.repository.cache import TABLES_MAX, Place, TableFolder, make_note
from strongroom.repository.log import Log
from strongroom.xdg import temporary_folder


class ChunkTables:
    """An index that follows the log. One thread at a time, but for the index itself.

    Close it. index: everything that segments hold which the log names, up to `place`.
    """

    def __init__(self, log: Log, segments: Callable[[], Segments], folder: Path) -> None:
        """segments is called when some have to be read. Nothing is loaded yet."""
        self._log = log
        self._segments = segments
        self._folder = TableFolder(folder, read_note)
        chain = self._folder.chain(self._is_of_log)
        try:
            self.index = ChunkIndex([table.path for table in chain])
        except StrongroomError:
            self._folder.clear()
            chain = []
            self.index = ChunkIndex()
        self._tables = [table.path for table in chain]
        self._kept: Path | None = None
        self._changed = False
        self._is_whole = False  # the next table is to replace all others
        self._start = chain[-1].end.seq if chain else 0
        self.place = chain[-1].end if chain else Place(0, b"")
        self._loaded = self.index.segments()
        self.failures: dict[bytes, StrongroomError] = {}
        """Segments whose directory or trailer could not be read; perhaps not all their chunks are
        known."""
        self._holed: set[bytes] = set()  # segments of which bad chunks were taken out

    def _is_of_log(self, place: Place) -> bool:
        """What lies before the entries in memory need not be looked up: names of segments do not
        come twice, and those that are not live are dropped."""
        first = self._log.entries[0].seq if self._log.entries else 1
        return place.seq < first or self._log.holds(place.seq, place.hash)

    def follow(self, *, own: bytes | None = None, watch: Watch = UNWATCHED) -> None:
        """Load what the log has got since, but for the session `own`, whose chunks are known; and
        what could not be loaded when the tables were written."""
        live = {s.id: None for s in self._log.segments() if s.type == TYPE_DATA}
        ours = set() if own is None else self._of_session(own) & live.keys()
        if not self._loaded <= live.keys():
            self._begin_anew(keep=ours)
        known = ours - self._loaded
        self._loaded |= known
        self._changed = self._changed or bool(known)
        self._load([one for one in live if one not in self._loaded], watch=watch)
        self.place = Place(*self._log.head)

    def _begin_anew(self, *, keep: set[bytes]) -> None:
        """Once segments are no longer part of the repository. It knows a chunk in one place only:
        another segment may have a copy of what was in these, and others may rely on that one."""
        self.index.drop_segments(self._loaded - keep)
        self._loaded &= keep
        self.failures.clear()
        self._changed = self._is_whole = True

    def _of_session(self, own: bytes) -> set[bytes]:
        entries = [
            e for e in self._log.entries if e.private is not None and e.private.session == own
        ]
        return {segment.id for entry in entries for segment in entry.segments}

    def load_damaged(
        self,
        ids: Collection[bytes],
        bad: Mapping[bytes, bytes],
        *,
        watch: Watch = UNWATCHED,
    ) -> None:
        """Before anything else: segments that are damaged, each but for its own bad chunks, which
        another may have. What sound ones have takes their place later."""
        self._load([one for one in ids if one not in bad], watch=watch)
        for one in ids:
            if one in bad:
                self._load_without(one, each_id(bad[one]), watch)

    def _load_without(self, segment: bytes, bad: Sequence[bytes], watch: Watch) -> None:
        """Bad chunks are where they were before, or nowhere."""
        before = {one: self.index.locate(one) for one in bad}
        self._load([segment], watch=watch)
        known = {one: at for one, at in before.items() if at is not None}
        self.index.remove(b"".join(before.keys() - known.keys()))
        self.index.put(b"".join(known), LOCATION.rows(known.values()).memory)
        self._holed.add(segment)
        self._changed = True

    def remove(self, ids: Sequence[bytes]) -> set[bytes]:
        """Forget chunks, wherever they are. The segments that they were last known to be in."""
        names = {number: name for name, number in self.index.numbers().items()}
        found = (self.index.locate(one) for one in ids)
        segments = {names[at.segment] for at in found if at is not None and at.segment in names}
        self.index.remove(b"".join(ids))
        self._holed |= segments
        self._changed = True
        return segments

    def keep(self) -> None:
        """Remember what is new, but nothing of damaged segments: they may come back whole."""
        if not self._changed:
            return
        without = {name for name in self.failures if not self._has_known_holes(name)}
        whole = self._is_whole or bool(without) or len(self._tables) >= TABLES_MAX
        note = make_note(0 if whole else self._start, self.place)
        if without:
            kept = self._folder.add(lambda path: self._save_without(without, path, note))
        else:
            kept = self._folder.add(lambda path: self.index.save(path, note, fresh_only=not whole))
        if kept is None:
            return
        # It holds all that the last one did, which was made since the tables were opened too.
        self._folder.remove([self._kept] if self._kept is not None else [])
        self._kept, self._changed = kept, False
        if whole:
            # Where both reach as far, those it was made of would be as good, but for what is bad.
            self._folder.remove(self._tables)

    def _has_known_holes(self, segment: bytes) -> bool:
        """Was it learned but for its bad chunks? They would be taken for good if it came again."""
        if segment not in self._holed:
            return False
        try:
            self._segments().directory(segment)
        except (DamagedError, SourceError):
            return False  # what is found without a directory is checked each time
        return True

    def _save_without(self, segments: set[bytes], path: Path, note: bytes) -> None:
        with self.copy() as index:
            index.drop_segments(segments)
            index.save(path, note)

    def _load(self, ids: Collection[bytes], *, watch: Watch) -> None:
        if ids:
            self.failures |= self._segments().load(self.index, list(ids), watch=watch)
            self._loaded.update(ids)
            self._changed = self._changed or not self.failures.keys() >= set(ids)

    def copy(self) -> ChunkIndex:
        """All of the index in one table, whose file is gone already. The caller closes it.
        Raises TargetError."""
        return _copy(self.index, self._folder)

    def forget_missing(self, present: set[bytes]) -> None:
        """Chunks of segments that are not there are to be stored again."""
        missing = self.index.segments() - present
        if missing:
            self.index.drop_segments(missing)

    def close(self) -> None:
        """More than once is fine."""
        self.index.close()


def forget(folder: Path) -> None:
    """Remove all tables in a folder: the index is made anew from the segments then."""
    TableFolder(folder, read_note).clear()


def fresh_index(
    segments: Segments, ids: Collection[bytes], folder: Path, *, watch: Watch = UNWATCHED
) -> tuple[ChunkIndex, set[bytes]]:
    """An index of what the directories of these segments say, in one table whose file is gone
    already; the caller closes it. And the segments that could not be read, of which it has nothing.
    Raises TargetError, CancelledError."""
    unread: set[bytes] = set()
    while True:
        with ChunkIndex() as index:
            sound = [one for one in ids if one not in unread]
            failures = segments.load(index, sound, watch=watch)
            if not failures:
                return _copy(index, TableFolder(folder, read_note)), unread
        # Chunks found in one of these may have displaced copies in others: begin again without.
        unread |= failures.keys()


def _copy(index: ChunkIndex, folder: TableFolder) -> ChunkIndex:
    # A prune is how a full disk gets room, and this one need not last.
    places = (folder, TableFolder(temporary_folder(), read_note))
    for place in places:
        path = place.add(lambda path: index.save(path, b""))
        if path is not None:
            try:
                return ChunkIndex([path])
            finally:
                place.remove([path])
    tried = " and to ".join(str(place.folder) for place in places)
    raise TargetError(
        f"copying the index to {tried}: writing failed",
        hint="free some room there, or name other folders by XDG_CACHE_HOME and TMPDIR",
    )
