"""strongroom init: a repository, and a key that is handed over before there is one."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from cli.repositories import PASSWORD, contents, is_opened_by, make_repository, slots_of
from program import Program
from strongroom import KdfParameters, Password, RootKey
from strongroom.keys.slot import parse_slot
from strongroom.repository.config import read_config
from strongroom.repository.unlock import unlock
from strongroom.stores.local import LocalStore

INIT = ("init", "-r", "repo")
DIGITS = re.compile(r"(?:[0-9a-f]{4}\s+){15}[0-9a-f]{4}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pw").write_text(PASSWORD + "\n")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> LocalStore:
    """The repository to be."""
    return LocalStore(folder / "repo")


def opens(store: LocalStore, key: RootKey) -> bool:
    return unlock(store, key, doing="testing").root == key


def test_init_makes_a_key_and_a_password_slot(
    program: Program, folder: Path, store: LocalStore
) -> None:
    run = program(*INIT, "--password-file", "pw", "--digits-out", "new.key")
    key = RootKey.from_digits((folder / "new.key").read_text("ascii"))
    assert opens(store, key)
    assert is_opened_by(store, PASSWORD, key)
    (slot,) = store.list("keys/")
    assert parse_slot(store.get(slot), doing="testing").kdf == KdfParameters()
    assert sorted(contents(folder / "repo")) == sorted(["config", slot])
    assert stat.S_IMODE((folder / "new.key").stat().st_mode) == 0o600
    assert run.out == b""
    assert "a new repository" in run.err
    assert DIGITS.search(run.err) is None
    assert PASSWORD not in run.err


def test_init_shows_the_digits_once_on_stderr(program: Program, store: LocalStore) -> None:
    run = program.cheaply()(*INIT, "-q", "--password-file", "pw")
    (shown,) = DIGITS.findall(run.err)
    assert opens(store, RootKey.from_digits(shown))
    assert run.out == b""


def test_init_json_has_no_digits(program: Program, folder: Path, store: LocalStore) -> None:
    run = program.cheaply()(*INIT, "--json", "--password-file", "pw", "--digits-out", "new.key")
    (line,) = run.lines
    assert line == {
        "repository": str(folder / "repo"),
        "repo_id": read_config(store, doing="testing").repo_id.hex(),
        "digits_out": "new.key",
        "sheet": None,
    }
    assert (folder / "new.key").read_text().strip().encode() not in run.out + run.err.encode()


def test_init_with_a_key_file_adds_no_slot(program: Program, store: LocalStore) -> None:
    run = program(*INIT, "--key-file", "my.key")
    assert list(store.list("")) == ["config"]
    assert opens(store, RootKey.from_digits((program.folder / "my.key").read_text()))
    assert DIGITS.search(run.err) is None


def test_init_writes_a_recovery_sheet(program: Program, folder: Path, store: LocalStore) -> None:
    program(*INIT, "--key-file", "my.key", "--sheet", "sheet.txt")
    sheet = (folder / "sheet.txt").read_text()
    key = RootKey.from_digits((folder / "my.key").read_text())
    assert RootKey.from_digits(DIGITS.search(sheet)[0]) == key
    assert f"-r {folder}/repo " in sheet
    assert read_config(store, doing="testing").repo_id.hex() in sheet
    assert stat.S_IMODE((folder / "sheet.txt").stat().st_mode) == 0o600


def test_init_shows_a_qr_code_on_request(program: Program, folder: Path) -> None:
    run = program.cheaply()(*INIT, "--password-file", "pw", "--qr")
    assert "█" in run.err
    assert len(DIGITS.findall(run.err)) == 1
    assert run.out == b""


def test_the_repository_may_be_a_url_or_come_from_the_environment(
    program: Program, folder: Path
) -> None:
    program("init", "-r", f"file://{folder}/a%20b", "--key-file", "my.key")
    assert (folder / "a b/config").exists()
    program.with_env(STRONGROOM_REPOSITORY="c")("init", "--key-file", "my.key")
    assert (folder / "c/config").exists()
    named = program.with_env(STRONGROOM_REPOSITORY="not-this")
    named("init", "-r", "d", "--key-file", "my.key")
    assert not (folder / "not-this").exists()


def test_without_a_repository_nothing_is_made(program: Program) -> None:
    assert "no repository was named" in program("init", "--key-file", "my.key", code=2).err
    empty = program.with_env(STRONGROOM_REPOSITORY="")
    assert "the repository has no name" in empty("init", "--key-file", "my.key", code=2).err
    run = program("init", "-r", "s3://bucket", "--key-file", "my.key", code=2)
    assert "no store of the kind s3 is known" in run.err


def test_init_never_replaces_a_repository(program: Program, folder: Path) -> None:
    make_repository(folder / "repo", RootKey.generate())
    before = contents(folder)
    run = program(*INIT, "--password-file", "pw", "--digits-out", "new.key", code=1)
    assert run.err == (
        f"strongroom: error: making a repository at {folder}/repo: there is one already\n"
        "strongroom: hint: choose another place; a repository is never replaced\n"
    )
    assert contents(folder) == before


def test_init_names_the_place_where_it_failed(program: Program, folder: Path) -> None:
    run = program("init", "-r", "pw", "--key-file", "my.key", code=1)
    assert f"making a repository at {folder}/pw: writing config: Not a directory" in run.err


def test_init_does_not_build_on_ruins(program: Program, folder: Path) -> None:
    (folder / "repo/log").mkdir(parents=True)
    (folder / "repo/log/0000000000000001").touch()
    run = program(*INIT, "--key-file", "my.key", code=13)
    assert "parts of a repository whose config is missing" in run.err


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "has 5 characters; a repository's has at least 8"),
        ("password123", "too easy to guess"),
        ("", "the password is empty"),
    ],
)
def test_a_weak_password_is_refused(
    program: Program, folder: Path, password: str, words: str
) -> None:
    (folder / "pw").write_text(password + "\n")
    run = program(*INIT, "--password-file", "pw", "--digits-out", "new.key", code=2)
    assert words in run.err
    assert not password or password not in run.err
    assert sorted(path.name for path in folder.iterdir()) == ["my.key", "pw"]


def test_a_weak_password_can_be_forced(program: Program, folder: Path, store: LocalStore) -> None:
    (folder / "pw").write_text("short\n")
    program.cheaply()(*INIT, "--force", "--password-file", "pw")
    assert unlock(store, Password("short"), doing="testing").slot_id is not None


def test_init_makes_nothing_when_it_cannot_hand_over_the_key(
    program: Program, folder: Path
) -> None:
    before = contents(folder)
    for options in (
        ("--digits-out", "my.key"),
        ("--digits-out", "nowhere/new.key"),
        ("--digits-out", "new.key", "--sheet", "pw"),
    ):
        program(*INIT, "--password-file", "pw", *options, code=1)
        assert contents(folder) == before


def test_init_leaves_no_key_of_a_repository_it_could_not_make(
    program: Program, folder: Path, powerless: tuple[str, ...]
) -> None:
    (folder / "closed").mkdir(mode=0o500)
    before = contents(folder)
    run = program.under(*powerless)(
        "init", "-r", "closed/repo", "--key-file", "my.key", "--digits-out", "new.key", code=1
    )
    assert "Permission denied" in run.err
    assert contents(folder) == before


def test_two_secrets_are_refused(program: Program) -> None:
    run = program(*INIT, "--password-file", "pw", "--key-file", "my.key", code=2)
    assert "more than one key or password was given" in run.err


def test_without_secret_or_terminal_the_options_are_named(program: Program) -> None:
    run = program(*INIT, code=2, start_new_session=True)
    assert "there is no terminal to ask on" in run.err
    assert "--key-file FILE or --password-file FILE" in run.err


# --- On a terminal ---

TYPED = PASSWORD.encode() + b"\n"
ASKED = [(b"Password: ", TYPED), (b"Once more: ", TYPED)]
BACK = b"Type the digits"


def test_a_typing_error_is_located_and_nothing_is_made_without_the_digits(
    program: Program, folder: Path
) -> None:
    replies = [*ASKED, (BACK, b"1234\n"), (BACK, b"00" * 32 + b"\n"), (BACK, b"ff" * 32 + b"\n")]
    run = program.on_terminal(*INIT, replies=replies)
    assert run.code == 2, run
    assert "a key has 64 digits, this has 4" in run.err
    assert "not what was shown: group 1, 2, 3" in run.err
    assert "the digits were not typed back; nothing was made" in run.err
    assert PASSWORD not in run.err
    assert not (folder / "repo").exists()


def test_ctrl_c_while_asked_for_the_digits_makes_nothing(program: Program, folder: Path) -> None:
    run = program.on_terminal(*INIT, "--sheet", "s", replies=[*ASKED, (BACK, b"\x03")])
    assert run.code == 130, run
    assert sorted(path.name for path in folder.iterdir()) == ["my.key", "pw"]


def test_the_digits_are_asked_for_when_wished_although_they_are_written(
    program: Program, folder: Path
) -> None:
    words = (*INIT, "--digits-out", "new.key", "--confirm")
    run = program.on_terminal(*words, replies=[*ASKED, (BACK, b"\x03")])
    assert run.code == 130, run
    assert not (folder / "repo").exists()
    assert not (folder / "new.key").exists()


@pytest.mark.parametrize("option", [("--no-confirm",), ("--digits-out", "new.key")])
def test_the_digits_are_not_asked_for_when_told_so(
    program: Program, store: LocalStore, option: tuple[str, ...]
) -> None:
    run = program.cheaply().on_terminal(*INIT, *option, replies=ASKED)
    assert run.code == 0, run
    assert "Type the digits" not in run.err
    assert len(slots_of(store)) == 1
