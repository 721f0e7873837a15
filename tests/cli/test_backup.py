"""strongroom backup: what is stored, what is said, and how it ends."""

from __future__ import annotations

import os
import re
import subprocess
import time

import pytest

from cli.photos import Library, noise
from cli.repositories import PASSWORD, make_repository
from program import PATIENCE, Program
from strongroom import RootKey

ID = re.compile(r"[0-9a-f]{32}\n")


def paths(library: Library, snapshot: str = "latest") -> list[bytes]:
    return library("ls", "-0", snapshot).out.split(b"\0")[:-1]


def test_the_snapshot_id_alone_is_printed(library: Library) -> None:
    (library.source / "a").write_text("a")
    run = library("backup", "src")
    assert ID.fullmatch(run.out.decode())
    assert "1 file, 1 B" in run.err
    assert library("backup", "src", "-q").err == ""


def test_json_ends_with_a_summary(library: Library) -> None:
    (library.source / "a").write_bytes(noise(1, 5000))
    (last,) = library("backup", "--json", "--tag", "x", "--tag", "y", "src").lines
    assert last["summary"]
    assert re.fullmatch("[0-9a-f]{32}", last["snapshot"])
    assert (last["files"], last["bytes"], last["errors"]) == (1, 5000, 0)
    assert 5000 <= last["new_bytes"] < 6000
    assert last["tags"] == ["x", "y"]
    (again,) = library("backup", "--json", "src").lines
    assert again["new_bytes"] == 0
    assert again["snapshot"] != last["snapshot"]


def test_a_password_opens_it(program: Program, key: RootKey) -> None:
    make_repository(program.folder / "repo", key, PASSWORD)
    (program.folder / "pw").write_text(PASSWORD + "\n")
    (program.folder / "file").write_text("hello")
    program = program.with_env(
        XDG_CACHE_HOME=str(program.folder / "cache"),
        STRONGROOM_REPOSITORY="repo",
        STRONGROOM_PASSWORD_FILE="pw",
    )
    program("backup", "file")
    assert program("cat", "latest", "file").out == b"hello"


def test_missing_sources_are_named_and_the_rest_is_stored(library: Library) -> None:
    (library.source / "a").write_text("a")
    run = library("backup", "--json", "src", "gone", code=3)
    assert "reading gone: it is not there" in run.err
    assert run.lines[0]["exit_code"] == 1
    assert run.lines[-1]["errors"] == 1
    assert paths(library) == [b"src", b"src/a"]
    library("backup", "gone", code=1)
    library("backup", code=2)


def test_where_nothing_is_there_nothing_is_stored(library: Library) -> None:
    for missing in ("missing", "../missing", library.source / "missing", "/missing/as/well"):
        run = library("backup", missing, code=1)
        assert "nothing of what was named could be read" in run.err
    assert library("snapshots").out == b""
    library("backup", "/missing/as/well", library.source, code=3)


def test_unreadable_files_are_named(library: Library, powerless: tuple[str, ...]) -> None:
    (library.source / "open").write_text("a")
    (library.source / "shut").write_text("a")
    (library.source / "shut").chmod(0)
    run = library.program.under(*powerless)(
        "backup", "-r", "repo", "--key-file", "my.key", "src", code=3
    )
    assert "src/shut: Permission denied" in run.err
    assert ID.fullmatch(run.out.decode())
    assert paths(library) == [b"src", b"src/open"]


def test_names_of_any_bytes_come_through(library: Library) -> None:
    names = [
        b"two\nlines",
        b"\xff\xfe",
        "gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n".encode(),
        b"-r",
        b" ",
    ]
    for name in names:
        (library.source / os.fsdecode(name)).write_bytes(name)
    library("backup", "--", "src", b"src/two\nlines", b"src/\xff\xfe")
    assert sorted(paths(library)) == sorted([b"src", *(b"src/" + name for name in names)])
    for name in names:
        assert library("cat", "--", "latest", b"src/" + name).out == name
    library("restore", "latest", b"src/\xff\xfe", "--target", "out")
    assert (library.program.folder / "out" / "src" / "\udcff\udcfe").read_bytes() == b"\xff\xfe"
    shown = library("ls", "latest").out.decode()
    assert "src/two\\nlines\n" in shown
    assert "src/\\udcff\\udcfe\n" in shown
    listed = [os.fsencode(line["path"]) for line in library("ls", "latest", "--json").lines]
    assert listed == paths(library)


