"""Repositories to break, and a plain picture of what should be in them."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

from strongroom import RootKey, StrongroomError
from strongroom._core import CHUNK_LEN
from strongroom._core.rows import each_id
from strongroom._core.segments import WANT, Want, want_error
from strongroom.keys.envelope import Credential
from strongroom.manifest.entry import FILE, FOLDER, SYMLINK
from strongroom.manifest.reader import ManifestReader
from strongroom.ops.overwrite import Overwrite
from strongroom.ops.repository import Repository
from strongroom.ops.restore_options import RestoreCounts, RestoreOptions
from strongroom.ops.scrub_repository import scrub_repository
from strongroom.ops.verify import Finding, VerifyResult
from strongroom.repository.create import create_repository
from strongroom.repository.opened import OpenRepository
from strongroom.repository.snapshots import Snapshot
from strongroom.stores.local import LocalStore

ROOT = RootKey(bytes(range(60, 92)))


class Seen(NamedTuple):
    """What there is under a name. Other types than those three are not looked at."""

    type: int
    mode: int
    mtime_ns: int
    data: bytes
    """Contents, or a link's target."""


Picture: TypeAlias = dict[bytes, Seen]
"""By path below the tree."""


@dataclass(frozen=True, slots=True)
class Library:
    """A repository in a folder, one file of index tables beside it, and a tree to back up."""

    base: Path
    key: Credential = field(default_factory=lambda: ROOT, repr=False)
    threads: int | None = 1

    @property
    def folder(self) -> Path:
        return self.base / "repository"

    @property
    def cache(self) -> Path:
        return self.base / "cache"

    @property
    def tree(self) -> Path:
        return self.base / "tree"

    @property
    def state(self) -> Path:
        """What this one's user saw of it. A copy's has seen nothing."""
        return self.base / "state"

    def create(self) -> Library:
        self.base.mkdir(parents=True, exist_ok=True)
        self.tree.mkdir(exist_ok=True)
        create_repository(LocalStore(self.folder), ROOT, doing="making it")
        return self

    def copy(self, base: Path) -> Library:
        """The same in another place, the tree where it was."""
        shutil.copytree(self.folder, base / "repository", symlinks=True)
        if self.cache.exists():
            shutil.copytree(self.cache, base / "cache")
        (base / "tree").symlink_to(self.tree)
        return replace(self, base=base)

    def open(self) -> Repository:
        """As those do who embed it."""
        return Repository.open(self.folder, key=self.key, cache=self.cache, state=self.state)

    @contextmanager
    def inside(self) -> Iterator[OpenRepository]:
        store = LocalStore(self.folder)
        with OpenRepository(store, self.key, cache=self.cache, state=self.state) as opened:
            yield opened

    def back_up(
        self,
        *,
        errors: list[StrongroomError] | None = None,
        notes: list[str] | None = None,
        path: Path | None = None,
    ) -> Snapshot:
        """The tree, or path. What is reported goes to the lists, or is raised."""
        with self.open() as repository:
            found = repository.backup(
                path or self.tree.resolve(),
                threads=self.threads,
                on_error=_raise if errors is None else errors.append,
                on_note=_refuse if notes is None else notes.append,
            ).snapshot
        assert found is not None
        return found

    def restore(
        self,
        snapshot: Snapshot | None,
        target: Path,
        *,
        overwrite: Overwrite = Overwrite.REFUSE,
        errors: list[StrongroomError] | None = None,
        paths: Sequence[bytes] = (),
    ) -> RestoreCounts:
        """All, or paths, of a snapshot or the newest."""
        with self.open() as repository:
            return repository.restore(
                "latest" if snapshot is None else snapshot.id.hex(),
                target,
                paths=paths,
                options=RestoreOptions(overwrite=overwrite),
                threads=self.threads,
                on_error=_raise if errors is None else errors.append,
            )

    def verify(self, *, data: bool = True) -> tuple[VerifyResult, list[Finding]]:
        found: list[Finding] = []
        with self.open() as repository:
            return repository.verify(data=data, on_damage=found.append), found

    def scrub(self) -> list[str]:
        """What is damaged, by a check that needs no key."""
        found: list[str] = []
        scrub_repository(
            self.folder,
            threads=1,
            state=self.state,
            on_damage=lambda name, error: found.append(name),
        )
        return found

    def restored(self, target: Path) -> Path:
        """Where the tree lies below a target."""
        return target / str(self.tree.resolve()).lstrip("/")

    def snapshots(self) -> list[Snapshot]:
        with self.inside() as opened:
            return opened.snapshots

    def held(self, snapshot: Snapshot) -> Picture:
        """All of a snapshot, each chunk fetched. Raises what reading it raises."""
        with self.inside() as opened:
            return picture_of(opened, snapshot, os.fsencode(self.tree.resolve()).lstrip(b"/"))

    def leftovers(self) -> list[str]:
        """What sessions left in the repository's working folder."""
        folder = self.folder / "tmp"
        return sorted(os.listdir(folder)) if folder.exists() else []

    def segments(self) -> list[Path]:
        return sorted(path for path in (self.folder / "segments").glob("*/*") if path.is_file())

    def entries(self) -> list[Path]:
        return sorted((self.folder / "log").iterdir())


