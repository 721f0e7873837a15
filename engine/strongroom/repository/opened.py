"""A repository that is open: its keys, its log, its chunks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom._core import UNWATCHED, Watch
from strongroom._core.index import ChunkIndex
from strongroom._core.segments import Segments
from strongroom.errors import ConflictError, DamagedError, StrongroomError, UsageError
from strongroom.keys.envelope import Credential
from strongroom.repository import chunks
from strongroom.repository.cache import cache_folder
from strongroom.repository.chunks import ChunkTables
from strongroom.repository.commit import Commits
from strongroom.repository.config import Config, read_config
from strongroom.repository.entry import Draft, LogEntry, SegmentRef
from strongroom.repository.freshness import Freshness, HeadKeeper
from strongroom.repository.log import Log, Progress, Revise
from strongroom.repository.manifests import ManifestSource
from strongroom.repository.names import SEGMENTS, segment_id_of, segment_name
from strongroom.repository.session import BackupSession, Effort, SessionKeys
from strongroom.repository.snapshots import Snapshot, find_snapshot
from strongroom.repository.spool import Spool
from strongroom.repository.suspects import Suspects
from strongroom.repository.unlock import unlock
from strongroom.stores.local import LocalStore

if TYPE_CHECKING:
    from typing import Self

    from strongroom.repository.salvage import SalvagedLog


class OpenRepository:
    """A repository whose key is known and whose log was read. One thread at a time. Close it.

    Processes may work on one repository at once; a thread needs an OpenRepository of its own.
    """

    def __init__(
        self,
        store: LocalStore,
        credential: Credential,
        *,
        cache: Path | None = None,
        state: Path | None = None,
        accept_rollback: bool = False,
        salvage: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """cache: where to keep the index, if not in the user's cache folder. state: where the
        newest head seen is remembered, if not in the user's state folder. accept_rollback: be
        content with an older one, or another repository. salvage: to be read only, past damage of
        the config and the log, which warnings tells; nothing is compared or remembered. progress:
        of reading the log. Raises NoRepositoryError, WrongKeyError, DamagedError, UnsupportedError,
        LimitError, SourceError, RolledBackError."""
        doing = f"opening the repository {store.url}"
        found = None
        if salvage:
            from strongroom.repository.salvage import salvage_config

            found = salvage_config(store, credential, doing=doing)
        config = config_of(store, doing=doing) if found is None else found.config
        # Another repository in its place would only seem to have another key.
        self._heads = HeadKeeper(
            store.url,
            config,
            state=state,
            accept_rollback=accept_rollback or salvage,
            remembers=not salvage,
            doing=doing,
        )
        unlocked = unlock(store, credential, config=config, doing=doing)
        self.store = store
        self.config = unlocked.config
        self.root = unlocked.root
        self.keys = unlocked.keys
        self._stack = ExitStack()
        self._salvaged: SalvagedLog | None = None
        self.log = Log(store, self.config, self.keys)
        if found is not None:
            self.log = self._salvaged = found.log(store, self.root, self.keys)
        with _naming_a_way_out():
            self.log.load(progress)
        if found is not None:
            cache = self._stack.enter_context(found.scratch())
        else:
            self._heads.check(self.log)
            self._heads.remember(self.log, proven=True)
        self._cache = cache_folder(self.config.repo_id) if cache is None else cache
        self.state = state
        """Where this machine remembers what it must not forget; None: in the user's folder."""
        self._segments: Segments | None = None
        self._tables: ChunkTables | None = None
        self._session: BackupSession | None = None

    @property
    def freshness(self) -> Freshness:
        """Of the log when this was opened."""
        return self._heads.freshness

    @property
    def warnings(self) -> list[str]:
        """What could not be read or remembered of what this machine saw before, or of what is
        salvaged."""
        failures = [] if self._salvaged is None else self._salvaged.failures
        return [*self._heads.warnings, *map(str, failures)]

    def check_writable(self) -> None:
        """Raise UsageError where this is only being salvaged: not all that is needed is known."""
        if self._salvaged is not None:
            raise UsageError("a repository that is salvaged can only be read")

    @property
    def snapshots(self) -> list[Snapshot]:
        """In the order they were committed."""
        return self.log.snapshots

    def find(self, name: str) -> Snapshot:
        """`latest`, an id, or the beginning of one. Raises UsageError, SourceError."""
        return find_snapshot(self.snapshots, name)

    def open_manifest(self, snapshot: Snapshot) -> ManifestSource:
        """Its plaintext. Raises DamagedError, SourceError."""
        path = self.store.path_of(segment_name(snapshot.id))
        return ManifestSource(path, snapshot, self.root, self.config.repo_id)

    @property
    def segments(self) -> Segments:
        """The data segments, to fetch from and verify."""
        if self._segments is not None:
            return self._segments
        folder = self.store.folder / SEGMENTS
        there = folder.is_dir()
        opened = Segments(
            repo_id=self.config.repo_id,
            wrap_key=self.keys.wrap,
            chunk_key=self.keys.chunk,
            # Where nothing was ever stored, everything is missing.
            folder=folder if there else self.store.folder,
        )
        self._stack.callback(opened.close)
        if there:
            self._segments = opened
        return opened

    @property
    def index(self) -> ChunkIndex:
        """Where chunks are; load_index with no progress, if that was not called."""
        if self._tables is None:
            self.load_index()
        return self._open_tables().index

    def load_index(self, *, watch: Watch = UNWATCHED) -> dict[bytes, StrongroomError]:
        """Bring the index up to the log. What could not be read of which segments."""
        tables = self._open_tables()
        try:
            tables.follow(watch=watch)
        except BaseException:
            self._forget_tables()
            raise
        tables.keep()
        return tables.failures

    @property
    def suspects(self) -> Suspects:
        """Segments that were found damaged."""
        return Suspects(self._cache)

    def index_of(
        self, ids: Collection[bytes], *, watch: Watch = UNWATCHED
    ) -> tuple[ChunkIndex, set[bytes]]:
        """Made anew from the directories of these segments, and from nothing that is remembered; to
        be closed. And those that could not be read: nothing of them is in it. Raises TargetError,
        CancelledError."""
        return chunks.fresh_index(self.segments, ids, self._cache, watch=watch)

    def copied_index(self) -> ChunkIndex:
        """The index as it is now, in a table of its own, to be closed. Raises TargetError."""
        return self._open_tables().copy()

    def note_bad(self, ids: Sequence[bytes]) -> None:
        """Chunks that turned out damaged: the next backup is to store them again."""
        tables = self._open_tables()
        self.suspects.add(tables.remove(ids))
        tables.keep()

    def rebuild_index(
        self,
        *,
        damaged: Collection[bytes] = (),
        bad: Mapping[bytes, bytes] | None = None,
        watch: Watch = UNWATCHED,
    ) -> dict[bytes, StrongroomError]:
        """Make the index anew from the segments alone. What could not be read of which.

        damaged, bad: segments known to be damaged, and of each the ids of the chunks that are bad
        in it, one after another: they count as stored only where another segment has them.
        """
        self._forget_tables()
        chunks.forget(self._cache)
        if bad is not None:
            self.suspects.add(damaged)
            self._open_tables().load_damaged(damaged, bad, watch=watch)
        return self.load_index(watch=watch)

    def begin_session(
        self, *, effort: Effort | None = None, watch: Watch = UNWATCHED
    ) -> BackupSession:
        """Begin a backup: load the index, sweep what dead sessions left. Close it, or commit.

        Raises TargetError when the repository cannot be written to; ConflictError while another
        session of this object is open.
        """
        self.check_writable()
        if self._session is not None:
            raise ConflictError("beginning a backup: another one is running here")
        spool = Spool(self.store.folder)
        try:
            self.log.load()
            self.load_index(watch=watch)
            tables = self._open_tables()
            names = self.store.list(SEGMENTS)
            tables.forget_missing({segment_id_of(name) for name in names})
            self._session = BackupSession(
                SessionKeys(self.root, self.config.repo_id, self.keys.chunk),
                tables.index,
                spool,
                base=self.log.head[0],
                effort=Effort() if effort is None else effort,
                ended=self._ended,
            )
        except BaseException:
            spool.close()
            raise
        return self._session

    def commit(
        self,
        session: BackupSession,
        snapshot: Snapshot,
        manifest: SegmentRef,
        *,
        watch: Watch = UNWATCHED,
    ) -> LogEntry:
        """Make a session part of the repository, for good once this returns; it is closed then.

        manifest: what new_manifest finished with.
        Raises OvertakenError where others removed what the snapshot relies on: then the data is
        kept, so that to begin again costs little. Raises TargetError; nothing is committed then,
        unless a store that did not answer did it all the same.
        """
        session.finish(watch=watch)
        entry = self._commits().publish(session, snapshot, manifest)
        session.committed = True
        session.close()
        self._heads.remember(self.log, proven=True)
        self._follow(own=session.id)
        return entry

    def commit_partial(
        self, session: BackupSession, snapshot: Snapshot | None, manifest: SegmentRef | None
    ) -> None:
        """Make what is complete of a session part of the repository, whatever becomes of the rest.

        snapshot: what all of it amounts to, once the session was flushed, with partial set; it
        takes the place of the last one. None: only segments. Raises as commit does.
        """
        self._commits().publish(session, snapshot, manifest)
        self._heads.remember(self.log, proven=True)

    def append(self, draft: Draft, revise: Revise) -> LogEntry:
        """Commit a change, and follow it. Raises what Log.append does."""
        entry = self.log.append(draft, revise)
        self._heads.remember(self.log, proven=True)
        self._follow()
        return entry

    def close(self) -> None:
        """End what is open. More than once is fine."""
        if self._session is not None:
            self._session.close()
        self._heads.remember(self.log, proven=True)
        self._forget_tables()
        self._stack.close()
        self._segments = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self, *, own: bytes | None = None) -> None:
        """Of what is committed an index that cannot be brought up to it is made anew next time."""
        tables = self._tables
        if tables is None:
            return
        try:
            tables.follow(own=own)
            tables.keep()
        except StrongroomError:
            self._forget_tables()

    def _ended(self, session: BackupSession) -> None:
        self._session = None
        if not session.committed:
            # It knows chunks of segments that will never be.
            self._forget_tables()

    def _commits(self) -> Commits:
        return Commits(self.store, self.log, self._open_tables, self.open_manifest)

    def _open_tables(self) -> ChunkTables:
        if self._tables is None:
            self._tables = ChunkTables(self.log, lambda: self.segments, self._cache)
        return self._tables

    def _forget_tables(self) -> None:
        tables, self._tables = self._tables, None
        if tables is not None:
            tables.close()


def config_of(store: LocalStore, *, doing: str) -> Config:
    """As read_config; an error says what can be done."""
    with _naming_a_way_out():
        return read_config(store, doing=doing)


@contextmanager
def _naming_a_way_out() -> Iterator[None]:
    """One small object is damaged: what it speaks of need not be."""
    try:
        yield
    except DamagedError as error:
        error.hint = f'{error.hint}; "strongroom restore --salvage" reads what is left of this one'
        raise
