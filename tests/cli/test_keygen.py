"""strongroom keygen."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey


def test_keygen_writes_64_digits_that_only_the_owner_reads(
    program: Program, tmp_path: Path
) -> None:
    run = program("keygen", "-o", "new.key")
    written = (tmp_path / "new.key").read_text("ascii")
    assert len(written.strip()) == 64
    RootKey.from_digits(written)
    assert stat.S_IMODE((tmp_path / "new.key").stat().st_mode) == 0o600
    assert run.out == b""
    assert "keep a copy elsewhere" in run.err
    assert written.strip() not in run.err


@pytest.mark.parametrize("words", [(), ("-o", "-")])
def test_keygen_prints_groups_of_digits_without_a_file(
    program: Program, tmp_path: Path, words: tuple[str, ...]
) -> None:
    run = program("keygen", *words)
    assert len(run.out.split()) == 16
    RootKey.from_digits(run.out.decode())
    assert [path.name for path in tmp_path.iterdir()] == ["my.key"]


def test_keygen_makes_another_key_each_time(program: Program) -> None:
    assert program("keygen").out != program("keygen").out


def test_keygen_never_replaces_a_file(program: Program, tmp_path: Path) -> None:
    before = (tmp_path / "my.key").read_bytes()
    run = program("keygen", "-o", "my.key", code=1)
    assert run.err == (
        "strongroom: error: writing the key to my.key: it exists\n"
        "strongroom: hint: choose another name; a key is never replaced\n"
    )
    assert (tmp_path / "my.key").read_bytes() == before
    program("keygen", "-o", "my.key", "--force", code=2)


def test_keygen_does_not_write_through_a_link(program: Program, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    program("keygen", "-o", "link", code=1)
    assert not (tmp_path / "elsewhere").exists()


def test_keygen_keeps_its_mode_whatever_the_umask(program: Program, tmp_path: Path) -> None:
    program("keygen", "-q", "-o", "new.key", umask=0)
    assert stat.S_IMODE((tmp_path / "new.key").stat().st_mode) == 0o600


def test_keygen_json_names_the_file_and_keeps_the_digits_out(
    program: Program, tmp_path: Path
) -> None:
    run = program("keygen", "--json", "-o", "new.key")
    assert run.lines == [{"output": "new.key"}]
    digits = (tmp_path / "new.key").read_text().strip()
    assert digits.encode() not in run.out
    (line,) = program("keygen", "--json").lines
    RootKey.from_digits(line["digits"])


def test_keygen_says_why_it_cannot_write(program: Program) -> None:
    run = program("keygen", "-o", "nowhere/new.key", code=1)
    assert "writing the key to nowhere/new.key: No such file or directory" in run.err


def test_keygen_q_says_nothing(program: Program) -> None:
    run = program("keygen", "-q", "-o", "new.key")
    assert (run.out, run.err) == (b"", "")


def test_digits_as_printed_open_what_was_sealed(program: Program, tmp_path: Path) -> None:
    printed = program("keygen").out.decode()
    for name, text in (("a.key", printed), ("b.key", printed.upper().replace(" ", "-\n"))):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "in").write_bytes(b"data")
    program("seal", "--key-file", "a.key", "in", "-o", "in.sealed")
    program("open", "--key-file", "b.key", "in.sealed", "-o", "out")
    assert (tmp_path / "out").read_bytes() == b"data"
