"""strongroom key: ways in are added, changed and removed one at a time, never the last."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from cli.repositories import PASSWORD, contents, is_opened_by, make_repository, slots_of
from program import Program
from strongroom import RootKey, WrongKeyError
from strongroom.stores.local import LocalStore

KEY = ("--key-file", "my.key")
PW = ("--password-file", "pw")
NEW = ("--new-password-file", "new")
OTHER = "four random words here"
REPO = ("-r", "repo")


@pytest.fixture
def program(program: Program) -> Program:
    """What a new password costs by default is the business of test_init.py."""
    return program.cheaply()


@pytest.fixture
def store(tmp_path: Path, key: RootKey) -> LocalStore:
    """A repository for my.key, with one password."""
    (tmp_path / "pw").write_text(PASSWORD + "\n")
    (tmp_path / "new").write_text(OTHER + "\n")
    return make_repository(tmp_path / "repo", key, PASSWORD)


# --- list ---


def test_list_shows_slots_without_a_key(program: Program, store: LocalStore) -> None:
    (slot,) = slots_of(store)
    run = program("key", "list", *REPO)
    cost = "65536 KiB, 3 passes, 1 lanes"
    assert run.out.decode() == f"{slot}  password  2023-11-14T22:13:20+00:00  {cost}\n"
    assert program("key", "list", *REPO, "--json").lines == [
        {
            "slot": slot,
            "kind": "password",
            "created": "2023-11-14T22:13:20+00:00",
            "memory_kib": 65536,
            "passes": 3,
            "lanes": 1,
        }
    ]


def test_list_says_when_there_are_none(program: Program, tmp_path: Path, key: RootKey) -> None:
    make_repository(tmp_path / "repo", key)
    run = program("key", "list", *REPO)
    assert run.out == b""
    assert "only the 64 digits open this repository" in run.err


def test_list_names_damaged_slots(program: Program, store: LocalStore) -> None:
    (slot,) = slots_of(store)
    damage(store, f"keys/{slot}")
    store.put("keys/" + "ab" * 16, b"nonsense")
    run = program("key", "list", *REPO, "--json", code=13)
    assert {line["slot"] for line in run.lines} == {slot, "ab" * 16}
    assert all(line["exit_code"] == 13 for line in run.lines)
    assert "2 of 2 could not be read" in run.err


def damage(store: LocalStore, name: str, place: int = 90) -> None:
    stored = bytearray(store.get(name))
    stored[place] ^= 1
    store.delete(name)
    store.put(name, stored)


# --- add-password ---


def test_add_password_adds_a_slot_and_touches_nothing_else(
    program: Program, store: LocalStore, key: RootKey
) -> None:
    before = contents(store.folder)
    run = program("key", "add-password", *REPO, *KEY, *NEW)
    after = contents(store.folder)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1
    assert is_opened_by(store, OTHER, key)
    assert is_opened_by(store, PASSWORD, key)
    assert slots_of(store)[1] in run.err


def test_a_new_password_is_judged_too(program: Program, store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("12345678\n")
    for verb in ("add-password", "change-password"):
        before = contents(store.folder)
        run = program("key", verb, *REPO, *PW, *NEW, code=2)
        assert "too easy to guess" in run.err
        assert contents(store.folder) == before
    program("key", "change-password", *REPO, *PW, *NEW, "--force")
    assert len(slots_of(store)) == 1


def test_a_ninth_password_is_refused(program: Program, tmp_path: Path, key: RootKey) -> None:
    make_repository(tmp_path / "repo", key, *[PASSWORD] * 8)
    (tmp_path / "new").write_text(OTHER)
    run = program("key", "add-password", *REPO, *KEY, *NEW, code=14)
    assert "there are 8 key slots already" in run.err


def test_without_a_new_password_or_terminal_the_options_are_named(
    program: Program, store: LocalStore
) -> None:
    run = program("key", "add-password", *REPO, *KEY, code=2, start_new_session=True)
    assert "hint: pass --new-password-file FILE" in run.err


def test_the_environment_holds_the_present_password_alone(
    program: Program, store: LocalStore, key: RootKey
) -> None:
    known = program.with_env(STRONGROOM_PASSWORD=PASSWORD)
    run = known("key", "add-password", *REPO, code=2, start_new_session=True)
    assert "no terminal" in run.err
    known("key", "add-password", *REPO, "--new-password-command", "cat new")
    assert is_opened_by(store, OTHER, key)


def test_more_than_one_new_password_is_refused(program: Program, store: LocalStore) -> None:
    words = ("key", "add-password", *REPO, *KEY, *NEW, "--new-password-fd", "0")
    assert "more than one new password" in program(*words, code=2).err


# --- change-password ---


def test_change_password_rewrites_one_slot_and_nothing_else(
    program: Program, tmp_path: Path, store: LocalStore, key: RootKey
) -> None:
    program("key", "add-password", *REPO, *KEY, *NEW)
    (tmp_path / "newer").write_text("and yet another phrase\n")
    old, kept = slots_of(store)
    before = contents(store.folder)
    run = program("key", "change-password", *REPO, *PW, "--new-password-file", "newer", "--json")
    after = contents(store.folder)
    (line,) = run.lines
    assert line["replaced"] == old
    assert before.keys() - after.keys() == {f"keys/{old}"}
    assert after.keys() - before.keys() == {f"keys/{line['slot']}"}
    assert all(after[name] == before[name] for name in before.keys() & after.keys())
    assert f"keys/{kept}" in after
    assert is_opened_by(store, "and yet another phrase", key)
    assert is_opened_by(store, OTHER, key)
    with pytest.raises(WrongKeyError):
        is_opened_by(store, PASSWORD, key)


def test_with_a_key_the_slot_is_named_unless_there_is_one(
    program: Program, tmp_path: Path, key: RootKey
) -> None:
    store = make_repository(tmp_path / "repo", key, PASSWORD, "another one of them")
    (tmp_path / "new").write_text(OTHER)
    run = program("key", "change-password", *REPO, *KEY, *NEW, code=2)
    assert "which of 2?" in run.err
    first, second = slots_of(store)
    program("key", "change-password", *REPO, *KEY, *NEW, "--slot", second[:6])
    assert is_opened_by(store, PASSWORD, key)
    assert is_opened_by(store, OTHER, key)
    assert first in slots_of(store)
    assert second not in slots_of(store)
    program("key", "remove", *REPO, *KEY, first)
    program("key", "change-password", *REPO, *KEY, *NEW)
    assert len(slots_of(store)) == 1


def test_changing_with_a_wrong_password_changes_nothing(
    program: Program, store: LocalStore, tmp_path: Path
) -> None:
    (tmp_path / "pw").write_text("not the right one\n")
    before = contents(store.folder)
    run = program("key", "change-password", *REPO, *PW, *NEW, code=12)
    assert "wrong password" in run.err
    assert contents(store.folder) == before


def test_new_passwords_are_asked_for_twice(
    program: Program, store: LocalStore, key: RootKey
) -> None:
    typed = OTHER.encode() + b"\n"
    replies = [(b"Password: ", PASSWORD.encode() + b"\n")]
    replies += [(b"New password: ", typed), (b"Once more: ", typed)]
    run = program.on_terminal("key", "change-password", *REPO, replies=replies)
    assert run.code == 0, run
    assert OTHER not in run.err
    assert is_opened_by(store, OTHER, key)


# --- remove ---


def test_the_last_slot_is_not_removed(program: Program, store: LocalStore) -> None:
    (slot,) = slots_of(store)
    for options in (KEY, PW, (*PW, "--force")):
        run = program("key", "remove", *REPO, *options, slot, code=2)
        assert "it is the last way in" in run.err
        assert slots_of(store) == [slot]
    program("key", "remove", *REPO, *KEY, "--force", slot)
    assert slots_of(store) == []


def test_one_of_two_slots_is_removed(program: Program, tmp_path: Path, key: RootKey) -> None:
    store = make_repository(tmp_path / "repo", key, PASSWORD, OTHER)
    (tmp_path / "pw").write_text(OTHER)
    first, second = slots_of(store)
    run = program("key", "remove", *REPO, *PW, first[:4], "--json")
    assert run.lines == [{"repository": str(store.folder), "removed": first}]
    assert slots_of(store) == [second]


def test_a_damaged_slot_is_no_way_in_and_can_be_removed(
    program: Program, tmp_path: Path, key: RootKey
) -> None:
    store = make_repository(tmp_path / "repo", key, PASSWORD, OTHER)
    first, second = slots_of(store)
    damage(store, f"keys/{second}")
    run = program("key", "remove", *REPO, *KEY, first, code=2)
    assert "it is the last way in" in run.err
    program("key", "remove", *REPO, *KEY, second)
    assert slots_of(store) == [first]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [("abc", 2, "at least 4"), ("slot", 2, "names no slot"), ("ffffffffff", 1, "there is no slot")],
)
def test_a_slot_that_is_not_there_is_named(
    program: Program, store: LocalStore, name: str, code: int, words: str
) -> None:
    run = program("key", "remove", *REPO, *KEY, name, code=code)
    assert words in run.err
    assert len(slots_of(store)) == 1


# --- show-digits ---


def test_show_digits_gives_the_key_from_a_password(
    program: Program, tmp_path: Path, store: LocalStore, key: RootKey
) -> None:
    run = program("key", "show-digits", *REPO, *PW)
    assert RootKey.from_digits(run.out.decode()) == key
    assert run.err == ""
    (line,) = program("key", "show-digits", *REPO, *PW, "--json").lines
    assert RootKey.from_digits(line["digits"]) == key
    run = program("key", "show-digits", *REPO, *PW, "--digits-out", "d", "--sheet", "s")
    assert run.out == b""
    assert RootKey.from_digits((tmp_path / "d").read_text()) == key
    for name in ("d", "s"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert key.to_digits()[:9] not in run.err
    assert "█" in program("key", "show-digits", *REPO, *PW, "--qr").out.decode()


def test_show_digits_replaces_no_file(program: Program, store: LocalStore) -> None:
    program("key", "show-digits", *REPO, *PW, "--digits-out", "new", code=1)
    assert (program.folder / "new").read_text() == OTHER + "\n"


# --- check ---


@pytest.mark.parametrize("secret", [KEY, PW])
def test_check_says_that_a_key_is_right(
    program: Program, store: LocalStore, secret: tuple[str, ...]
) -> None:
    run = program("key", "check", *REPO, *secret)
    assert run.err == f"{store.folder}: the key is right\n"
    (line,) = program("key", "check", *REPO, *secret, "--json").lines
    assert line["state"] == "right"
    assert line["slot"] == (slots_of(store)[0] if secret == PW else None)


def type_key(program: Program, digits: str) -> None:
    (program.folder / "my.key").write_text(digits)


@pytest.mark.parametrize("place", [0, 3, 4, 31, 63])
def test_check_finds_a_wrong_digit(
    program: Program, store: LocalStore, key: RootKey, place: int
) -> None:
    digits = key.to_digits().replace(" ", "")
    wrong = "0" if digits[place] != "0" else "1"
    type_key(program, digits[:place] + wrong + digits[place + 1 :])
    run = program("key", "check", *REPO, *KEY, code=12)
    group = place // 4 + 1
    assert f"mistyped in group {group};" in run.err
    assert f"hint: group {group} should be {key.to_digits().split()[group - 1]}\n" in run.err
    assert key.to_digits().split()[(group + 5) % 16] not in run.err


def test_check_finds_swapped_neighbours(program: Program, store: LocalStore, key: RootKey) -> None:
    digits = key.to_digits().replace(" ", "")
    for at in (at for at in range(63) if digits[at] != digits[at + 1]):
        if at % 4 == 3:
            break
    type_key(program, digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :])
    run = program("key", "check", *REPO, *KEY, code=12)
    group = at // 4 + 1
    assert f"mistyped in group {group} and {group + 1};" in run.err


def test_check_says_when_it_is_another_key(program: Program, store: LocalStore) -> None:
    type_key(program, "ab" * 32)
    run = program("key", "check", *REPO, *KEY, code=12)
    assert "wrong key, by more than one digit; the config is not damaged" in run.err


def test_check_tells_damage_from_a_wrong_key(program: Program, store: LocalStore) -> None:
    damage(store, "config", 100)
    for digits in ((program.folder / "my.key").read_text(), "ab" * 32):
        type_key(program, digits)
        run = program("key", "check", *REPO, *KEY, code=13)
        assert "config: it is damaged; whether the key is right cannot be told" in run.err


def test_check_names_damaged_slots_beside_a_right_key(program: Program, store: LocalStore) -> None:
    (slot,) = slots_of(store)
    damage(store, f"keys/{slot}")
    run = program("key", "check", *REPO, *KEY, code=13)
    assert f"key slot {slot}" in run.err
    assert "the key is right, but 1 of 1 key slots are not" in run.err
    program("key", "check", *REPO, *PW, code=13)


def test_check_of_a_wrong_password(program: Program, store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("not the right one")
    run = program("key", "check", *REPO, *PW, code=12)
    assert "wrong password" in run.err


# --- all of them ---

VERBS = [
    ("list",),
    ("add-password", *KEY, *NEW),
    ("change-password", *KEY, *NEW),
    ("remove", *KEY, "abcd"),
    ("show-digits", *KEY),
    ("check", *KEY),
    ("revoke", *KEY),
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_no_repository_is_exit_10(program: Program, tmp_path: Path, verb: tuple[str, ...]) -> None:
    (tmp_path / "new").write_text(OTHER)
    (tmp_path / "empty").mkdir()
    for place in ("nowhere", "empty", "new"):
        run = program("key", verb[0], "-r", place, *verb[1:], code=10)
        assert f"there is no repository at {tmp_path}/{place}" in run.err
        assert "hint:" in run.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "my.key", "new"]


@pytest.mark.parametrize("verb", VERBS[1:], ids=lambda verb: verb[0])
def test_another_key_is_exit_12(program: Program, store: LocalStore, verb: tuple[str, ...]) -> None:
    type_key(program, "ab" * 32)
    before = contents(store.folder)
    program("key", verb[0], *REPO, *verb[1:], code=12)
    assert contents(store.folder) == before


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_damaged_config_is_exit_13(
    program: Program, store: LocalStore, verb: tuple[str, ...]
) -> None:
    damage(store, "config", 20)
    program("key", verb[0], *REPO, *verb[1:], code=13)


def test_a_read_only_repository_is_read(
    program: Program, store: LocalStore, powerless: tuple[str, ...]
) -> None:
    for folder in (store.folder, store.folder / "keys"):
        folder.chmod(0o500)
    limited = program.under(*powerless)
    limited("key", "list", *REPO)
    limited("key", "check", *REPO, *PW)
    run = limited("key", "add-password", *REPO, *KEY, *NEW, code=1)
    assert "Permission denied" in run.err
    for folder in (store.folder, store.folder / "keys"):
        folder.chmod(0o700)


def test_no_verb_takes_a_secret_itself(program: Program, store: LocalStore) -> None:
    for verb, *_ in VERBS:
        words = program("key", verb, "--help").out.decode()
        assert not re.search(r"--(new-)?password |--key |--digits ", words)


def test_a_verb_that_is_not_there_is_a_usage_error(program: Program) -> None:
    program("key", code=2)
    program("key", "rotate", code=2)
