"""A repository that is older than it was, or another one: who saw it before says so."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from strongroom import DamagedError, Repository, RolledBackError, RootKey, scrub_repository
from strongroom.ops.describe import RepositoryInfo, describe_repository
from strongroom.repository import notes
from strongroom.repository.config import make_config
from strongroom.repository.freshness import ACCEPTED, CONTINUED, UNKNOWN
from strongroom.repository.log import entry_name

KEY = RootKey(bytes(range(32)))


@dataclass(frozen=True)
class Machine:
    """Someone who opens the repository at `place`, and remembers in a folder of their own."""

    place: Path
    state: Path

    def open(self, *, accept: bool = False) -> Repository:
        cache = self.state.with_suffix(".cache")
        return Repository.open(
            self.place, key=KEY, cache=cache, state=self.state, accept_rollback=accept
        )

    def look(self, *, accept: bool = False) -> str:
        with self.open(accept=accept) as repository:
            return repository.freshness.state

    def backup(self, *, accept: bool = False) -> None:
        with self.open(accept=accept) as repository:
            repository.backup([self.place.parent / "src"])

    def describe(self) -> RepositoryInfo:
        return describe_repository(self.place, state=self.state)

    def scrub(self, **more: bool) -> tuple[bool, str]:
        found = scrub_repository(self.place, state=self.state, **more)
        return found.trusted, found.freshness.state

    def entries(self) -> list[Path]:
        return sorted((self.place / "log").iterdir())

    def pin(self) -> Path:
        (found,) = (self.state / "heads").iterdir()
        return found


def put_in_place(source: Path, target: Path) -> None:
    shutil.rmtree(target)
    shutil.copytree(source, target)


@pytest.fixture
def old(tmp_path: Path) -> Machine:
    """It made three snapshots. `older` is a copy of the repository before the last of them."""
    machine = Machine(tmp_path / "repo", tmp_path / "state")
    (tmp_path / "src").mkdir()
    with Repository.create(machine.place, key=KEY, cache=tmp_path / "c", state=machine.state):
        pass
    machine.backup()
    machine.backup()
    shutil.copytree(machine.place, tmp_path / "older")
    machine.backup()
    return machine


@pytest.fixture
def other(old: Machine) -> Machine:
    """One that has not seen it."""
    return replace(old, state=old.state.with_name("other state"))


def set_back(machine: Machine) -> None:
    put_in_place(machine.place.with_name("older"), machine.place)


def test_a_repository_made_here_is_known(old: Machine) -> None:
    assert old.look() == CONTINUED


def test_what_was_set_back_is_refused_with_both_heads(old: Machine, other: Machine) -> None:
    newest = old.describe().head
    set_back(old)
    now = other.describe().head
    for use in (old.look, old.backup, old.describe, old.scrub):
        with pytest.raises(RolledBackError, match="older than what this machine saw") as caught:
            use()
        assert f"{newest} then, {now} now" in str(caught.value)
    assert len(old.entries()) == 2


def test_what_was_accepted_is_accepted_from_then_on(old: Machine) -> None:
    set_back(old)
    assert old.look(accept=True) == ACCEPTED
    assert old.look() == CONTINUED
    old.backup()
    assert old.look() == CONTINUED


def test_once_the_older_history_went_on_the_newer_one_is_a_stranger(old: Machine) -> None:
    newer = old.place.with_name("newer")
    shutil.copytree(old.place, newer)
    set_back(old)
    old.backup(accept=True)
    put_in_place(newer, old.place)
    with pytest.raises(RolledBackError, match="its history was replaced"):
        old.look()


def test_a_forked_history_is_refused_however_long_it_is(old: Machine, other: Machine) -> None:
    set_back(old)
    other.backup()
    assert len(old.entries()) == 3
    for _ in range(2):
        with pytest.raises(RolledBackError, match="its history was replaced"):
            old.backup()
        other.backup()


def test_an_older_entry_replaced_or_missing_is_damage(old: Machine) -> None:
    first, second, _ = old.entries()
    genuine = second.read_bytes()
    second.chmod(0o600)
    second.write_bytes(first.read_bytes())
    for use in (old.look, old.describe):
        with pytest.raises(DamagedError):
            use()
    second.unlink()
    for use in (old.look, old.describe):
        with pytest.raises(DamagedError, match="entry 2 of 3 is missing"):
            use()
    second.write_bytes(genuine)
    assert old.look() == CONTINUED


def test_all_entries_gone_is_a_rollback(old: Machine) -> None:
    shutil.rmtree(old.place / "log")
    with pytest.raises(RolledBackError, match="entry 0, hash"):
        old.look()


def test_a_new_machine_knows_nothing_and_says_so(old: Machine, other: Machine) -> None:
    set_back(old)
    assert other.look() == UNKNOWN
    assert other.look() == CONTINUED


def test_two_machines_see_each_others_commits_as_news(old: Machine, other: Machine) -> None:
    for machine in (other, old, other, old):
        machine.backup()
    assert old.describe().head == other.describe().head
    set_back(old)
    for machine in (old, other):
        with pytest.raises(RolledBackError):
            machine.look()


def test_an_older_process_does_not_lower_what_a_newer_one_saw(old: Machine) -> None:
    with old.open() as early:
        assert early.head.seq == 3
        old.backup()
    set_back(old)
    with pytest.raises(RolledBackError, match="entry 4"):
        old.look()


def test_what_others_committed_is_seen_when_the_repository_is_closed(
    old: Machine, other: Machine
) -> None:
    with old.open() as repository:
        other.backup()
        assert len(repository.snapshots()) == 4
    set_back(old)
    with pytest.raises(RolledBackError, match="entry 4"):
        old.look()


def test_describing_remembers_nothing(old: Machine, other: Machine) -> None:
    for _ in range(2):
        found = other.describe()
        assert (found.freshness.state, found.freshness.seen, found.head.seq) == (UNKNOWN, None, 3)
    assert not other.state.exists()
    assert old.describe().freshness.seen == found.head


def test_another_repository_of_the_same_key_is_refused(old: Machine) -> None:
    before = old.describe()
    shutil.rmtree(old.place)
    elsewhere = old.state.with_name("third state")
    with Repository.create(old.place, key=KEY, state=elsewhere, cache=elsewhere):
        pass
    for use in (old.look, old.describe, old.scrub):
        with pytest.raises(RolledBackError, match="another repository is there") as caught:
            use()
        assert before.repo_id.hex() in str(caught.value)
        assert str(before.head) in str(caught.value)
    assert old.look(accept=True) == UNKNOWN
    assert old.look() == CONTINUED


def test_a_repository_made_in_the_place_of_another_is_no_surprise(old: Machine) -> None:
    shutil.rmtree(old.place)
    with Repository.create(old.place, key=KEY, state=old.state, cache=old.state) as repository:
        assert repository.freshness.state == CONTINUED


def test_a_copy_that_lags_behind_is_accepted_apart(old: Machine) -> None:
    copy = replace(old, place=old.place.with_name("older"))
    with pytest.raises(RolledBackError):
        copy.look()
    assert copy.look(accept=True) == ACCEPTED
    assert copy.look() == CONTINUED
    short = copy.place.with_name("short")
    shutil.copytree(copy.place, short)
    assert old.look() == CONTINUED
    put_in_place(copy.place, old.place)
    with pytest.raises(RolledBackError):  # accepting the copy did not lower what is known here
        old.look()


def test_a_copy_that_caught_up_is_no_longer_apart(old: Machine) -> None:
    copy = replace(old, place=old.place.with_name("older"))
    shutil.copytree(copy.place, copy.place.with_name("short"))
    copy.look(accept=True)
    put_in_place(old.place, copy.place)
    assert copy.look() == CONTINUED
    put_in_place(copy.place.with_name("short"), copy.place)
    with pytest.raises(RolledBackError):
        copy.look()


def test_a_repository_that_moved_is_known(old: Machine) -> None:
    moved = replace(old, place=old.place.with_name("moved"))
    old.place.rename(moved.place)
    assert moved.look() == CONTINUED
    (moved.place / entry_name(3)).unlink()
    with pytest.raises(RolledBackError):
        moved.look()


HARMS: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "flipped": lambda path: path.write_bytes(path.read_bytes().replace(b'"seq": 3', b'"seq": 4')),
    "noise": lambda path: path.write_bytes(os.urandom(5000)),
    "endless": lambda path: path.write_bytes(b"[" * 3_000_000),
    "deep": lambda path: seal(path, b"[" * 500_000),
    "no map": lambda path: seal(path, b"7"),
    "without fields": lambda path: seal(path, b'{"version": 1}'),
    "of another": lambda path: alter(path, b'"repo_id": "', b'"repo_id": "00'),
    "negative": lambda path: alter(path, b'"seq": 3', b'"seq": -3'),
    "of a float": lambda path: alter(path, b'"seq": 3', b'"seq": 3.0'),
    "of huge numbers": lambda path: alter(path, b'"seq": 3', b'"seq": ' + b"9" * 5000),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "apart from nothing": lambda path: alter(path, b'"apart": {}', b'"apart": {"x": 1}'),
}


def seal(path: Path, line: bytes) -> None:
    """As a note whose digest is right."""
    path.write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")


def alter(path: Path, before: bytes, after: bytes) -> None:
    line = path.read_bytes().splitlines()[0]
    assert before in line
    seal(path, line.replace(before, after))


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_pin_is_told_and_made_anew(old: Machine, harm: str) -> None:
    HARMS[harm](old.pin())
    with old.open() as repository:
        assert repository.freshness.state == UNKNOWN
        assert "what this machine saw of the repository is not known" in repository.warnings[0]
        assert len(repository.snapshots()) == 3
    with old.open() as repository:
        assert (repository.freshness.state, repository.warnings) == (CONTINUED, [])


def test_a_damaged_note_of_the_place_is_told_and_made_anew(old: Machine) -> None:
    (place,) = (old.state / "places").iterdir()
    os.truncate(place, 10)
    with old.open() as repository:
        assert repository.freshness.state == CONTINUED
        assert "it is damaged" in repository.warnings[0]
    with old.open() as repository:
        assert repository.warnings == []


def test_without_locks_nothing_is_remembered_and_that_is_told(
    other: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(notes.fcntl, "flock", refuse)
    with other.open() as repository:
        assert len(repository.snapshots()) == 3
        assert "No locks available; a rollback of this" in repository.warnings[0]
    monkeypatch.undo()
    assert other.look() == UNKNOWN


def test_a_pin_of_a_newer_version_is_left_alone(old: Machine) -> None:
    alter(old.pin(), b'"version": 1', b'"version": 2')
    before = old.pin().read_bytes()
    with old.open() as repository:
        assert "it has version 2" in repository.warnings[0]
    old.backup()
    assert old.pin().read_bytes() == before


def test_where_nothing_can_be_remembered_the_work_goes_on(old: Machine) -> None:
    shutil.rmtree(old.state)
    old.state.write_text("in the way")
    with old.open() as repository:
        assert repository.freshness.state == UNKNOWN
        repository.backup([old.place.parent / "src"])
        assert "may go unnoticed here" in repository.warnings[-1]
    with old.open() as repository:
        assert len(repository.snapshots()) == 4


def test_nothing_half_written_is_left_where_pins_are(old: Machine) -> None:
    before = sorted(old.state.rglob("*"))
    old.backup()
    assert sorted(old.state.rglob("*")) == before


def test_scrub_calls_authentic_only_what_a_key_once_proved(old: Machine, other: Machine) -> None:
    assert old.scrub() == (True, CONTINUED)
    assert other.scrub() == (False, UNKNOWN)
    assert other.scrub() == (False, CONTINUED)
    set_back(old)
    with suppress(RolledBackError):
        other.scrub()
    assert other.scrub(accept_rollback=True) == (False, ACCEPTED)


def test_a_config_with_another_public_key_is_damage(old: Machine) -> None:
    config = old.place / "config"
    repo_id = config.read_bytes()[16:48]
    config.chmod(0o600)
    config.write_bytes(make_config(RootKey(bytes(32)), repo_id).stored)
    shutil.rmtree(old.place / "log")
    with pytest.raises(DamagedError, match="not the one that this machine knows"):
        old.scrub()
