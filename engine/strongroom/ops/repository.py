"""A repository, as programs that embed Strongroom use it. docs/EMBEDDING.md has examples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from strongroom._core import Cancel, Progress, Watch
from strongroom.errors import SourceError, StrongroomError
from strongroom.keys.rootkey import RootKey
from strongroom.ops.credentials import Key, credential_of
from strongroom.ops.seal import DEFAULT_LEVEL
from strongroom.ops.threads import thread_limit
from strongroom.ops.turns import Turns
from strongroom.repository.opened import OpenRepository
from strongroom.repository.snapshots import Snapshot
from strongroom.stores.locate import open_store

# Programs start for one call and end: what a method runs is loaded by the method.
if TYPE_CHECKING:
    from typing import Self

    from strongroom.keys.password import Password
    from strongroom.ops.backup import BackupResult, Labels
    from strongroom.ops.chunked import SnapshotFile
    from strongroom.ops.piping import Readable
    from strongroom.ops.restore_options import RestoreCounts, RestoreOptions
    from strongroom.ops.saved import SavedSnapshot
    from strongroom.ops.stats import Stats
    from strongroom.ops.tree import Selection
    from strongroom.ops.upkeep import Upkeep
    from strongroom.ops.verify import Finding, VerifyResult

AnyPath: TypeAlias = "str | bytes | os.PathLike[str]"
Name: TypeAlias = "str | Snapshot | SavedSnapshot"
"""A snapshot, `latest`, an id, or the first digits of one."""
OnError: TypeAlias = Callable[[StrongroomError], None]
OnNote: TypeAlias = Callable[[str], None]


def _ignore(_: object) -> None:
    """For those who do not want to know."""


class Repository(Turns):
    """An encrypted repository of snapshots. Close it, or use it in a with statement.

        with Repository.open("/mnt/backup", key="my.key") as repository:
            repository.backup(["/home/ada/films"])
            repository.restore("latest", "/tmp/again")

    Any thread may call any method; calls of several threads take turns, and a backup holds its
    turn until it is committed. To work at the same time, open one for each thread; any number of
    threads and processes may work on one repository at once, backups too. A forked
    child must open its own.

    progress is called ten times a second, in the calling thread, with bytes read and bytes
    written so far; cancel, such as a threading.Event, stops the call with CancelledError.
    """

    @classmethod
    def create(
        cls,
        url: str | os.PathLike[str],
        *,
        key: Key,
        password: Password | None = None,
        cache: str | os.PathLike[str] | None = None,
        state: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Make a repository at a path or file:// URL, and open it.

        key: its RootKey, or a file that holds it. Whoever loses it, and the password, loses all:
        RootKey.generate makes one, to_digits shows it. password: opens it too from then on; its
        strength is for the caller to judge. cache, state: see open. Raises TargetExistsError,
        TargetError.
        """
        from strongroom.repository.create import create_repository
        from strongroom.repository.freshness import remember_new

        root = credential_of(key)
        if not isinstance(root, RootKey):
            raise TypeError("a repository is made for a RootKey; a password can be added to it")
        store = open_store(os.fspath(url))
        doing = f"making a repository at {store.url}"
        config = create_repository(store, root, password=password, doing=doing)
        remember_new(store.url, config, state=None if state is None else Path(state))
        return cls.open(url, key=root, cache=cache, state=state)

    @classmethod
    def open(
        cls,
        url: str | os.PathLike[str],
        *,
        key: Key,
        cache: str | os.PathLike[str] | None = None,
        state: str | os.PathLike[str] | None = None,
        accept_rollback: bool = False,
        salvage: bool = False,
    ) -> Self:
        """Open a repository; its log is read and checked, and held against what was seen before.

        cache: a folder for its chunk index, which can be lost at any time; by default one for each
        repository in the user's cache folder. state: a folder to remember the newest head in,
        which should not be lost; by default in the user's state folder. accept_rollback: be
        content with an older state than was seen, or with another repository. salvage: only
        read, and what is left where the log or the config is damaged, which warnings tells. Raises
        NoRepositoryError, WrongKeyError, DamagedError, UnsupportedError, LimitError, SourceError,
        RolledBackError.
        """
        return cls(
            OpenRepository(
                open_store(os.fspath(url)),
                credential_of(key),
                cache=None if cache is None else Path(cache),
                state=None if state is None else Path(state),
                accept_rollback=accept_rollback,
                salvage=salvage,
            )
        )

    @property
    def upkeep(self) -> Upkeep:
        """To forget snapshots and to tag them."""
        from strongroom.ops.upkeep import Upkeep

        with self._turn() as opened:
            opened.check_writable()
        return Upkeep(self._turn)

    def snapshots(self) -> list[SavedSnapshot]:
        """In the order they were committed, by others too."""
        with self._turn() as opened:
            opened.log.load()
            return [self._saved(info) for info in opened.snapshots]

    def snapshot(self, name: str = "latest") -> SavedSnapshot:
        """`latest`, an id, or the first digits of one. Raises SourceError, UsageError."""
        with self._turn() as opened:
            opened.log.load()
            return self._saved(opened.find(name))

    def backup(
        self,
        what: Selection | AnyPath | Iterable[AnyPath],
        *,
        labels: Labels | None = None,
        dry_run: bool = False,
        level: int = DEFAULT_LEVEL,
        threads: int | None = None,
        on_error: OnError = _ignore,
        on_note: OnNote = _ignore,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        stop: Cancel | None = None,
    ) -> BackupResult:
        """Store files and folders as a new snapshot. What is there already is not stored again,
        and what is unchanged since the last snapshot of the same paths is not read.

        what: paths, or a Selection that also says what to leave out. labels: host and tags.
        dry_run: only look. on_error: called for each file that could not be read, or changed
        meanwhile; the snapshot says how many. on_note: damage of the repository that was met; what
        was lost is stored again. stop: once it is set the backup ends early, and what was read is
        kept as a partial snapshot. A long backup commits what it has every now and then, whatever
        becomes of it; the next one does not read that again. Raises SourceError when nothing could
        be read, TargetError, UsageError.
        """
        from strongroom.ops.backup import BackupReports, backup
        from strongroom.ops.tree import Selection
        from strongroom.repository.session import Effort

        with self._turn() as opened:
            return backup(
                opened,
                Selection.of(what),
                reports=BackupReports(on_error, on_note),
                labels=labels,
                dry_run=dry_run,
                effort=Effort(level, thread_limit(threads)),
                stop=stop,
                watch=Watch(progress, cancel),
            )

    def add_stream(
        self,
        name: str | bytes,
        file: Readable,
        *,
        labels: Labels | None = None,
        level: int = DEFAULT_LEVEL,
        threads: int | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> BackupResult:
        """Store what a file object gives until it ends, as a snapshot of one file of that name.

        In constant memory, as it arrives. file.read is called in this thread; if it raises, that
        is raised here, and nothing is stored. See backup.
        """
        from strongroom.ops.backup import BackupReports, backup
        from strongroom.ops.piping import through_pipe
        from strongroom.ops.tree import Selection
        from strongroom.repository.session import Effort

        def store(fd: int, watch: Watch) -> BackupResult:
            return backup(
                opened,
                Selection(stream_name=name, stream=fd),
                reports=BackupReports(_ignore, _ignore),
                labels=labels,
                effort=Effort(level, thread_limit(threads)),
                watch=watch,
            )

        with self._turn() as opened:
            return through_pipe(file, store, Watch(progress, cancel))

    def open_file(self, snapshot: Name, path: AnyPath) -> SnapshotFile:
        """A file of a snapshot, to be read at any place. Close it before the repository.

        Only the chunks that are asked for are fetched, and each is verified. Raises SourceError
        if there is no such file, DamagedError.
        """
        from strongroom.manifest.entry import FILE
        from strongroom.ops.chunked import InTurn, SnapshotFile
        from strongroom.ops.listing import find_entry, path_in_snapshot

        with self._turn() as opened:
            info = self._info(opened, snapshot)
            name, wanted = info.id.hex(), path_in_snapshot(path)
            with opened.open_manifest(info) as manifest:
                entry, ids = find_entry(manifest, wanted, doing=f"reading snapshot {name}")
            doing = f"reading {os.fsdecode(wanted)} in snapshot {name}"
            if entry.type != FILE:
                raise SourceError(f"{doing}: it is not a regular file")
            opened.load_index()
        return SnapshotFile(InTurn(self._turn), ids, entry.size, doing=doing)

    def restore(
        self,
        snapshot: Name,
        target: AnyPath,
        *,
        paths: Sequence[AnyPath] = (),
        options: RestoreOptions | None = None,
        threads: int | None = None,
        on_error: OnError = _ignore,
        on_note: OnNote = _ignore,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> RestoreCounts:
        """Bring back a snapshot, or some paths of it, below target.

        It lies there by the paths that were given to the backup. Nothing that exists is replaced
        unless options say so. on_error: called for each file that could not be restored; the rest
        is. on_note: what was left out as it should be, such as sockets. Raises TargetError,
        SourceError when nothing of what was asked for is in the snapshot, DamagedError.
        """
        from strongroom.ops.restore import restore
        from strongroom.ops.restore_options import Reports

        with self._turn() as opened:
            info = self._info(opened, snapshot)
            opened.load_index()
            return restore(
                opened,
                info,
                target,
                reports=Reports(on_error, on_note),
                paths=paths,
                options=options,
                threads=thread_limit(threads),
                watch=Watch(progress, cancel),
            )

    def verify(
        self,
        *,
        data: bool = False,
        subset: float | None = None,
        threads: int | None = None,
        on_damage: Callable[[Finding], None] = _ignore,
        on_note: OnNote = _ignore,
        on_total: Callable[[int], None] = _ignore,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> VerifyResult:
        """Check that every snapshot can be restored; with data, by reading everything stored.

        subset: read at least that share of it, above 0 and up to 1, and next time the next one;
        what was read is remembered on this machine. on_total: called with how much there
        is to do, as progress counts it: bytes, and more for what takes longer than its bytes.
        on_damage: called for each damaged segment, and for exactly the files that are hurt. The
        next backup stores again what was found lost and is still there.
        """
        from strongroom.ops.verify import verify

        with self._turn() as opened:
            opened.log.load()
            watch = Watch(progress, cancel)
            return verify(
                opened,
                data=data,
                subset=subset,
                threads=threads,
                report=on_damage,
                note=on_note,
                on_total=on_total,
                watch=watch,
            )

    def stats(self) -> Stats:
        """How much is stored."""
        from strongroom.ops.stats import repository_stats

        with self._turn() as opened:
            opened.log.load()
            opened.load_index()
            return repository_stats(opened)

    def rebuild_index(self, *, cancel: Cancel | None = None) -> dict[bytes, StrongroomError]:
        """Make the chunk index anew from the segments alone. Which could not be read, and why."""
        with self._turn() as opened:
            opened.log.load()
            return opened.rebuild_index(watch=Watch(cancel=cancel))

    def _saved(self, info: Snapshot) -> SavedSnapshot:
        from strongroom.ops.saved import SavedSnapshot

        return SavedSnapshot(info, self._opened)

    @staticmethod
    def _info(opened: OpenRepository, snapshot: Name) -> Snapshot:
        if isinstance(snapshot, str):
            opened.log.load()
            return opened.find(snapshot)
        return snapshot if isinstance(snapshot, Snapshot) else snapshot.info
