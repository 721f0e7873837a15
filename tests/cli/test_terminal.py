"""Words, progress and binary data on terminals and off them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey, seal_bytes

KEY = ("--key-file", "my.key")
SIZE = 400 * 2**20


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Large enough for a progress bar to be drawn; sparse."""
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, SIZE)
    return path


def test_progress_is_shown_on_a_terminal(program: Program, large: Path) -> None:
    run = program.on_terminal("seal", *KEY, "large", "-o", "/dev/null")
    assert run.code == 0, run
    assert "sealing large" in run.err
    assert "MiB" in run.err


@pytest.mark.parametrize("option", ["--no-progress", "-q"])
def test_progress_can_be_turned_off(program: Program, large: Path, option: str) -> None:
    run = program.on_terminal("seal", *KEY, option, "large", "-o", "/dev/null")
    assert (run.code, run.err) == (0, "")


def test_no_progress_without_a_terminal(program: Program, large: Path) -> None:
    run = program("seal", *KEY, "large", "-o", "/dev/null")
    assert (run.out, run.err) == (b"", "")


def test_progress_stays_out_of_json(program: Program, large: Path) -> None:
    run = program.on_terminal("seal", *KEY, "--json", "-v", "large", "-o", "/dev/null", piped=(1,))
    assert run.code == 0, run
    assert "sealing large" in run.err
    assert [line["raw_bytes"] for line in run.lines] == [SIZE]


def test_progress_shows_no_control_characters_of_names(program: Program, large: Path) -> None:
    evil = large.rename(large.with_name("a\x1b]0;evil\x07\n[bold]"))
    run = program.on_terminal("seal", *KEY, evil.name, "-o", "/dev/null")
    assert run.code == 0, run
    assert "\x1b]0;evil" not in run.err
    assert "\x07" not in run.err
    assert "[bold]" in run.err


@pytest.mark.parametrize("verb", ["seal", "open"])
def test_binary_data_is_not_written_to_a_terminal(
    program: Program, tmp_path: Path, key: RootKey, verb: str
) -> None:
    (tmp_path / "s").write_bytes(seal_bytes(b"\x1b[31mdata", key=key))
    run = program.on_terminal(verb, *KEY, "s", "-o", "-")
    assert run.code == 2
    assert "refusing to write binary data to a terminal" in run.err
    assert "\x1b[31mdata" not in run.err


def test_the_terminal_is_refused_before_a_password_is_asked(program: Program) -> None:
    run = program.on_terminal("seal", "my.key", "-o", "-")
    assert run.code == 2
    assert "Password" not in run.err


def test_digits_may_be_shown_on_a_terminal(program: Program) -> None:
    run = program.on_terminal("keygen")
    assert run.code == 0
    assert RootKey.from_digits(run.err)


def test_batches_draw_one_bar_and_still_name_failures(
    program: Program, large: Path, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    large.rename(tmp_path / "d/large")
    (tmp_path / "d/link").symlink_to("large")
    run = program.on_terminal("seal", *KEY, "d", "-o", "o")
    assert run.code == 3, run
    assert "left out d/link: it is a symbolic link" in run.err
