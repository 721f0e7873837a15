"""What is given to back up is taken as if it were given alone, and stored under its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strongroom.errors import UsageError
from strongroom.ops.exclude import Excludes
from strongroom.ops.roots import plan_roots
from strongroom.ops.walk import WalkOptions, walk
from tests.ops.walking import make, orders, seen


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
