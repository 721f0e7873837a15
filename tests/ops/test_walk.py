"""The walk sees everything once, in order, and goes on past what it cannot read."""

from __future__ import annotations

import gc
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strongroom.ops.walk as walk_module
from strongroom.ops.exclude import Excludes
from strongroom.ops.roots import plan_roots
from strongroom.ops.walk import WalkOptions, walk
from tests.ops.walking import make, seen


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def deep(here):
    """A folder for trees that are too deep for pytest to remove."""
    (here / "deep").mkdir()
    os.chdir("deep")
    yield
    subprocess.run(["rm", "-rf", here / "deep"], check=True)


def test_order_is_by_components():
    make("t/a/x", "t/a.b", "t/a b", "t/A", "t/a/y/z", "t/b/")
    assert seen("t") == [
        b"t", b"t/A", b"t/a", b"t/a/x", b"t/a/y", b"t/a/y/z", b"t/a b", b"t/a.b", b"t/b",
    ]  # fmt: skip


def test_links_are_seen_and_not_followed():
    make("t/real/x")
    Path("t/link").symlink_to("real")
    Path("t/dangling").symlink_to("nowhere")
    assert seen("t") == [b"t", b"t/dangling", b"t/link", b"t/real", b"t/real/x"]
    assert seen("t/link") == [b"t", b"t/link"]
    assert seen("t/link/x") == [b"t", b"t/link", b"t/link/x"]  # on the way they are followed


def test_odd_names():
    names = [b"\xff\xfe", b"new\nline", b" ", b"-rf", "é".encode(), b"*", b"a" * 255]
    Path("t").mkdir()
    for name in names:
        os.close(os.open(b"t/" + name, os.O_CREAT))
    assert seen("t") == [b"t", *sorted(b"t/" + name for name in names)]


def test_special_files_are_seen():
    Path("t").mkdir()
    os.mkfifo("t/fifo")
    assert seen("t") == [b"t", b"t/fifo"]


def test_what_is_not_there_is_named():
    make("a/b")
    errors: list[str] = []
    assert seen("a", "no/such", "none", "a/b/c", errors=errors) == [b"a", b"a/b"]
    assert errors == [
        "reading a/b/c: Not a directory",
        "reading no/such: its folder cannot be read",
        "reading none: it is not there (any more)",
    ]
    errors = []
    assert seen("a/b/c", errors=errors) == [b"a"]
    assert errors == ["reading a/b/c: its folder cannot be read"]