def test_excludes_and_lists_of_paths(library: Library) -> None:
    for name in ("a.txt", "a.tmp", "b.bak", "c.txt"):
        (library.source / name).write_text(name)
    (library.source / "cache").mkdir()
    (library.source / "cache" / ".nobackup").touch()
    (library.program.folder / "patterns").write_text("# not these\n*.bak\n")
    library(
        "backup",
        *("--exclude", "*.tmp", "--exclude-from", "patterns", "--exclude-if-present", ".nobackup"),
        "src",
    )
    assert paths(library) == [b"src", b"src/a.txt", b"src/c.txt", b"src/cache"]
    (library.program.folder / "list").write_bytes(b"src/a.txt\0src/b.bak\0")
    library("backup", "--files-from", "list")
    assert paths(library) == [b"src", b"src/a.txt", b"src/b.bak"]
    assert "No such file" in library("backup", "--files-from", "nolist", code=1).err


def test_lists_may_come_by_standard_input(library: Library) -> None:
    for name in ("a.txt", "b.tmp"):
        (library.source / name).write_text(name)
    library("backup", "--files-from", "-", data=b"src/a.txt\nsrc/b.tmp\n")
    assert paths(library) == [b"src", b"src/a.txt", b"src/b.tmp"]
    library("backup", "--exclude-from", "-", "src", data=b"*.tmp\n")
    assert paths(library) == [b"src", b"src/a.txt"]
    for words in (("--stdin-name", "x"), ("--files-from", "-")):
        run = library("backup", "--exclude-from", "-", *words, code=2, data=b"a")
        assert "only one of the things to read" in run.err
    both = ("backup", "-r", "repo", "--key-file", "/dev/stdin", "--files-from", "-")
    assert "cannot both be standard input" in library.program(*both, code=2, data=b"src").err


def test_standard_input_is_a_file(library: Library) -> None:
    content = noise(3, 3_000_000)
    run = library("backup", "--stdin-name", "db.sql", data=content)
    assert ID.fullmatch(run.out.decode())
    assert library("cat", "latest", "db.sql").out == content
    library("backup", "--stdin-name", "x", "src", code=2)
    library("backup", "--stdin-name", "../x", code=2, data=b"")
    run = library("backup", "--stdin-name", "x", "--dry-run", code=2, data=b"a")
    assert "a dry run of a stream has nothing to say" in run.err


