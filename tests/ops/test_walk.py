"""The walk sees everything once, in order, and goes on past what it cannot read."""

from __future__ import annotations

import gc
import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strongroom.ops.walk as walk_module
from strongroom.errors import UsageError
from strongroom.manifest.order import Order
from strongroom.ops.exclude import Excludes
from strongroom.ops.roots import plan_roots
from strongroom.ops.walk import WalkOptions, walk


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


def make(*names: str) -> None:
    """Files, and folders where a name ends in a slash."""
    for name in names:
        path = Path(name)
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(b"x")


def seen(*given, errors: list[str] | None = None, **options) -> list[bytes]:
    problems: list[str] = []
    paths = []
    order = Order()
    for path, prefix, at, status in walk(
        plan_roots(given), WalkOptions(**options), lambda error: problems.append(str(error))
    ):
        paths.append(path)
        assert order.follows(path, folder=stat.S_ISDIR(status.st_mode)), path
        if len(prefix + path) < 4000:
            assert os.path.samestat(os.lstat(prefix + path), os.lstat(at))
    if errors is None:
        assert problems == []
    else:
        errors.extend(problems)
    return paths


def test_order_is_by_components():
    make("t/a/x", "t/a.b", "t/a b", "t/A", "t/a/y/z", "t/b/")
    assert seen("t") == [
        b"t", b"t/A", b"t/a", b"t/a/x", b"t/a/y", b"t/a/y/z", b"t/a b", b"t/a.b", b"t/b",
    ]  # fmt: skip


def test_given_paths_bring_their_parents(here):
    make("p/q/r/file", "p/q/other", "p/zz")
    assert seen("p/q/r") == [b"p", b"p/q", b"p/q/r", b"p/q/r/file"]
    assert seen("p/q/r/file", "p/zz") == [b"p", b"p/q", b"p/q/r", b"p/q/r/file", b"p/zz"]
    top = os.fsencode(here)[1:]
    parts = top.split(b"/")
    parents = [b"/".join(parts[: n + 1]) for n in range(len(parts))]
    assert seen(here / "p/zz") == [*parents, top + b"/p", top + b"/p/zz"]


def test_a_dot_is_everything_here_without_a_name():
    make("a/b", "c")
    assert seen(".") == [b"a", b"a/b", b"c"]
    assert seen("./a/.") == seen("a//") == [b"a", b"a/b"]
    assert seen(".", "a", "c") == [b"a", b"a/b", b"c"]


def test_dots_are_resolved(here, monkeypatch):
    make("a/b", "c")
    monkeypatch.chdir("a")
    assert seen("../c")[-1] == os.fsencode(here)[1:] + b"/c"


def test_overlapping_paths_are_taken_once():
    make("a/b/c", "a/b.x", "ab")
    everything = [b"a", b"a/b", b"a/b/c", b"a/b.x", b"ab"]
    assert seen("a", "a/b", "a/b/c", "ab", "a") == everything


def test_two_things_under_one_name_are_refused():
    make("usr/x")
    for paths in (["usr", "/usr"], ["usr", "/usr/lib"], ["usr/x", "/usr/lib"], [".", "/usr"]):
        with pytest.raises(UsageError, match="would both be stored as"):
            plan_roots(paths)
    for paths in ([""], ["a\0b"]):
        with pytest.raises(UsageError, match="not a path"):
            plan_roots(paths)


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
    real = os.scandir

    def scandir(path):
        if path == b"t/a":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    errors: list[str] = []
    assert seen("t", errors=errors) == [b"t", b"t/a", b"t/b"]
    assert errors == ["reading t/a: Permission denied"]


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
    monkeypatch.setattr(walk_module._Tree, "_is_wanted", lambda self, status: False)
    assert seen("t") == [b"t", b"t/a"]


def test_the_repository_is_left_out():
    make("t/a/x", "t/repo/segments/y")
    status = Path("t/repo").stat()
    assert seen("t", own=frozenset([(status.st_dev, status.st_ino)])) == [b"t", b"t/a", b"t/a/x"]


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
