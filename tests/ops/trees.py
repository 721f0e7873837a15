"""Trees to restore, and what came of them."""

from __future__ import annotations

import gc
import io
import os
import random
import stat
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import strategies as st

from strongroom._core import CHUNK_LEN, Watch
from strongroom.manifest.writer import ManifestWriter
from strongroom.ops.restore_tree import restore_tree
from strongroom.ops.restoring import Reports, RestoreOptions
from strongroom.ops.tree import Selection, record_tree
from tests.ops.store import ChunkStore


class Snapshot:
    """Something to restore."""

    def __init__(self) -> None:
        self.store = ChunkStore()
        self.manifest = b""
        self.errors: list[str] = []
        self.notes: list[str] = []

    def record(self, *paths) -> None:
        target = io.BytesIO()
        record_tree(
            Selection(paths=paths),
            chunks=self.store,
            sink=self.store,
            manifest=target,
            report=lambda error: pytest.fail(str(error)),
        )
        self.manifest = target.getvalue()

    def forge(self, *entries) -> None:
        """A manifest of entries, or (entry, contents)."""
        target = io.BytesIO()
        writer = ManifestWriter(target)
        for one in entries:
            item, content = one if isinstance(one[0], tuple) else (one, b"")
            ids: list[bytes] = []
            self.store._cut(content, ids)
            writer.add(item, b"".join(ids))
        writer.finish()
        self.manifest = target.getvalue()

    def restore(self, *paths, target="out", watch=None, expected=None, **options):
        self.errors.clear()
        self.notes.clear()
        return restore_tree(
            lambda: closing(io.BytesIO(self.manifest)),
            target,
            chunks=self.store,
            reports=Reports(lambda error: self.errors.append(str(error)), self.notes.append),
            paths=paths,
            options=RestoreOptions(**options),
            expected_bytes=expected,
            watch=watch or Watch(),
        )


def write(name: str, content: bytes = b"x") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)


def picture(top: str) -> dict[str, tuple]:
    """All that is below a folder."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files, "."):
            path = os.path.normpath(f"{folder}/{name}")
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            content: bytes | str | None = None
            if stat.S_ISREG(kind):
                content = Path(path).read_bytes()
            elif stat.S_ISLNK(kind):
                content = str(Path(path).readlink())
            mode = None if stat.S_ISLNK(kind) else stat.S_IMODE(status.st_mode)
            owner = status.st_uid, status.st_gid
            key = os.path.relpath(path, top)
            found[key] = (kind, mode, owner, status.st_mtime_ns, content)
    return found


def contents(top: str) -> dict[str, bytes | str | None]:
    """The same, without attributes."""
    return {name: content for name, (*_, content) in picture(top).items()}


def listed(folder: str = ".") -> list[str]:
    """Names in a folder."""
    return sorted(path.name for path in Path(folder).iterdir())


def open_files() -> int:
    gc.collect()  # what other tests left does not count
    return len(list(Path("/proc/self/fd").iterdir()))


names = st.sampled_from(["a", "b", "a.b", "\udcff", "new\nline", "é", "x" * 255])
sizes = st.sampled_from([0, 1, 4096, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1])


@st.composite
def recipes(draw):
    """Paths and what to make there."""
    recipe = {}
    for _ in range(draw(st.integers(1, 8))):
        path = tuple(draw(st.lists(names, min_size=1, max_size=3)))
        kind = draw(st.sampled_from(["file", "file", "folder", "link", "fifo", "name", "hole"]))
        recipe[path] = (kind, draw(sizes), draw(st.sampled_from([0o600, 0o755, 0o4711])))
    return recipe


def build(recipe) -> None:
    files = []
    for path, (kind, size, mode) in recipe.items():
        name = "/".join(("t", *path))
        try:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            if kind == "folder":
                Path(name).mkdir()
            elif kind == "link":
                Path(name).symlink_to("/nowhere")
            elif kind == "fifo":
                os.mkfifo(name)
            elif kind == "name" and files:
                os.link(files[-1], name)
            elif kind == "hole":
                with Path(name).open("xb") as file:
                    file.truncate(size)
            else:
                with Path(name).open("xb") as file:
                    file.write(random.Random(size).randbytes(size))
                Path(name).chmod(mode)
                files.append(name)
        except OSError:  # something else has the name
            continue
