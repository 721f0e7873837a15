"""New keys for a vault that is served: nobody notices, and the old ones open nothing any more."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from program import STRONGROOM
from strongroom.errors import DamagedError, SourceError, UsageError
from strongroom.vault.server.config import read_config
from strongroom.vault.server.core import Core
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.keys.token import TokenKeys
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.server.opening import opened
from strongroom.vault.server.operate import copy_locked, rotate_keys
from strongroom.vault.server.rotation import prepare
from strongroom.vault.server.witness import FileWitness
from strongroom.vault.wire import Code
from vault.parties import PASSWORD, Guess, House, Person, generations, put, recovers, rows, turned
from vault.service import served
from vault.tokens import SoftToken

Opening = Callable[[Path], House]


@pytest.fixture(params=["file", "token", "key of its own"])
def opening(request: pytest.FixtureRequest) -> Opening:
    """How a process opens the vault of a folder, which is made if there is none."""
    if request.param == "file":
        return House
    token: SoftToken = request.getfixturevalue("token")

    def open_it(folder: Path) -> House:
        keys = TokenKeys(token.hsm(key_per_record=request.param != "token"))
        if not keys.generations():
            keys.create(1)
        return House(folder, keeper=Keeper([keys]))

    return open_it


def test_all_is_by_the_new_keys_and_those_alone(opening: Opening, tmp_path: Path) -> None:
    house = opening(tmp_path)
    anna, bob = Person(house.core), Person(house.core, "bob")
    anna.registered(PASSWORD)
    pending = bob.register("his")
    running = opening(tmp_path)
    offer = anna.offer()
    before = rows(house)
    ref = anna.ref
    assert turned(opening(tmp_path)) == 0
    assert generations(house.core) == {2}
    assert house.keeper.generations() == {2}
    # Processes that ran all the time, and new ones.
    for core in (house.core, running.core, opening(tmp_path).core):
        assert core.user_ref("anna") == ref
        again = Person(core, key=anna.key, wrapped=anna.wrapped)
        recovers(again)
        assert again.log()[0].seq == 1
    pending.confirm()
    with pytest.raises(RefusalError) as refused:
        Guess(anna, offer, PASSWORD).ask()  # its token is by the old keys
    assert refused.value.code == Code.STALE
    # What lay there before opens no more.
    for name, row in before.items():
        put(house, name, row)
    with pytest.raises(SourceError, match="generation 1 are missing"):
        opening(tmp_path)


class Guessers:
    """Users who recover all the time, each through a process of its own."""

    def __init__(self, people: list[Person], cores: list[Core]) -> None:
        self.done = [0 for _ in people]
        self.wrong: list[BaseException] = []
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._guess, args=(n, Person(core, one.account, one.key, one.wrapped))
            )
            for n, (one, core) in enumerate(zip(people, cores, strict=True))
        ]

    def __enter__(self) -> Guessers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_for_one_more(self, done: list[int]) -> None:
        """By each, than were done."""
        while not self.wrong and any(a <= b for a, b in zip(self.done, done, strict=True)):
            self._stopping.wait(0.01)

    def _guess(self, n: int, person: Person) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    recovers(person)
                    self.done[n] += 1
                    self._stopping.wait(0.02)  # SQLite's lock is not fair
                except RefusalError as refusal:
                    if refusal.code != Code.STALE:
                        raise
        except BaseException as error:
            self.wrong.append(error)


def test_guesses_go_on_while_keys_are_rotated(opening: Opening, tmp_path: Path) -> None:
    house = opening(tmp_path)
    people = [Person(house.core, f"p{n}") for n in range(3)]
    for person in people:
        person.registered(PASSWORD)
    turning = [opening(tmp_path) for _ in range(3)]
    with Guessers(people, [opening(tmp_path).core for _ in people]) as guessers:
        for each in turning:
            before = list(guessers.done)
            turned(each)
            guessers.wait_for_one_more(before)
    assert guessers.wrong == []
    assert generations(house.core) == {4}
    for n, person in enumerate(people):
        assert house.user(person.ref).left == 10, n


class Killed(BaseException):
    """Nothing after it happens."""


@dataclass
class Fuse:
    """Ends a rotation before its nth step that others could see."""

    left: int

    def burn(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def burning(*args: Any, **words: Any) -> Any:
            if self.left == 0:
                raise Killed
            self.left -= 1
            return act(*args, **words)

        return burning

    def put_on(self, house: House) -> None:
        for part, names in (
            (house.core.store, ("transact",)),
            (house.core, ("tell_witness",)),
            (house.keeper, ("create", "destroy_before")),
        ):
            for name in names:
                setattr(part, name, self.burn(getattr(part, name)))


def test_a_rotation_killed_anywhere_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    first = House(tmp_path / "first")
    witness = FileWitness(first.folder / "witness", first.keeper)
    witness.reset(0)
    anna = Person(first.core)
    anna.registered(PASSWORD)
    Person(first.core, "bob").register("his")
    first.core.store.scrub()
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        shutil.copytree(first.folder, folder)
        house = witnessed(folder)
        fuse = Fuse(steps)
        fuse.put_on(house)
        with suppress(Killed):
            turned(house)
        if fuse.left:
            break
        house.core.store.close()
        # Whatever was done: it is served meanwhile, and then done.
        recovers(Person(witnessed(folder).core, key=anna.key, wrapped=anna.wrapped))
        again = witnessed(folder)
        turned(again)
        newest = again.core.head().generation
        assert generations(again.core) == again.keeper.generations() == {newest}
        assert newest in (2, 3)
        recovers(Person(witnessed(folder).core, key=anna.key, wrapped=anna.wrapped))
        shutil.rmtree(folder)
        steps += 1
    assert steps > 12


def witnessed(folder: Path) -> House:
    keeper = Keeper([FileKeys(folder / "vault.key")])
    return House(folder, keeper=keeper, witness=FileWitness(folder / "witness", keeper))


def test_a_registration_that_met_the_new_keys_halfway_begins_again(
    house: House, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its setup would be sealed by keys that are gone."""
    seal = house.keeper.seal

    def seal_slowly(*words: Any) -> bytes:
        sealed = seal(*words)
        turned(House(house.folder))
        return sealed

    monkeypatch.setattr(house.keeper, "seal", seal_slowly)
    with pytest.raises(RefusalError) as refused:
        anna.register("new")
    assert refused.value.code == Code.STALE
    monkeypatch.undo()
    anna.registered("new")
    assert anna.guess("new").is_right()


