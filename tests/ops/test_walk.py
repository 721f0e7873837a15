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
    for path, real, at, status in walk(
        plan_roots(given), WalkOptions(**options), lambda error: problems.append(str(error))
    ):
        paths.append(path)
        assert order.follows(path, folder=stat.S_ISDIR(status.st_mode)), path
        assert os.path.samestat(status, os.lstat(at))
        if len(real) < 4000:
            assert os.path.samestat(status, os.lstat(real))
    if errors is None:
        assert problems == []
    else:
        errors.extend(problems)
    return paths


def orders(*given):
    return [given, given[::-1]]


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


def test_dots_lead_up_from_where_a_link_leads_to(here):
    make("outer/data/", "outer/f", "lk/f", "outer/g/h")
    Path("lk/data").symlink_to("../outer/data")
    top = os.fsencode(here)[1:]
    for path in ("lk/data/../f", "./lk//data/.././f", here / "lk/data/../f"):
        assert seen(path)[-1] == top + b"/outer/f"
    assert seen("lk/data/../g/h/")[-1] == top + b"/outer/g/h"
    assert seen("lk/data/../../lk/f")[-1] == top + b"/lk/f"
    assert seen("lk/data/..")[-1] == top + b"/outer/g/h"
    assert seen("lk/data/../..x", errors=[])[-1] == top + b"/outer"


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


@pytest.mark.parametrize("end", ["/", "/.", "//"])
def test_a_link_with_a_slash_behind_it_is_the_folder_it_leads_to(end):
    make("t/real/x")
    Path("t/link").symlink_to("real")
    assert seen(f"t/link{end}") == [b"t", b"t/link", b"t/link/x"]
    Path("t/dangling").symlink_to("nowhere")
    problems: list[str] = []
    assert seen("t/real", f"t/dangling{end}", errors=problems) == [b"t", b"t/real", b"t/real/x"]
    assert seen("t", f"t/link{end}", errors=problems)[1:3] == [b"t/dangling", b"t/link"]
    gone, link = problems
    assert gone.endswith("nowhere: it is not there (any more)")
    assert "a folder on the way to it is taken as the symbolic link that it is" in link


def test_what_lies_behind_a_link_is_read_where_it_is(here):
    make("t/real/sub/x")
    Path("t/link").symlink_to("real")
    Path("top").symlink_to("/")
    reals = {root.path: root.real for root in plan_roots(["t/link/sub", "t/real/sub", "top/tmp"])}
    at = os.fsencode(here)
    assert reals == {
        b"t": b"t",
        b"t/link": at + b"/t/real",
        b"t/link/sub": at + b"/t/real/sub",
        b"t/real": b"t/real",
        b"t/real/sub": b"t/real/sub",
        b"top": b"/",
        b"top/tmp": b"/tmp",
    }
    assert seen("t/link/sub") == [b"t", b"t/link", b"t/link/sub", b"t/link/sub/x"]


def test_links_on_the_way_are_resolved_before_the_walk():
    make("t/real/x", "t/other/secret")
    Path("t/link").symlink_to("real")
    Path("t/further").symlink_to("link")
    roots = plan_roots(["t/further/x", "t/further/secret"])
    Path("t/link").unlink()
    Path("t/link").symlink_to("other")
    errors: list[str] = []
    found = [p for p, *_ in walk(roots, WalkOptions(), lambda error: errors.append(str(error)))]
    assert found == [b"t", b"t/further", b"t/further/x"]
    assert len(errors) == 1
    assert errors[0].endswith("/t/real/secret: it is not there (any more)")


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


def mount(monkeypatch, *points: str) -> None:
    """From now on each of these folders, and all below it, is on a file system of its own."""
    tops = [Path(point).resolve() for point in points]
    real = os.lstat

    def lstat(path, *, dir_fd=None):
        status = real(path, dir_fd=dir_fd)
        folder = Path.cwd() if dir_fd is None else Path(f"/proc/self/fd/{dir_fd}").readlink()
        at = folder / os.fsdecode(path)
        at = at.parent.resolve() / at.name
        inside = [len(top.parts) for top in tops if at.is_relative_to(top)]
        fields = list(status)
        fields[2] = 10**6 + max(inside) if inside else 1
        return os.stat_result(fields)

    monkeypatch.setattr(os, "lstat", lstat)


@pytest.mark.parametrize("given", orders("t", "t/mnt"))
def test_another_file_system_that_was_given_is_taken(monkeypatch, given):
    make("t/a/x", "t/mnt/y", "t/mnt/z/w", "t/mnt/deeper/v", "t/other/u")
    mount(monkeypatch, "t/mnt", "t/mnt/deeper", "t/other")
    assert seen(*given, one_file_system=True) == [
        b"t", b"t/a", b"t/a/x", b"t/mnt", b"t/mnt/deeper", b"t/mnt/y", b"t/mnt/z", b"t/mnt/z/w",
        b"t/other",
    ]  # fmt: skip


@pytest.mark.parametrize("given", orders(".", "mnt/z/w", "mnt/deeper"))
def test_of_another_file_system_only_what_was_given_is_taken(monkeypatch, given):
    make("a", "mnt/y", "mnt/z/w/v", "mnt/z/u", "mnt/deeper/v", "mnt/deeper/more/s")
    mount(monkeypatch, "mnt", "mnt/deeper", "mnt/deeper/more")
    assert seen(*given, one_file_system=True) == [
        b"a", b"mnt", b"mnt/deeper", b"mnt/deeper/more", b"mnt/deeper/v", b"mnt/z", b"mnt/z/w",
        b"mnt/z/w/v",
    ]  # fmt: skip


