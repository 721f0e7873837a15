"""Restore: everything in a snapshot, subtrees of it, or single files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from functools import partial
from typing import Final, TypeAlias

from strongroom._core import UNWATCHED, Watch
from strongroom._core.sync import sync
from strongroom.errors import CancelledError, DamagedError, SourceError, TargetError, UsageError
from strongroom.manifest.entry import is_sound
from strongroom.manifest.order import sort_key
from strongroom.manifest.reader import ManifestReader, Readable
from strongroom.ops.contents import ChunkSource
from strongroom.ops.folders import Folders
from strongroom.ops.restore_options import Reports, RestoreCounts, RestoreOptions
from strongroom.ops.restoring import Restorer

OpenManifest: TypeAlias = Callable[[], AbstractContextManager[Readable]]
Path: TypeAlias = "str | bytes | os.PathLike[str]"

_QUIET: Final = Reports(lambda _: None, lambda _: None)


class Wanted:
    """Which paths of a snapshot are asked for: all, or these and what is below them."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        """A leading '/' means nothing. Raises UsageError for what cannot be in a snapshot."""
        normal = {_normal(os.fsencode(path)) for path in paths}
        self._paths = frozenset() if b"" in normal else frozenset(normal)
        self._below = tuple(path + b"/" for path in self._paths)
        self._above = {
            path[:at]
            for path in self._paths
            for at in range(len(path))
            if path[at : at + 1] == b"/"
        }
        self._last = max(map(sort_key, self._paths), default=b"")
        self._missing = set(self._paths)

    def holds(self, path: bytes) -> bool:
        """Is it one of them, below one of them, or a folder on the way to one?"""
        self._missing.discard(path)
        return not self.is_on_the_way(path) or path in self._above

    def is_on_the_way(self, path: bytes) -> bool:
        """Is it, of those held, only a folder on the way?"""
        return bool(self._paths) and path not in self._paths and not path.startswith(self._below)

    def is_past(self, path: bytes) -> bool:
        """Can nothing that is wanted come after this, which is not?"""
        return bool(self._paths) and sort_key(path) > self._last

    @property
    def missing(self) -> list[bytes]:
        """What did not come by."""
        return sorted(self._missing)

    @property
    def is_nothing(self) -> bool:
        """Did nothing that is asked for come by?"""
        return bool(self._paths) and len(self._missing) == len(self._paths)


def restore_tree(
    open_manifest: OpenManifest,
    target: Path,
    *,
    chunks: ChunkSource,
    reports: Reports,
    paths: Sequence[Path] = (),
    options: RestoreOptions | None = None,
    expected_bytes: int | None = None,
    watch: Watch = UNWATCHED,
) -> RestoreCounts:
    """Bring back a snapshot, or paths of it, below target, which is made if it is not there.

    expected_bytes: no more than this is in the snapshot. Goes on past what cannot be restored,
    having reported it. Raises TargetError when the target cannot be written to or has too little
    room, SourceError when nothing that was asked for is there, DamagedError when the manifest is
    damaged; what came before the damage is restored then.
    """
    options = RestoreOptions() if options is None else options
    doing = f"restoring to {os.fsdecode(target)}"
    with ExitStack() as stack:
        if not options.dry_run:
            stack.push(partial(_remove_empty, _not_there(target)))
        folders = _open_target(target, make=not options.dry_run, doing=doing)
        if folders is not None:
            stack.callback(folders.close)
        if folders is not None and not options.dry_run:
            free = _free_bytes(target)
            if expected_bytes is None or expected_bytes > free:
                plan = RestoreOptions(overwrite=options.overwrite, dry_run=True)
                trial = Restorer(folders, chunks, plan, reports=_QUIET, watch=watch)
                with suppress(DamagedError):  # it will be met again
                    _run(open_manifest, trial, Wanted(paths), watch=watch, doing=doing)
                _check_room(trial.counts.room, free, doing=doing)
        wanted = Wanted(paths)
        restorer = stack.enter_context(
            closing(Restorer(folders, chunks, options, reports=reports, watch=watch))
        )
        counts = _run(open_manifest, restorer, wanted, watch=watch, doing=doing)
        if folders is not None and not options.dry_run:
            _make_durable(folders, doing=doing)
        if wanted.is_nothing:
            raise SourceError(f"{doing}: the snapshot has nothing of what was asked for")
    if options.dry_run:
        _check_room(counts.room, _free_bytes(target), doing=doing)
    for path in wanted.missing:
        counts.errors += 1
        reports.error(SourceError(f"restoring {os.fsdecode(path)}: it is not in the snapshot"))
    return counts


def _run(
    open_manifest: OpenManifest, restorer: Restorer, wanted: Wanted, *, watch: Watch, doing: str
) -> RestoreCounts:
    with open_manifest() as source:
        reader = ManifestReader(source, doing=doing)
        damage: DamagedError | None = None
        try:
            for entry in reader:
                if watch.cancel is not None and watch.cancel.is_set():
                    raise CancelledError(f"{doing}: cancelled")
                if wanted.holds(entry.path):
                    on_the_way = wanted.is_on_the_way(entry.path)
                    restorer.take(entry, reader.ids(), on_the_way=on_the_way)
                elif wanted.is_past(entry.path):
                    break
        except DamagedError as error:
            damage = error
        counts = restorer.finish()
    if damage is not None:
        raise damage
    return counts


def _make_durable(folders: Folders, *, doing: str) -> None:
    """Once for all files: each on its own would cost a hundred times as much."""
    try:
        sync(folders.open(b""), doing=doing)
    except OSError as error:
        raise TargetError(f"{doing}: making it durable: {error.strerror}") from None


def _open_target(target: Path, *, make: bool, doing: str) -> Folders | None:
    """None if it is not there and not to be made."""
    try:
        if make:
            os.makedirs(target, exist_ok=True)  # noqa: PTH103  # bytes
        return Folders(target)
    except (FileExistsError, NotADirectoryError):
        raise TargetError(f"{doing}: it is not a folder") from None
    except FileNotFoundError as error:
        if not make:
            return None
        raise TargetError(f"{doing}: {error.strerror}") from None
    except OSError as error:
        raise TargetError(f"{doing}: {error.strerror}") from None


def _not_there(target: Path) -> list[bytes]:
    """Of target and the folders above it those that have to be made, the deepest first."""
    place = os.fsencode(target).rstrip(b"/")
    missing = []
    while place and not os.path.lexists(place):
        missing.append(place)
        place = os.path.dirname(place)  # noqa: PTH120
    return missing


def _remove_empty(made: Sequence[bytes], failure: type[BaseException] | None, *_: object) -> None:
    """What failed before anything was restored leaves no folders."""
    with suppress(OSError):
        for folder in made if failure is not None else ():
            os.rmdir(folder)  # noqa: PTH106  # bytes


def _free_bytes(target: Path) -> int:
    """Where target is, or would be made."""
    place = os.path.abspath(os.fsencode(target))  # noqa: PTH100  # bytes
    while not os.path.exists(place):  # noqa: PTH110
        place = os.path.dirname(place)  # noqa: PTH120
    room = os.statvfs(place)
    return room.f_bavail * room.f_frsize


def _check_room(needed: int, free: int, *, doing: str) -> None:
    if needed > free:
        raise TargetError(
            f"{doing}: it needs {needed:,} bytes, and {free:,} are free",
            hint="free some room, choose another target, or restore only some paths",
        )


def _normal(path: bytes) -> bytes:
    """As the snapshot has it; empty for all of it."""
    normal = os.path.normpath(path).strip(b"/") if path else b"."
    if normal in {b"", b"."} and path:
        return b""
    if not is_sound(normal):
        raise UsageError(f"{os.fsdecode(path)!r} cannot be in a snapshot")
    return normal