def test_a_process_that_idled_meanwhile_registers_by_the_new_keys(
    house: House, anna: Person
) -> None:
    turned(House(house.folder))
    anna.registered("new")
    assert generations(house.core) == {2}


def test_damaged_rows_stay_and_stop_nothing(house: House, anna: Person) -> None:
    bob = Person(house.core, "bob")
    bob.registered("his")
    name = f"user/{bob.ref.hex()}"
    row = rows(house)[name]
    put(house, name, row[:-1] + bytes([row[-1] ^ 1]))
    assert turned(House(house.folder)) == 1
    recovers(anna)
    with pytest.raises(DamagedError):
        bob.offer()


def test_keys_can_be_made_before_they_are_used(house: House, anna: Person) -> None:
    """So that the file can be brought to other machines first."""
    assert prepare(house.core) == prepare(house.core) == 2
    assert house.keeper.generations() == {1, 2}
    assert generations(house.core) == {1}
    turned(house)
    assert (generations(house.core), house.keeper.generations()) == ({2}, {2})


def test_a_machine_without_the_new_keys_refuses_until_it_has_them(
    house: House, anna: Person, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.key"
    shutil.copy(house.folder / "vault.key", elsewhere)
    other = House(house.folder, keeper=Keeper([FileKeys(elsewhere)]))
    there = Person(other.core, key=anna.key, wrapped=anna.wrapped)
    recovers(there)
    turned(House(house.folder))
    with pytest.raises(SourceError, match="generation 2 are missing"):
        there.offer()
    shutil.copy(house.folder / "vault.key", elsewhere)
    recovers(there)


def test_while_a_vault_is_locked_its_keys_stay(house: House, anna: Person) -> None:
    house.core.transact(lambda ledger: ledger.set_locked(locked=True))
    with pytest.raises(UsageError, match="locked"):
        turned(house)
    assert house.keeper.generations() == {1}


def test_a_vault_moves_from_a_file_into_a_token(
    house: House, anna: Person, token: SoftToken
) -> None:
    hsm = token.hsm(vault=house.keeper.vault_id.hex(), key_per_record=True)
    path = house.folder / "vault.key"

    def both() -> House:
        return House(house.folder, keeper=Keeper([TokenKeys(hsm), FileKeys(path)]))

    served_meanwhile = both()
    recovers(Person(served_meanwhile.core, key=anna.key, wrapped=anna.wrapped))
    assert turned(both()) == 0
    assert FileKeys(path).generations() == frozenset()
    path.unlink()
    alone = House(house.folder, keeper=Keeper([TokenKeys(hsm)]))
    assert alone.keeper.generations() == {2}
    for core in (alone.core, served_meanwhile.core):
        recovers(Person(core, key=anna.key, wrapped=anna.wrapped))


# --- from the command line ---


def test_the_command_rotates_what_is_served_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    with served(tmp_path / "vault", witness=tmp_path / "witness") as service:
        config = read_config(service.config)
        with opened(config) as core:
            anna = Person(core)
            anna.registered(PASSWORD)
            command = [STRONGROOM, "vault", "rotate-keys", "--config", service.config]
            process = subprocess.Popen(command, stderr=subprocess.PIPE)
            assert process.stderr is not None
            assert b"generation 2" in process.stderr.readline()
            process.send_signal(signal.SIGKILL)
            process.communicate()
            recovers(anna)
            service("rotate-keys")
            assert FileKeys(service.folder / "vault.key").generations() == {core.head().generation}
            assert core.head().oldest == core.head().generation in (2, 3)
            recovers(anna)
        assert service.get("/healthz")[0] == 200
        copy_locked(config, tmp_path / "copy.db")


def test_one_process_rotates_at_a_time(tmp_path: Path) -> None:
    with served(tmp_path / "vault") as service:
        config = read_config(service.config)

        def twice(_words: str) -> None:
            with pytest.raises(UsageError, match="another process"):
                rotate_keys(config, only_prepare=False, tell=lambda _: None)

        assert rotate_keys(config, only_prepare=False, tell=twice) == (2, 0)