def test_a_stream_whose_chunks_are_removed_meanwhile_is_a_conflict(library: Library) -> None:
    content = noise(3, 4 * 2**20)
    old = library("backup", "--stdin-name", "old", data=content).out.decode().strip()
    words = ("backup", "-r", "repo", "--key-file", "my.key", "--stdin-name", "new")
    process = library.program.start(*words, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdin is not None
        # A pipe holds less than the last of it: what is stored already is read when this returns.
        process.stdin.write(content + noise(4, 2 * 2**20))
        library("backup", "src")
        library("forget", old, "--prune")
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 11, said
    assert b"strongroom: error: " in said
    assert b"Traceback" not in said
    assert len(library("snapshots").out.splitlines()) == 1
    library("verify", "--data")


def test_a_dry_run_changes_nothing(library: Library) -> None:
    (library.source / "a").write_text("a" * 100)
    (found,) = library("backup", "--dry-run", "--json", "src").lines
    assert found["snapshot"] is None
    assert (found["files"], found["bytes"], found["read_bytes"]) == (1, 100, 100)
    assert found["new_bytes"] is None
    run = library("backup", "--dry-run", "src")
    assert run.out == b""
    assert "1 file, 100 B: would read 100 B; only reading tells" in run.err
    assert library("snapshots").out == b""
    assert not (library.store.folder / "segments").exists()


def test_the_repository_is_not_backed_up_into_itself(library: Library) -> None:
    library("backup", ".")
    assert not [path for path in paths(library) if path.startswith(b"repo")]


def test_a_repository_named_to_go_into_itself_is_refused(library: Library) -> None:
    run = library("backup", "repo", "src", code=3)
    assert "error: reading repo: it is the repository itself" in run.err
    assert paths(library) == [b"src"]
    library("backup", library.store.folder, code=1)
    library("backup", "repo/segments", code=1)
    library("backup", "repo/config")
    assert paths(library) == [b"repo", b"repo/config"]


def test_no_repository_or_a_wrong_key_have_exit_codes_of_their_own(library: Library) -> None:
    library.program("backup", "-r", "nowhere", "--key-file", "my.key", "src", code=10)
    library.program("keygen", "-o", "other.key")
    run = library.program("backup", "-r", "repo", "--key-file", "other.key", "src", code=12)
    assert "belongs to another repository, or it is mistyped" in run.err
    assert "no repository was named" in library.program("backup", "src", code=2).err


def test_the_index_can_be_lost(library: Library) -> None:
    (library.source / "a").write_bytes(noise(1, 100_000))
    library.backup()
    tables = [path for path in (library.program.folder / "cache").rglob("*") if path.is_file()]
    assert tables
    for path in tables:
        path.unlink()
    (library.source / "b").write_bytes(noise(1, 100_000))
    (found,) = library("backup", "--json", "--force-read", "src").lines
    assert found["new_bytes"] == 0
    run = library("rebuild-index", "--json")
    assert run.lines[-1]["errors"] == 0
    assert run.lines[-1]["chunks"] == 1


def test_rebuilding_names_what_cannot_be_read(library: Library) -> None:
    (library.source / "a").write_bytes(noise(1, 100_000))
    library.backup()
    library.data_segments()[0].unlink()
    run = library("rebuild-index", code=13)
    assert "missing" in run.err
    assert "strongroom verify" in run.err
    run = library("backup", "src")
    assert "is stored again" in run.err
    library("restore", "latest", "--target", "out")


@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.8])
def test_killed_at_any_moment_the_next_one_works(library: Library, seconds: float) -> None:
    (library.source / "a").write_bytes(noise(1, 1000))
    library.backup()
    (library.source / "b").write_bytes(noise(2, 20_000_000))
    words = ("backup", "-r", "repo", "--key-file", "my.key", "src")
    process = library.program.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()
    library.backup()
    library("verify", "--data")
    assert len(list((library.store.folder / "tmp").iterdir())) == 0


def test_two_backups_at_once(library: Library) -> None:
    for name in ("a", "b"):
        (library.source / name).mkdir()
        (library.source / name / "file").write_bytes(noise(ord(name), 5_000_000))
    running = [
        library.program.start(
            *("backup", "-r", "repo", "--key-file", "my.key", f"src/{name}"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in ("a", "b")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(library("snapshots", "--json").lines) == 2
    library("verify", "--data")


def test_a_terminal_shows_how_far_it_is(library: Library) -> None:
    for number in range(3):
        (library.source / f"{number}").write_bytes(noise(number, 9_000_000))
    words = ("-r", "repo", "--key-file", "my.key")
    run = library.program.on_terminal("backup", *words, "src", piped=[1])
    assert ID.fullmatch(run.out.decode())
    assert "backing up" in run.err
    assert "25.7 MiB" in run.err
    assert "scrubbing" in library.program.on_terminal("scrub", "-r", "repo").err
    quiet = library.program.on_terminal("backup", *words, "src", "--no-progress", piped=[1])
    assert "backing up" not in quiet.err
