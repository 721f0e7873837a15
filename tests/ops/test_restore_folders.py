"""Folders that a restore finds keep what they have, unless it was told otherwise."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.manifest.entry import FOLDER
from strongroom.ops.folders import Folders
from strongroom.ops.overwrite import Overwrite
from strongroom.ops.restoring import Restorer
from tests.manifest.test_manifest import entry
from tests.ops.trees import picture, write

REFUSE, NEVER, IF_NEWER, ALWAYS = Overwrite
ROOT = Path(__file__).parents[2]
DAY_NS = 24 * 3600 * 10**9
SAVED, THERE = (0o755, 100 * DAY_NS), (0o710, 200 * DAY_NS)


def give(path: str, mode: int, mtime_ns: int) -> None:
    Path(path).chmod(mode)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def has(path: str) -> tuple[int, int]:
    status = os.lstat(path)
    return stat.S_IMODE(status.st_mode), status.st_mtime_ns


@pytest.fixture
def home(snapshot):
    """home/ada/Films is in the snapshot, home/ada is there with another mode."""
    write("home/ada/Films/a", b"new")
    for path in ("home/ada/Films", "home/ada", "home"):
        give(path, *SAVED)
    snapshot.record("home")
    Path("out/home/ada").mkdir(parents=True)
    give("out/home/ada", *THERE)
    return snapshot


@pytest.mark.parametrize("overwrite", Overwrite)
def test_a_folder_on_the_way_keeps_its_attributes(home, overwrite):
    Path("out/home/ada/Films").mkdir()
    give("out/home/ada", *THERE)
    if os.geteuid() == 0:
        os.chown("out/home/ada", 1000, 1001)
    home.restore("home/ada/Films", overwrite=overwrite)
    assert home.errors == []
    assert has("out/home/ada") == THERE
    if os.geteuid() == 0:
        status = os.lstat("out/home/ada")
        assert (status.st_uid, status.st_gid) == (1000, 1001)
    assert Path("out/home/ada/Films/a").read_bytes() == b"new"


def test_a_folder_on_the_way_that_was_not_there_gets_its_attributes(home):
    home.restore("home/ada/Films", target="new", overwrite=NEVER)
    assert picture("new/home") == picture("home")


@pytest.mark.parametrize("asked", [(), ("home/ada",), ("home/ada", "home/ada/Films/a")])
@pytest.mark.parametrize(
    ("overwrite", "there_ns", "kept"),
    [
        (REFUSE, 50 * DAY_NS, True),
        (NEVER, 50 * DAY_NS, True),
        (IF_NEWER, 50 * DAY_NS, False),
        (IF_NEWER, 100 * DAY_NS, True),
        (IF_NEWER, 200 * DAY_NS, True),
        (ALWAYS, 200 * DAY_NS, False),
    ],
)
def test_a_folder_that_is_asked_for_is_judged_as_files_are(home, asked, overwrite, there_ns, kept):
    give("out/home/ada", 0o710, there_ns)
    home.restore(*asked, overwrite=overwrite)
    assert home.errors == []
    mode, mtime_ns = has("out/home/ada")
    assert mode == (0o710 if kept else 0o755)
    assert kept or mtime_ns == SAVED[1]
    assert has("out/home/ada/Films") == SAVED  # made just now


def test_a_folder_that_is_kept_is_closed_to_its_owner_again(home):
    Path("out/home/ada").chmod(0o510)
    home.restore(overwrite=NEVER)
    assert has("out/home/ada")[0] == 0o510
    Path("out/home/ada").chmod(0o700)
    assert Path("out/home/ada/Films/a").exists()


@pytest.mark.parametrize("overwrite", Overwrite)
@pytest.mark.parametrize("asked", [(), ("home/ada/Films",)])
def test_a_folder_that_an_interrupted_restore_made_is_finished(home, monkeypatch, overwrite, asked):
    with monkeypatch.context() as patch:
        patch.setattr(Restorer, "finish", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            home.restore(*asked, target="new", expected=0)
    assert has("new/home/ada")[0] & 0o777 == 0o700
    home.restore(*asked, target="new", overwrite=overwrite)
    assert home.errors == []
    assert picture("new/home") == picture("home")


def test_a_folder_below_one_whose_group_is_inherited_is_finished_too(snapshot):
    snapshot.forge(entry(b"d", FOLDER, mode=0o750))
    Path("out").mkdir()
    Path("out").chmod(0o2755)
    folders = Folders("out")
    folders.make(b"d")
    folders.close()
    snapshot.restore(overwrite=NEVER)
    assert has("out/d")[0] == 0o750


CLOSED = """
import os, sys
sys.path[:0] = sys.argv[1:]
from strongroom.manifest.entry import FOLDER
from strongroom.ops.overwrite import Overwrite
from tests.manifest.test_manifest import entry
from tests.ops.trees import Snapshot
snapshot = Snapshot()
folder = entry(b"d", FOLDER, mode=0o755, uid=os.geteuid(), gid=os.getegid())
snapshot.forge(folder, (entry(b"d/a", size=3), b"abc"), (entry(b"d/b", size=3), b"abc"))
os.makedirs("out/d")
for mode in (0o000, 0o400):
    os.chmod("out/d", mode)
    snapshot.restore(dry_run=True)
    assert snapshot.errors == ["restoring d: Permission denied"], snapshot.errors
    assert os.stat("out/d").st_mode & 0o777 == mode
for overwrite, mode in ((Overwrite.REFUSE, 0o000), (Overwrite.ALWAYS, 0o755)):
    os.chmod("out/d", 0)
    snapshot.restore(overwrite=overwrite)  # with the dry run that counts the room it takes
    assert os.stat("out/d").st_mode & 0o777 == mode
os.chmod("out/d", 0o700)
assert sorted(os.listdir("out/d")) == ["a", "b"]
"""


def test_a_folder_that_its_owner_closed_stays_so_in_a_dry_run(tmp_path, powerless):
    command = [*powerless, sys.executable, "-c", CLOSED, *sys.path, str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
