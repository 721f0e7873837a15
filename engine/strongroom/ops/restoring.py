"""Entries of a manifest, brought back below a target one after another."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from strongroom._core import Watch
from strongroom.errors import StrongroomError, TargetError, TargetExistsError
from strongroom.manifest.entry import DEVICES, FILE, FOLDER, SOCKET, SPARSE, Entry
from strongroom.ops.arrivals import Arrivals
from strongroom.ops.attributes import Attributes
from strongroom.ops.contents import ChunkSource, Contents, Linked, Pending
from strongroom.ops.folders import Folders, split
from strongroom.ops.landing import Landing
from strongroom.ops.levels import Level, found
from strongroom.ops.nodes import finish_node, link_again, make_node
from strongroom.ops.overwrite import IN_THE_WAY, REPLACE_HINT, Overwrite, Verdict, is_same, judge
from strongroom.ops.restore_options import Reports, RestoreCounts, RestoreOptions

_WAITING_MAX: Final = 4096
# A file of 1 TiB. The ids of larger ones are not kept for the sake of further names.
_LINK_CHUNKS_MAX: Final = 1 << 20
_SIZE_MAX: Final = 2**63 - 1  # what the system can be asked for; refused, it is an OSError


class _Name(NamedTuple):
    """A further name of a file."""

    entry: Entry
    link: Linked
    ids: Sequence[bytes]
    replace: bool


class Restorer:
    """Takes entries in order. Close it whatever happens; finish it to have it all."""

    def __init__(
        self,
        folders: Folders | None,
        chunks: ChunkSource,
        options: RestoreOptions,
        *,
        reports: Reports,
        watch: Watch,
    ) -> None:
        """folders: None if there is no target yet, in a dry run."""
        self.counts = RestoreCounts()
        self._target = folders
        self._options = options
        self._reports = reports
        self._contents = Contents(chunks, self._land, watch=watch)
        self._attributes = Attributes(numeric_owners=options.numeric_owners)
        self._arrivals = Arrivals(
            lambda: self._folders, self._attributes, self._arrived, watch=watch
        )
        self._levels: list[Level] = []
        self._left: list[Level] = []  # folders that wait for files in them
        self._blocked: bytes | None = None  # what begins so cannot be restored
        self._names: list[_Name] = []
        self._linked: dict[tuple[int, ...], Linked] = {}  # while names are to come

    def take(self, entry: Entry, ids: Iterable[bytes], *, on_the_way: bool = False) -> None:
        """ids: of a file's chunks, some at a time; not used after this returns. on_the_way: a
        folder that only leads to what was asked for."""
        path = entry.path
        if self._blocked is not None:
            if path.startswith(self._blocked):
                return
            self._blocked = None
        while self._levels and not path.startswith(self._levels[-1].entry.path + b"/"):
            self._left.append(self._levels.pop())
        if len(self._left) + len(self._names) > _WAITING_MAX:
            self._flush()
        self.counts.entries += 1
        try:
            if entry.type == FOLDER:
                self._folder(entry, on_the_way=on_the_way)
            elif entry.type == FILE:
                self._file(entry, ids)
            else:
                self._other(entry)
        except OSError as error:
            self._fail(entry, error.strerror)
            if entry.type == FOLDER:
                self._blocked = path + b"/"

    def finish(self) -> RestoreCounts:
        """What waits for its end."""
        while self._levels:
            self._left.append(self._levels.pop())
        self._flush()
        return self.counts

    def close(self) -> None:
        """Leave nothing half done."""
        self._contents.abandon()
        self._arrivals.close()

    # Folders

    def _folder(self, entry: Entry, *, on_the_way: bool) -> None:
        there = None if self._is_fresh() else self._folders.status(entry.path)
        if there is not None and stat.S_ISDIR(there.st_mode):
            level = found(entry, there, self._options.overwrite, on_the_way=on_the_way)
            self._levels.append(level)
            if not self._options.dry_run:
                self._folders.open_up(entry.path, there)
            self._folders.status(entry.path + b"/.")  # fails once, not for each thing in it
            return
        if there is not None and self._options.overwrite is not Overwrite.ALWAYS:
            why = "something else has its name; nothing in it is restored"
            self._fail(entry, why, hint=REPLACE_HINT)
            self._blocked = entry.path + b"/"
            return
        if not self._options.dry_run:
            if there is not None:
                parent, name = split(entry.path)
                os.unlink(name, dir_fd=self._folders.open(parent))
            self._folders.make(entry.path)
        self._levels.append(Level(entry, fresh=True))

    def _leave(self, level: Level) -> None:
        """Nothing more comes into a folder."""
        if self._options.dry_run:
            return
        entry = level.entry
        try:
            if level.kept is not None:
                self._folders.close_again(entry.path, level.kept)
            else:
                fd = self._folders.open(entry.path)
                self._note_attributes(entry, self._attributes.set(fd, entry))
            self._folders.forget(entry.path)
        except OSError as error:
            self._note_attributes(entry, error)

    @property
    def _folders(self) -> Folders:
        if self._target is None:
            raise FileNotFoundError(0, "there is no target")
        return self._target

    def _is_fresh(self) -> bool:
        return self._levels[-1].fresh if self._levels else self._target is None

    # Files

    def _file(self, entry: Entry, ids: Iterable[bytes]) -> None:
        link: Linked | None = None
        if entry.nlink > 1 and entry.chunks <= _LINK_CHUNKS_MAX:
            ids = list(ids)
            link = self._linked_of(entry, ids)
        verdict = self._judge(entry)
        if verdict is Verdict.KEEP:
            return
        if link is not None and link.begun:
            self._again(_Name(entry, link, list(ids), verdict is Verdict.REPLACE))
            return
        if link is not None:
            link.begun = True
        if self._options.dry_run:
            self._count(entry)
            self.counts.room += 0 if entry.flags & SPARSE else entry.size
        else:
            self._write(entry, ids, replace=verdict is Verdict.REPLACE, link=link)

    def _linked_of(self, entry: Entry, ids: Sequence[bytes]) -> Linked:
        """What names of one file have in common."""
        key = (entry.dev, entry.ino, entry.size, entry.mtime_ns, hash(tuple(ids)))
        link = self._linked.pop(key, None) or Linked(entry.nlink)
        link.left -= 1
        if link.left:
            self._linked[key] = link
        return link

    def _judge(self, entry: Entry) -> Verdict:
        """What becomes of it; never REFUSE, which is reported, and then is KEEP."""
        there = None if self._is_fresh() else self._folders.status(entry.path)
        if there is None:
            return Verdict.NEW
        parent, name = split(entry.path)
        same = is_same(entry, there, name, self._folders.open(parent))
        verdict = judge(entry, there, self._options.overwrite, same=same)
        if verdict is Verdict.REFUSE:
            self._refuse(entry, folder=stat.S_ISDIR(there.st_mode))
            return Verdict.KEEP
        if verdict is Verdict.KEEP:
            self.counts.kept += 1
            if same and entry.type != FILE:
                return Verdict.FINISH
        return verdict

    def _write(
        self, entry: Entry, ids: Iterable[bytes], *, replace: bool, link: Linked | None
    ) -> None:
        landing = Landing(self._folders, entry.path)
        try:
            if entry.flags & SPARSE:
                os.ftruncate(landing.fd, min(entry.size, _SIZE_MAX))
        except BaseException:
            landing.abandon()
            raise
        self._contents.add(Pending(entry, landing, replace, link), ids)

    def _land(self, file: Pending) -> None:
        """Its contents are there, or cannot be had."""
        entry = file.entry
        if file.error is not None:
            file.landing.abandon()
            self._report(file.error)
            return
        if not file.replace and file.landing.is_nameless and not entry.xattrs:
            self._arrivals.add(file)
            return
        try:
            failed = self._attributes.set(file.landing.fd, entry)
            file.landing.land(replace=file.replace)
        except FileExistsError:
            self._refuse(entry, folder=False)
            return
        except OSError as error:
            self._fail(entry, error.strerror)
            return
        self._is_there(file)
        self._note_attributes(entry, failed)

    def _arrived(self, file: Pending, attributes_error: int, name_error: int) -> None:
        """As _land, after the core has done it."""
        if name_error == errno.EEXIST:
            self._refuse(file.entry, folder=False)
        elif name_error != 0:
            self._fail(file.entry, os.strerror(name_error))
        else:
            self._is_there(file)
            if attributes_error != 0:
                failed = OSError(attributes_error, os.strerror(attributes_error))
                self._note_attributes(file.entry, failed)

    def _is_there(self, file: Pending) -> None:
        self._count(file.entry)
        if file.link is not None:
            file.link.path = file.entry.path

    def _again(self, name: _Name) -> None:
        if self._options.dry_run:
            self._count(name.entry)
        else:
            self._names.append(name)

    def _link(self, name: _Name) -> None:
        """A further name of a file that was restored, or should have been."""
        first = name.link.path
        if first is None:
            self._fail(name.entry, "the file it is another name of was not restored")
            return
        try:
            link_again(self._folders, first, name.entry.path, replace=name.replace)
        except FileExistsError:
            self._refuse(name.entry, folder=False)
        except OSError:  # no hard links here, or no more of them: a file of its own then
            try:
                self._write(name.entry, name.ids, replace=name.replace, link=None)
            except OSError as error:
                self._fail(name.entry, error.strerror)
        else:
            self._count(name.entry)

    # Neither

    def _other(self, entry: Entry) -> None:
        if entry.type == SOCKET:
            self._skip(entry, "a socket")
            return
        if entry.type in DEVICES and not (self._options.devices and os.geteuid() == 0):
            self._skip(entry, "a device")
            return
        verdict = self._judge(entry)
        if self._options.dry_run or verdict is Verdict.KEEP:
            return
        if verdict is Verdict.FINISH:
            failed = finish_node(self._folders, entry, self._attributes)
        else:
            replace = verdict is Verdict.REPLACE
            failed = make_node(self._folders, entry, self._attributes, replace=replace)
        self._note_attributes(entry, failed)

    # Ends

    def _flush(self) -> None:
        """All files so far, then what had to wait for them."""
        self._finish_files()
        names, self._names = self._names, []
        left, self._left = self._left, []
        for name in names:
            self._link(name)
        self._finish_files()
        for level in left:
            self._leave(level)

    def _finish_files(self) -> None:
        self._contents.flush()
        self._arrivals.finish()

    def _count(self, entry: Entry) -> None:
        self.counts.files += 1
        self.counts.bytes += entry.size

    def _skip(self, entry: Entry, what: str) -> None:
        self.counts.skipped += 1
        self._reports.note(f"left out {_shown(entry)}: it is {what}")

    def _refuse(self, entry: Entry, *, folder: bool) -> None:
        what, hint = IN_THE_WAY[folder]
        self._report(TargetExistsError(f"restoring {_shown(entry)}: {what}", hint=hint))

    def _note_attributes(self, entry: Entry, failed: OSError | None) -> None:
        if failed is not None:
            self._fail(entry, f"not all of its attributes: {failed.strerror}")

    def _fail(self, entry: Entry, why: str | None, *, hint: str | None = None) -> None:
        self._report(TargetError(f"restoring {_shown(entry)}: {why}", hint=hint))

    def _report(self, error: StrongroomError) -> None:
        self.counts.errors += 1
        self._reports.error(error)


def _shown(entry: Entry) -> str:
    return os.fsdecode(entry.path)
