"""A disk that is really full, under a repository and under a restore."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from c.toolchain import ROOT
from faults.library import Library
from program import PATIENCE

PAGE = 4096

# In a mount of its own, 4 MiB: a repository; each time there are some pages more left.
BACK_UP = """
import os, random, sys
from pathlib import Path
from faults.library import Library, assert_same, look
from strongroom import TargetError
PAGE = 4096
small, tree = map(Path, sys.argv[1:])
library = Library(small).create()
library.tree.rmdir()
library.tree.symlink_to(tree)
(tree / "first").write_bytes(random.Random(1).randbytes(100_000))
first, before = library.back_up(), look(tree)
def fill(pages):
    room = os.statvfs(small)
    with (small / "filler").open("wb") as filler:
        filler.write(bytes((room.f_bavail - pages) * PAGE))
said, done = set(), 0
for pages in (0, 1, 2, *range(3, 40)):
    (tree / "second").write_bytes(random.Random(2 + pages).randbytes(20_000 + pages))
    count = len(library.segments())
    fill(pages)
    try:
        library.back_up()
        done += 1
    except TargetError as error:
        said.add(str(error).rpartition(": ")[2])
        assert error.hint is not None and "free some room" in error.hint, error
        assert len(library.segments()) == count, pages
    assert library.leftovers() == []
    assert len(library.snapshots()) == 1 + done
    assert_same(library.held(first), before)
    (small / "filler").unlink()
    assert library.scrub() == []
assert said == {"No space left on device"}
assert 1 < done < 38, done
(tree / "large").write_bytes(random.Random(9).randbytes(8 << 20))
try:
    library.back_up()
except TargetError as error:
    assert str(error).endswith(": No space left on device")
else:
    raise AssertionError("it has room for all")
(tree / "large").unlink()
assert_same(library.held(library.back_up()), look(tree))
assert library.verify()[1] == []
"""

RESTORE = """
import sys
from pathlib import Path
from faults.library import Library, assert_same, look
from strongroom import TargetError
from strongroom.ops.overwrite import Overwrite
small, base = map(Path, sys.argv[1:])
library = Library(base)
many, large = library.snapshots()
try:
    library.restore(large, small / "large")
except TargetError as error:
    assert "bytes, and" in str(error) and str(error).endswith("are free"), error
assert list((small / "large").glob("**/film")) == []
errors = []
try:
    library.restore(many, small / "many", errors=errors)
except TargetError as error:
    errors.append(error)
assert errors and all("No space left on device" in str(error) for error in errors), errors
expected, found = library.held(many), look(library.restored(small / "many"))
assert 100 < len(found) < len(expected)
for path, seen in found.items():
    assert seen.data == expected[path].data
assert not list(small.glob("**/.strongroom-*"))
"""


def inside(prefix: tuple[str, ...], script: str, *words: Path) -> None:
    paths = [str(ROOT / "tests"), str(ROOT), *sys.path]
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script, *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_backup_to_a_full_disk_loses_nothing_and_works_when_there_is_room(
    small_disk: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    inside(small_disk, BACK_UP, tmp_path / "small", tmp_path / "tree")


def test_a_restore_to_a_full_disk_leaves_whole_files(
    small_disk: tuple[str, ...], tmp_path: Path, library: Library
) -> None:
    for n in range(3000):
        (library.tree / f"{n}").write_bytes(b"%d" % n)
    library.back_up()
    (library.tree / "film").write_bytes(random.Random(1).randbytes(1500 * PAGE))
    library.back_up()
    inside(small_disk, RESTORE, tmp_path / "small", library.base)
