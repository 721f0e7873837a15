"""What is in a repository: snapshots, ls, cat and stats."""

from __future__ import annotations

import os

import pytest

from cli.photos import Library, flip, grow, noise
from program import Program, unblocking_pipe
from strongroom._core import CHUNK_LEN


def test_snapshots_are_listed_the_oldest_first(library: Library) -> None:
    run = library("snapshots")
    assert run.out == b""
    assert "no snapshot yet" in run.err
    ids = grow(library)
    last = library.backup("--tag", "kept", "--host", "other")
    lines = library("snapshots").out.decode().splitlines()
    assert [line[:8] for line in lines] == [id_[:8] for id_ in (*ids, last)]
    assert "other  5 files" in lines[-1]
    assert "[kept]  src" in lines[-1]
    found = library("snapshots", "--json").lines
    assert [line["snapshot"] for line in found] == [*ids, last]
    assert [line["files"] for line in found] == [1, 2, 5, 5]
    assert [line["new_bytes"] > 0 for line in found] == [True, True, True, False]
    assert [line["paths"] for line in found] == [["src"]] * 4
    (tagged,) = library("snapshots", "--json", "--tag", "kept").lines
    assert tagged["snapshot"] == last
    assert library("snapshots", "--host", "nobody").out == b""


def test_ls_lists_all_or_what_lies_below_a_path(library: Library) -> None:
    first, *_ = grow(library)
    everything = ["src", "src/a.bin", "src/b.bin", "src/deep", "src/deep/a again"]
    everything += ["src/empty", "src/notes.txt"]
    assert library("ls", "latest").out.decode().splitlines() == everything
    assert library("ls", first[:4]).out.decode().splitlines() == ["src", "src/a.bin"]
    for path in ("src/deep", "/src/deep/", "./src//deep"):
        found = library("ls", "latest", path).out.decode().splitlines()
        assert found == ["src/deep", "src/deep/a again"]
    assert library("ls", "latest", ".").out.decode().splitlines() == everything
    assert "there is no src/dee in it" in library("ls", "latest", "src/dee", code=1).err
    library("ls", "latest", "src/../src", code=2)


def test_ls_tells_more_when_asked(library: Library) -> None:
    (library.source / "file").write_text("12345")
    (library.source / "file").chmod(0o640)
    os.utime(library.source / "file", ns=(0, 1_700_000_000_123_456_789))
    (library.source / "link").symlink_to("file")
    library.backup()
    lines = library("ls", "-l", "latest").out.decode().splitlines()
    assert lines[1].startswith("-rw-r----- ")
    assert lines[1].endswith(" 5 2023-11-14T22:13:20+00:00 src/file")
    assert lines[2].endswith(" src/link -> file")
    found = library("ls", "--json", "latest").lines
    assert [line["type"] for line in found] == ["folder", "file", "symlink"]
    assert found[1]["mtime_ns"] == 1_700_000_000_123_456_789
    assert (found[1]["size"], found[1]["mode"]) == (5, "0640")
    assert found[2]["target"] == "file"


def test_cat_gives_a_file_or_a_part_of_it(library: Library) -> None:
    content = noise(5, 3 * CHUNK_LEN + 777)
    (library.source / "film").write_bytes(content)
    library.backup()
    assert library("cat", "latest", "src/film").out == content
    for offset, length in ((0, 1), (CHUNK_LEN - 1, 2), (CHUNK_LEN, CHUNK_LEN), (5, 0)):
        run = library("cat", "latest", "src/film", "--offset", offset, "--length", length)
        assert run.out == content[offset : offset + length]
    assert library("cat", "latest", "src/film", "--offset", 3 * CHUNK_LEN).out == content[-777:]
    assert library("cat", "latest", "src/film", "--offset", 2**40).out == b""
    assert "is not a regular file" in library("cat", "latest", "src", code=1).err
    library("cat", "latest", "src/film", "--json", code=2)


def test_cat_waits_for_who_reads_it(library: Library) -> None:
    content = noise(5, CHUNK_LEN)
    (library.source / "film").write_bytes(content)
    library.backup()
    with unblocking_pipe() as (theirs, read):
        words = ("-r", "repo", "--key-file", "my.key", "latest", "src/film")
        library.program("cat", *words, stdout=theirs)
    assert read.result() == content


def test_cat_reads_only_what_it_needs(library: Library) -> None:
    grow(library)
    flip(library.data_segments()[1], library.data_segments()[0])  # the first chunk of b.bin
    content = noise(2, 3 * CHUNK_LEN)
    run = library("cat", "latest", "src/b.bin", "--offset", CHUNK_LEN)
    assert run.out == content[CHUNK_LEN:]
    run = library("cat", "latest", "src/b.bin", code=13)
    assert run.out == b""
    assert "reading src/b.bin" in run.err


def test_cat_refuses_to_put_binary_data_on_a_terminal(library: Library) -> None:
    (library.source / "text").write_text("hello\n")
    (library.source / "film").write_bytes(bytes(1000))
    library.backup()
    words = ("-r", "repo", "--key-file", "my.key", "latest")
    assert "hello" in library.program.on_terminal("cat", *words, "src/text").err
    run = library.program.on_terminal("cat", *words, "src/film")
    assert run.code == 2
    assert "binary data to a terminal" in run.err


def test_stats_count_what_is_stored(library: Library) -> None:
    (found,) = library("stats", "--json").lines
    assert found["stored_bytes"] == found["snapshots"] == found["ratio"] == 0
    grow(library)
    (found,) = library("stats", "--json").lines
    assert (found["snapshots"], found["files"], found["segments"]) == (3, 8, 6)
    assert found["chunks"] == 6
    assert found["raw_bytes"] == 16 * CHUNK_LEN - 2 * CHUNK_LEN + 5500
    assert found["ratio"] == round(found["raw_bytes"] / found["stored_bytes"], 3)
    assert "chunks     6" in library("stats").out.decode()


@pytest.mark.parametrize("verb", ["snapshots", "stats", "verify", "rebuild-index"])
def test_every_verb_wants_a_repository(program: Program, verb: str) -> None:
    program(verb, "-r", "nowhere", "--key-file", "my.key", code=10)
    program(verb, "--key-file", "my.key", code=2)
