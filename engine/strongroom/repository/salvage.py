"""What can still be read of a repository whose log or config is damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from strongroom import _core
from strongroom._core import HEADER_LEN, TYPE_DATA, TYPE_MANIFEST
from strongroom.errors import (
    DamagedError,
    ObjectMissingError,
    SourceError,
    StrongroomError,
    UsageError,
)
from strongroom.keys.envelope import Credential, Session, open_envelopes
from strongroom.keys.rootkey import RootKey
from strongroom.keys.schedule import RepositoryKeys
from strongroom.manifest.reader import ManifestReader
from strongroom.repository.config import Config, make_config, read_config
from strongroom.repository.entry import KIND_ADD, SEGMENT, Draft, LogEntry, SegmentRef
from strongroom.repository.head import list_entries
from strongroom.repository.log import Log, Progress, Revise
from strongroom.repository.manifests import ManifestSource
from strongroom.repository.names import SEGMENTS, segment_id_of, segment_name
from strongroom.repository.private import NO_SESSION, Private
from strongroom.repository.snapshots import Snapshot
from strongroom.repository.state import RepositoryState
from strongroom.repository.stored_segment import open_segment
from strongroom.stores.local import LocalStore

_NO_HASH = bytes(32)


class SalvagedLog(Log):
    """Every entry that is sound, whatever is missing before it, and every segment that is there and
    that none of them names. Nothing can be appended.

    A snapshot whose entry is lost has nothing but its manifest. It is partial, so that `latest`
    means one only where there is no other, and its time is its object's. Who forgot one and lost
    the entry that says so sees it again.
    """

    def __init__(
        self, store: LocalStore, found: SalvagedConfig, root: RootKey, keys: RepositoryKeys
    ) -> None:
        super().__init__(store, found.config, keys)
        self.failures: list[StrongroomError] = [] if found.failure is None else [found.failure]
        """What could not be read of the config, the log, and segments that it does not name."""
        self._folder = store
        self._root = root
        self._is_read = False

    def load(self, progress: Progress | None = None, *, whole: bool = False) -> None:
        """Read all that there is, once. Raises what listing the store does."""
        if self._is_read:
            return
        there = list_entries(self._store)
        newest = there[-1] if there else 0
        for before, seq in pairwise([0, *there]):
            if seq > before + 1:
                self.failures.append(_missing(before + 1, seq - 1))
            try:
                self._take(seq, newest)
            except StrongroomError as error:
                self.failures.append(error)
            if progress is not None:
                progress(seq, newest)
        self._adopt()
        self._is_read = True

    def append(self, draft: Draft, revise: Revise | None = None) -> LogEntry:
        """Raises UsageError."""
        raise UsageError("a repository that is salvaged can only be read")

    def _take(self, seq: int, newest: int) -> None:
        entry = self._reader.read(self._get(seq, newest), seq=seq, prev=None)
        if entry.checkpoint is not None:
            self._state = RepositoryState.from_checkpoint(entry)
        else:
            self._state.apply(entry)

    def _adopt(self) -> None:
        """Segments that no entry names, as if entries did, the oldest first."""
        found: list[tuple[SegmentRef, Snapshot | None]] = []
        for name in self._store.list(SEGMENTS):
            segment = segment_id_of(name)
            if name != segment_name(segment) or segment in self._state:
                continue
            if not self._state.is_removed(segment):
                try:
                    found.append(self._look_at(segment))
                except StrongroomError as error:
                    self.failures.append(error)
        found.sort(key=lambda one: 0 if one[1] is None else one[1].time)
        for ref, snapshot in found:
            row = SEGMENT.pack(ref.id, ref.root, ref.length, ref.type, bytes(7))
            private = Private(0, "", NO_SESSION, snapshot)
            entry = LogEntry(0, KIND_ADD, 0, _NO_HASH, _NO_HASH, row, private=private)
            self._state.apply(entry)

    def _look_at(self, segment: bytes) -> tuple[SegmentRef, Snapshot | None]:
        """A segment of this repository, and what there is to say of the snapshot if it is one."""
        doing = f"segment {segment.hex()}"
        length = self._store.length(segment_name(segment))
        ref = SegmentRef(segment, _NO_HASH, length, TYPE_DATA)
        with open_segment(self._folder, ref, doing=doing) as fd:
            header = _core.parse_header(_first_bytes(fd, doing=doing), doing=doing)
            if header.repo_id != self._config.repo_id:
                raise DamagedError(f"{doing}: it is another repository's")
            session = Session(header.repo_id, header.session_id)
            open_envelopes(self._root, session, header.envelopes, doing=doing)
            if header.type != TYPE_MANIFEST:
                return ref, None
            os.lseek(fd, HEADER_LEN, os.SEEK_SET)
            root = _core.scrub(header, fd, doing=doing).root
            snapshot = self._describe(segment, root, os.fstat(fd).st_mtime_ns)
        return SegmentRef(segment, root, length, TYPE_MANIFEST), snapshot

    def _describe(self, segment: bytes, root: bytes, time_ns: int) -> Snapshot:
        """By reading all of its manifest."""
        bare = Snapshot(
            id=segment,
            root=root,
            time=time_ns,
            host="",
            user="",
            tags=(),
            paths=(),
            entries=0,
            files=0,
            bytes=0,
            new_bytes=0,
            errors=0,
            partial=True,
        )
        path = self._folder.path_of(segment_name(segment))
        with ManifestSource(path, bare, self._root, self._config.repo_id) as source:
            reader = ManifestReader(source, doing=f"reading snapshot {segment.hex()}")
            for _ in reader:
                pass
        return bare._replace(entries=reader.entries, files=reader.files, bytes=reader.bytes)


class SalvagedConfig(NamedTuple):
    """A config, and why it is not the stored one."""

    config: Config
    failure: StrongroomError | None = None

    def log(self, store: LocalStore, root: RootKey, keys: RepositoryKeys) -> SalvagedLog:
        """What is left of its log."""
        return SalvagedLog(store, self, root, keys)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for its index: what is found in this way is not to be taken for stored by a
        backup."""
        with TemporaryDirectory(prefix="strongroom-") as folder:
            yield Path(folder)


