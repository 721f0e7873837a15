"""strongroom find and diff: where a path is, and what became of it."""

from __future__ import annotations

from cli.photos import Library, grow


def test_find_looks_into_every_snapshot(library: Library) -> None:
    ids = grow(library)
    lines = library("find", "*.bin").out.decode().splitlines()
    found = [(line.split()[0], line.split()[-1]) for line in lines]
    a, b = "src/a.bin", "src/b.bin"
    pairs = [(0, a), (1, a), (1, b), (2, a), (2, b)]
    assert found == [(ids[number][:8], path) for number, path in pairs]
    one = library("find", "-s", "latest", "deep/*", "empty", "--json").lines
    assert [line["path"] for line in one] == ["src/deep/a again", "src/empty"]
    assert {line["snapshot"] for line in one} == {ids[2]}
    assert library("find", "nothing").out == b""
    library("find", code=2)


def test_no_two_names_are_listed_alike(library: Library) -> None:
    for name in ("new\nline", "new\\nline"):
        (library.source / name).write_text(name)
    library.backup()
    shown = ["src", r"src/new\nline", r"src/new\\nline"]
    assert library("ls", "latest").out.decode().splitlines() == shown
    long = library("ls", "-l", "latest").out.decode().splitlines()
    assert [line.split()[-1] for line in long] == shown
    found = library("find", "new*").out.decode().splitlines()
    assert [line.split()[-1] for line in found] == shown[1:]
    library("backup", "--force-read", "src")
    (library.source / "new\\nline").unlink()
    library.backup()
    older = library("snapshots", "--json").lines[-2]["snapshot"]
    assert rb"- src/new\\nline" in library("diff", older, "latest").out.splitlines()


def test_diff_tells_what_changed(library: Library) -> None:
    grow(library)
    (library.source / "a.bin").unlink()
    (library.source / "notes.txt").write_text("changed")
    (library.source / "empty").chmod(0o700)
    (library.source / "link").symlink_to("a")
    library.backup()
    first, *_, old, _new = [line["snapshot"] for line in library("snapshots", "--json").lines]
    run = library("diff", old, "latest")
    lines = run.out.decode().splitlines()
    # The folder's time of change.
    assert lines == ["U src", "- src/a.bin", "U src/empty", "+ src/link", "M src/notes.txt"]
    assert "1 added, 1 removed, 1 modified, 2 attributes" in run.err
    *changes, summary = library("diff", "latest", old, "--json").lines
    assert [c["change"] for c in changes] == [
        "attributes",
        "added",
        "attributes",
        "removed",
        "modified",
    ]
    assert (summary["added"], summary["removed"]) == (1, 1)
    same = library("diff", first, first)
    assert same.out == b""
    assert "0 added" in same.err