def test_what_vanishes_is_named():
    make("t/a", "t/b", "t/c/", "t/e/f")
    errors: list[str] = []
    found = []
    roots = plan_roots(["t"])
    for path, *_ in walk(roots, WalkOptions(), lambda error: errors.append(str(error))):
        found.append(path)
        if path == b"t/a":
            Path("t/b").unlink()
        if path == b"t/c":
            Path("t/e").rename("t/z")
    assert found == [b"t", b"t/a", b"t/c"]
    assert errors == [f"reading t/{n}: it is not there (any more)" for n in ("b", "e")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_folder_is_named():
    make("t/a/x", "t/b")
    Path("t/a").chmod(0)
    errors: list[str] = []
    assert seen("t", errors=errors) == [b"t", b"t/a", b"t/b"]
    assert errors == ["reading t/a: Permission denied"]
    Path("t/a").chmod(0o700)


def test_a_folder_that_cannot_be_listed_is_named(monkeypatch):
    make("t/a/x", "t/b")
    real = os.listdir

    def listdir(path):
        if Path(os.fsdecode(path)).samefile("t/a"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    errors: list[str] = []
    assert seen("t", errors=errors) == [b"t", b"t/a", b"t/b"]
    assert errors == ["reading t/a: Permission denied"]
    errors = []
    assert seen("t", "t/a/x", errors=errors) == [b"t", b"t/a", b"t/a/x", b"t/b"]


def test_excluded_folders_are_not_entered(monkeypatch):
    make("t/keep/a.tmp", "t/keep/b", "t/cache/x", "t/sub/cache/y", "t/sub/cachefile")
    excludes = Excludes(["*.tmp", "cache/"])
    assert seen("t", excludes=excludes) == [
        b"t",
        b"t/keep",
        b"t/keep/b",
        b"t/sub",
        b"t/sub/cachefile",
    ]
    assert seen("t/cache", excludes=excludes) == [b"t", b"t/cache", b"t/cache/x"]  # it was named


def test_marked_folders_are_taken_without_contents():
    make("t/a/.nobackup", "t/a/b/c", "t/d/e")
    assert seen("t", marker_names=(b".nobackup",)) == [b"t", b"t/a", b"t/d", b"t/d/e"]


def test_other_file_systems_are_not_entered(monkeypatch):
    # /proc is another one everywhere.
    roots = plan_roots(["/proc/self/fdinfo"])
    found = [path for path, *_ in walk(roots, WalkOptions(one_file_system=True), print)]
    assert len(found) > 3
    make("t/a/x")
    monkeypatch.setattr(walk_module._Tree, "_is_wanted", lambda *_: False)
    assert seen("t") == [b"t", b"t/a"]


def open_files() -> int:
    gc.collect()  # what other tests left does not count
    return len(list(Path("/proc/self/fd").iterdir()))


def nested(name: str, depth: int) -> bytes:
    """A file below so many folders; its path may be longer than the system takes."""
    fd = os.open(".", os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(os.open("file", os.O_CREAT, dir_fd=fd))
    os.close(fd)
    return b"/".join([name.encode()] * depth + [b"file"])


@pytest.mark.parametrize(("length", "depth"), [(1, 200), (1, 1500), (200, 20), (200, 60)])
@pytest.mark.usefixtures("deep")
def test_deep_folders(length, depth):
    before = open_files()
    last = nested("d" * length, depth)
    found = seen(".")
    assert len(found) == depth + 1
    assert found[-1] == last
    assert open_files() == before


@pytest.mark.usefixtures("deep")
def test_after_a_deep_folder_its_neighbours_come():
    make(*(f"{'d/' * depth}e{depth}" for depth in range(200)))
    found = seen(".")
    assert len(found) == 399
    assert found[-1] == b"e0"


@pytest.mark.usefixtures("deep")
def test_deep_folders_that_are_moved_are_named():
    make(*(f"t/{'d/' * depth}e" for depth in range(100)))
    Path("away").mkdir()
    before = open_files()
    errors: list[str] = []
    found = []
    for path, *_ in walk(plan_roots(["t"]), WalkOptions(), lambda error: errors.append(str(error))):
        found.append(path)
        if path == b"t" + b"/d" * 99 + b"/e":
            Path("t/d/d/d").rename("away/d")
    assert [path.count(b"/") for path in found if path.endswith(b"e")][-1] == 4
    assert errors == [
        f"reading t{'/d' * depth}: it was moved while it was read" for depth in (2, 1, 0)
    ]
    assert open_files() == before


@pytest.mark.parametrize("has_proc", [True, False])
def test_a_link_that_takes_the_place_of_a_folder_is_not_followed(monkeypatch, has_proc):
    monkeypatch.setattr(walk_module, "_HAS_PROC", has_proc)
    make("t/a/x/y", "t/b/z", "outside/secret", "outside/x/secret")

    def swap(name: str) -> None:
        Path(name).rename(name + "-was")
        Path(name).symlink_to(Path("outside").absolute())

    errors: list[str] = []
    found = []
    for path, *_ in walk(plan_roots(["t"]), WalkOptions(), lambda error: errors.append(str(error))):
        found.append(path)
        if path == b"t/a":
            swap("t/a")
        if path == b"t/b/z":
            swap("t/b")
    assert found == [b"t", b"t/a", b"t/b", b"t/b/z"]
    assert errors == ["reading t/a: Not a directory"]


def test_a_link_that_takes_the_place_of_a_folder_being_listed_is_not_followed():
    make("t/a/1", "t/a/sub/x", "outside/1", "outside/sub/secret")
    found = {}
    for path, _, at, status in walk(plan_roots(["t"]), WalkOptions(), pytest.fail):
        found[path] = status
        assert os.path.samestat(os.lstat(at), status)
        if path == b"t/a/1":
            Path("t/a").rename("was")
            Path("t/a").symlink_to("../outside")
    assert list(found) == [b"t", b"t/a", b"t/a/1", b"t/a/sub", b"t/a/sub/x"]
    assert os.path.samestat(found[b"t/a/sub"], Path("was/sub").stat())


@pytest.mark.usefixtures("deep")
def test_an_abandoned_walk_closes_what_it_opened():
    nested("d" * 200, 60)
    before = open_files()
    steps = walk(plan_roots(["."]), WalkOptions(), print)
    for _ in range(55):
        next(steps)
    assert open_files() != before
    steps.close()
    assert open_files() == before


def test_a_hundred_thousand_files_in_one_folder():
    Path("t").mkdir()
    for number in range(100_000):
        os.mknod(f"t/{number}")
    found = seen("t")
    assert len(found) == 100_001


NAMES = st.sampled_from([b"a", b"b", b"a.b", b"\xff", b"a b"])


@settings(max_examples=30, deadline=None)
@given(
    st.sets(
        st.lists(
            st.sampled_from([b"a", b"b", b"a.b", b"\xff", b"a b"]), min_size=1, max_size=4
        ).map(tuple)
    ),
    st.data(),
)
def test_any_tree_is_seen_in_order(tmp_path_factory, paths, data):
    os.chdir(tmp_path_factory.mktemp("tree"))
    everything = set()
    for parts in paths:
        for count in range(1, len(parts) + 1):
            path = b"/".join(parts[:count])
            everything.add(path)
            Path(os.fsdecode(path)).mkdir(exist_ok=True)
    expected = sorted(everything, key=lambda path: path.split(b"/"))
    assert seen(".") == expected
    if not expected:
        return
    given = data.draw(st.lists(st.sampled_from(expected), min_size=1))
    wanted = [
        path
        for path in expected
        if any((g + b"/").startswith(path + b"/") or path.startswith(g + b"/") for g in given)
    ]
    assert seen(*given) == wanted
    assert seen(".", *given, excludes=Excludes(["/*"])) == wanted
    excludes = Excludes(["a", "b/"])
    alone = {path for one in (".", *given) for path in seen(one, excludes=excludes)}
    assert set(seen(".", *given, excludes=excludes)) == alone
