"""What stands in the cache under its final name is complete."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from csrc.deps.cache import built, cache_root

ROOT = Path(__file__).parents[2]
KILLED_BUILD = """
import os, signal
from csrc.deps.cache import built

def make(out):
    (out / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

built("lib", "recipe", make)
"""
SLOW_BUILD = """
import time
from csrc.deps.cache import built

def make(out):
    print("built")
    time.sleep(0.3)
    return "1.0"

built("lib", "recipe", make)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "strongroom" / "deps"


def make_1_0(out: Path) -> str:
    (out / "whole").write_text("whole")
    return "1.0"


def must_not_build(_out: Path) -> str:
    raise AssertionError("a finished build was made again")


def test_a_build_is_named_by_version_and_recipe(cache: Path) -> None:
    done = built("lib", "recipe", make_1_0)
    assert done.version == "1.0"
    assert done.folder.parent == cache
    assert done.folder.name.startswith("lib-1.0-")
    assert (done.folder / "whole").read_text() == "whole"


def test_a_finished_build_is_used_again() -> None:
    done = built("lib", "recipe", make_1_0)
    assert built("lib", "recipe", must_not_build) == done


def test_another_recipe_is_another_build() -> None:
    assert built("lib", "recipe", make_1_0) != built("lib", "other recipe", make_1_0)


def test_a_failed_build_leaves_nothing_behind(cache: Path) -> None:
    def make(out: Path) -> str:
        (out / "half").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        built("lib", "recipe", make)
    assert [each for each in cache.iterdir() if each.is_dir()] == []


def test_a_killed_build_is_not_taken_for_finished(cache: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_BUILD], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    done = built("lib", "recipe", make_1_0)
    assert sorted(each.name for each in done.folder.iterdir()) == ["whole"]
    assert [each for each in cache.iterdir() if each.is_dir()] == [done.folder]


def test_two_at_once_build_once() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SLOW_BUILD], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=30)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sorted(said) == ["", "built\n"]


def test_a_relative_cache_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", os.sep + "home")
    assert cache_root() == Path("/home/.cache/strongroom")