def picture_of(opened: OpenRepository, snapshot: Snapshot, top: bytes) -> Picture:
    """What a snapshot has below top."""
    found: Picture = {}
    with opened.open_manifest(snapshot) as source:
        reader = ManifestReader(source, doing="reading it")
        for entry in reader:
            ids = b"".join(reader.ids())
            data = entry.target if entry.type != FILE else _fetched(opened, ids, entry.size)
            if entry.path.startswith(top + b"/") and entry.type in {FILE, FOLDER, SYMLINK}:
                path = entry.path[len(top) + 1 :]
                found[path] = Seen(entry.type, entry.mode, entry.mtime_ns, data)
    return found


def _fetched(opened: OpenRepository, ids: bytes, size: int) -> bytes:
    buffer = bytearray(size)
    wants = WANT.rows(
        Want(one, min(size - at, CHUNK_LEN), 0, at)
        for one, at in zip(each_id(ids), range(0, size, CHUNK_LEN), strict=True)
    )
    opened.segments.fetch_into(opened.index, wants, buffer)
    for want in wants:
        error = want_error(want, doing="fetching")
        if error is not None:
            raise error
    return bytes(buffer)


def look(tree: Path) -> Picture:
    """What is below a folder on disk."""
    found: Picture = {}
    top = os.fsencode(tree)

    def visit(path: bytes) -> None:
        for name in sorted(os.listdir(path)):
            at = path + b"/" + name
            status = os.lstat(at)
            key, mode = at[len(top) + 1 :], stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode):
                found[key] = Seen(FOLDER, mode, status.st_mtime_ns, b"")
                visit(at)
            elif stat.S_ISLNK(status.st_mode):
                found[key] = Seen(SYMLINK, mode, status.st_mtime_ns, os.readlink(at))
            elif stat.S_ISREG(status.st_mode):
                with open(at, "rb") as file:
                    found[key] = Seen(FILE, mode, status.st_mtime_ns, file.read())

    visit(top)
    return found


def assert_same(found: Picture, expected: Picture) -> None:
    """Says which paths differ, not all that is in them."""
    assert found.keys() == expected.keys()
    wrong = {
        path: [name for name in Seen._fields if getattr(seen, name) != getattr(other, name)]
        for path, seen in found.items()
        if seen != (other := expected[path])
    }
    assert wrong == {}


def place(path: str) -> str:
    """A path of a repository, or a restored one, without what is random in it."""
    path = re.sub(r"#\d+( \(deleted\))?$", "(nameless)", path)
    path = re.sub(r"[0-9a-f]{32}", "<id>", path)
    path = re.sub(r"segments/[0-9a-f]{2}(?=/|$)", "segments/<2>", path)
    return re.sub(r"\.strongroom-[0-9a-f]{16}|\.[0-9a-f]{16}\b", "<temporary>", path)


def _raise(error: StrongroomError) -> None:
    raise error


def _refuse(note: str) -> None:
    raise AssertionError(note)
