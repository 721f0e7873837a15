"""strongroom restore: everything but what is damaged, and nothing that was not asked for."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from cli.photos import HARMS, Library, flip, grow, noise, tree


def test_a_snapshot_comes_back_by_the_paths_that_were_given(library: Library) -> None:
    first, *_ = grow(library)
    run = library("restore", "latest", "--target", "out")
    assert run.out == b""
    assert "out: restored 5 files" in run.err
    assert tree(library.program.folder / "out" / "src") == tree(library.source)
    library("restore", first[:8], "--target", "old")
    assert [str(path) for path in tree(library.program.folder / "old" / "src")] == ["a.bin"]


def test_some_paths_come_back(library: Library) -> None:
    grow(library)
    (summary,) = library(
        "restore", "latest", "src/deep/", "/src/notes.txt", "--target", "out", "--json"
    ).lines
    assert summary["files"] == 2
    assert summary["errors"] == 0
    found = {str(path) for path in tree(library.program.folder / "out" / "src")}
    assert found == {"deep", "deep/a again", "notes.txt"}
    run = library("restore", "latest", "src/a.bin", "src/none", "--target", "out", code=3)
    assert "src/none: it is not in the snapshot" in run.err
    library("restore", "latest", "none", "--target", "out", code=1)
    library("restore", "latest", "../src", "--target", "out", code=2)


@pytest.mark.parametrize("harm", HARMS)
def test_all_but_what_is_damaged_comes_back(library: Library, harm: str) -> None:
    grow(library)
    expected = tree(library.source)
    first, second, _ = library.data_segments()
    HARMS[harm](second, first)
    whole = harm == "without trailer"
    for cache in ("cache", "no cache"):  # what the client remembers, and from the segments alone
        program = library.program.with_env(XDG_CACHE_HOME=str(library.program.folder / cache))
        words = ("-r", "repo", "--key-file", "my.key", "latest", "--target", f"out {cache}")
        run = program("restore", *words, "--json", code=0 if whole else 13)
        found = tree(library.program.folder / f"out {cache}" / "src")
        if whole:
            assert found == expected
        else:
            assert found == {path: data for path, data in expected.items() if path.name != "b.bin"}
            assert "restoring src/b.bin: " in run.err
            assert run.lines[-1]["errors"] == 1


def test_what_is_there_stays_unless_told_otherwise(library: Library) -> None:
    old = library.source / "old"
    for name in ("a", "b"):
        (library.source / name).write_text("snapshot")
    library.backup()
    out = library.program.folder / "out" / "src"
    library("restore", "latest", "--target", "out")

    def change() -> None:
        for name, age in (("a", 1000), ("b", -1000)):
            (out / name).write_text("here")
            os.utime(out / name, (time.time() - age, time.time() - age))

    change()
    run = library("restore", "latest", "--target", "out", code=3)
    assert "src/a: it exists" in run.err
    assert (out / "a").read_text() == (out / "b").read_text() == "here"
    run = library("restore", "latest", "--target", "out", "--overwrite", "never", "--json")
    assert (out / "a").read_text() == "here"
    assert run.lines[-1]["kept"] == 2
    library("restore", "latest", "--target", "out", "--overwrite", "if-newer")
    assert ((out / "a").read_text(), (out / "b").read_text()) == ("snapshot", "here")
    change()
    library("restore", "latest", "--target", "out", "--overwrite", "always")
    assert (out / "a").read_text() == (out / "b").read_text() == "snapshot"
    assert not old.exists()


def test_hints_are_to_the_point(library: Library) -> None:
    (library.source / "a").write_text("a")
    (library.source / "b").mkdir()
    library.backup()
    out = library.program.folder / "out" / "src"
    (out / "a").mkdir(parents=True)
    for overwrite in ("never", "if-newer", "always"):
        words = ("restore", "latest", "--target", "out", "--overwrite", overwrite)
        assert "hint: move the folder away" in library(*words, code=3).err
    (out / "a").rmdir()
    (out / "b").rmdir()
    (out / "b").touch()
    run = library("restore", "latest", "--target", "out", "--overwrite", "if-newer", code=3)
    assert "or replace what is there with --overwrite always" in run.err
    for target in ("my.key", "my.key/below"):
        run = library("restore", "latest", "--target", target, code=1)
        assert f"restoring to {target}: it is not a folder" in run.err


def test_a_dry_run_writes_nothing(library: Library) -> None:
    grow(library)
    run = library("restore", "latest", "--target", "out", "--dry-run")
    assert "would restore 5 files" in run.err
    assert not (library.program.folder / "out").exists()


def test_what_has_no_room_is_refused_before_anything_is_written(
    library: Library, small_disk: tuple[str, ...]
) -> None:
    grow(library)
    program = library.program.under(*small_disk)
    words = ("-r", "repo", "--key-file", "my.key", "latest", "--target", "small/out")
    run = program("restore", *words, code=1)
    assert "bytes are free" in run.err or "are free" in run.err
    assert (library.program.folder / "small.left").read_text().split() == []


def test_what_gives_back_nothing_leaves_no_folder(library: Library) -> None:
    grow(library)
    folder = library.program.folder
    (folder / "kept").mkdir()
    for target in ("out/of/here", "kept/in", "kept"):
        run = library("restore", "latest", "nowhere", "--target", target, code=1)
        assert "the snapshot has nothing of what was asked for" in run.err
    assert not (folder / "out").exists()
    assert list((folder / "kept").iterdir()) == []


def test_snapshots_that_are_not_there(library: Library) -> None:
    run = library("restore", "latest", "--target", "out", code=1)
    assert "the repository has no snapshot yet" in run.err
    grow(library)
    assert (
        "there is no snapshot 0123456789"
        in library("restore", "0123456789", "--target", "out", code=1).err
    )
    library("restore", "no digits", "--target", "out", code=2)
    library("restore", "latest", code=2)
    assert not (library.program.folder / "out").exists()


def test_a_restore_that_was_killed_goes_on(library: Library) -> None:
    for number in range(40):
        (library.source / f"file {number}").write_bytes(noise(number, 1_000_000))
    library.backup()
    words = ("restore", "-r", "repo", "--key-file", "my.key", "latest", "--target", "out")
    process = library.program.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.7)
    process.kill()
    process.wait()
    library("restore", "latest", "--target", "out", "--overwrite", "if-newer")
    assert tree(library.program.folder / "out" / "src") == tree(library.source)


def test_damage_wins_over_what_exists(library: Library) -> None:
    grow(library)
    flip(library.data_segments()[1], library.data_segments()[0])
    (library.program.folder / "out" / "src").mkdir(parents=True)
    (library.program.folder / "out" / "src" / "a.bin").touch()
    run = library("restore", "latest", "--target", "out", code=13)
    assert "src/a.bin: it exists" in run.err
    assert "restoring src/b.bin: " in run.err