def salvage_config(store: LocalStore, credential: Credential, *, doing: str) -> SalvagedConfig:
    """The config; one that is damaged or missing is made anew, from the root key and the name of
    the repository in a segment that this key opens. Raises as read_config does."""
    try:
        return SalvagedConfig(read_config(store, doing=doing))
    except DamagedError as error:
        if not isinstance(credential, RootKey):
            error.hint = "without a config only the 64 digits open it: pass --key-file"
            raise
        for name in store.list(SEGMENTS):
            repo_id = _repository_of(store, name, credential)
            if repo_id is not None:
                return SalvagedConfig(make_config(credential, repo_id), error)
        error.hint = "or no segment opens with this key; try another copy, or another key"
        raise


def _repository_of(store: LocalStore, name: str, root: RootKey) -> bytes | None:
    """The repository that a segment names, if the key opens it."""
    try:
        ref = SegmentRef(segment_id_of(name), _NO_HASH, store.length(name), TYPE_DATA)
        with open_segment(store, ref, doing=name) as fd:
            header = _core.parse_header(_first_bytes(fd, doing=name), doing=name)
        open_envelopes(
            root, Session(header.repo_id, header.session_id), header.envelopes, doing=name
        )
    except StrongroomError:
        return None
    return header.repo_id


def _missing(first: int, last: int) -> ObjectMissingError:
    which = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    return ObjectMissingError(f"reading the log: {which} missing")


def _first_bytes(fd: int, *, doing: str) -> bytes:
    try:
        return os.pread(fd, HEADER_LEN, 0)
    except OSError as error:
        raise SourceError(f"{doing}: {error.strerror}") from None