@pytest.mark.parametrize("given", orders("/proc", "/proc/self/fdinfo"))
def test_a_path_behind_a_link_of_a_folder_that_was_given_is_named(given):
    errors: list[str] = []
    found = [
        path for path, *_ in walk(
            plan_roots(given),
            WalkOptions(excludes=Excludes(["/proc/*/**", "/proc/[!s]*", "/proc/s[!e]*"])),
            lambda error: errors.append(str(error)),
        )
    ]  # fmt: skip
    assert found == [b"proc", b"proc/self"]
    assert errors == [
        "reading /proc/self/fdinfo: a folder on the way to it is taken as the symbolic link that "
        "it is"
    ]


@pytest.mark.parametrize("given", orders("/", "/proc/version", "/proc/sys/kernel/ostype"))
def test_what_is_given_below_the_top_is_taken(given):
    assert seen(*given, excludes=Excludes(["/*"])) == [
        b"proc", b"proc/sys", b"proc/sys/kernel", b"proc/sys/kernel/ostype", b"proc/version",
    ]  # fmt: skip


@pytest.mark.parametrize("given", orders("t", "t/data/photos", "t/data/none"))
def test_nothing_is_taken_both_as_a_link_and_as_a_folder(given):
    make("real/photos/x", "t/a")
    Path("t/data").symlink_to("../real")
    errors: list[str] = []
    assert seen(*given, errors=errors) == [b"t", b"t/a", b"t/data"]
    assert errors == [
        "reading t/data/none: it is not there (any more)",
        "reading t/data/photos: a folder on the way to it is taken as the symbolic link that it is",
    ]


@pytest.mark.parametrize("inner", ["t/excl", "t/excl/deep", "t/excl/deep/f"])
@pytest.mark.parametrize("swap", [False, True])
def test_excluded_paths_that_were_given_are_taken(inner, swap):
    make("t/a", "t/excl/deep/f", "t/excl/deep/excl/g", "t/excl/h")
    given = ["t", inner][:: -1 if swap else 1]
    expected = {
        "t/excl": [b"t/excl", b"t/excl/deep", b"t/excl/deep/f", b"t/excl/h"],
        "t/excl/deep": [b"t/excl", b"t/excl/deep", b"t/excl/deep/f"],
        "t/excl/deep/f": [b"t/excl", b"t/excl/deep", b"t/excl/deep/f"],
    }
    assert seen(*given, excludes=Excludes(["excl"])) == [b"t", b"t/a", *expected[inner]]


@pytest.mark.parametrize("given", orders("t", "t/mark", "t/way/x"))
def test_paths_in_marked_folders_that_were_given_are_taken(given):
    make("t/.no", "t/a", "t/mark/b", "t/mark/sub/.no", "t/mark/sub/c", "t/way/x", "t/way/y")
    assert seen(*given, marker_names=(b".no",)) == [
        b"t", b"t/mark", b"t/mark/b", b"t/mark/sub", b"t/way", b"t/way/x",
    ]  # fmt: skip


@pytest.mark.parametrize("given", orders("gone", "gone/x"))
def test_each_path_that_is_not_there_is_named(given):
    make("t/a")
    errors: list[str] = []
    assert seen("t", "t/none/x", *given, errors=errors) == [b"t", b"t/a"]
    assert errors == [
        f"reading {name}: it is not there (any more)" for name in ("gone", "gone/x", "t/none/x")
    ]


def test_the_repository_is_left_out():
    make("t/a/x", "t/repo/segments/y")
    own = repository("t/repo")
    assert seen("t", own=own) == [b"t", b"t/a", b"t/a/x"]
    assert seen(".", own=own) == [b"t", b"t/a", b"t/a/x"]


def repository(path: str) -> frozenset[tuple[int, int]]:
    status = Path(path).stat()
    return frozenset([(status.st_dev, status.st_ino)])


@pytest.mark.parametrize("inside", ["repo", "repo/segments", "repo/segments/sub"])
def test_the_repository_and_folders_in_it_cannot_be_given(here, inside):
    make("t/a/x", "t/repo/segments/y", "t/repo/segments/sub/z")
    Path("link").symlink_to("t")
    own = repository("t/repo")
    for way in (Path("t"), here / "t", Path("link"), Path("link/../t")):
        for others in ([], ["t"], ["t/a"]) if way == Path("t") else ([],):
            errors: list[str] = []
            found = seen(way / inside, *others, own=own, errors=errors)
            assert [error.partition(": ")[2] for error in errors] == [
                "it is the repository itself, or lies in it"
            ]
            assert not any(path.endswith((b"/y", b"/z")) for path in found)
            assert (b"t/a/x" in found) == bool(others)


@pytest.mark.parametrize("given", orders("t", "t/repo/config"))
def test_a_file_of_the_repository_can_be_given(given):
    make("t/a", "t/repo/segments/y", "t/repo/config")
    assert seen(*given, own=repository("t/repo")) == [b"t", b"t/a", b"t/repo", b"t/repo/config"]


def test_a_repository_that_is_the_current_folder_cannot_be_given():
    make("t/a/x", "t/repo/y")
    os.chdir("t/repo")
    errors: list[str] = []
    assert seen(".", own=repository("."), errors=errors) == []
    assert errors == ["reading .: it is the repository itself, or lies in it"]
    assert seen("../a", own=repository("."))[-1].endswith(b"/t/a/x")


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
