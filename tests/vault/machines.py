"""Machines of one person, each with a memory of its own, and a repository they share."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from cli.repositories import make_repository
from program import Program, Run, Word
from strongroom import Password, RootKey
from strongroom.keys.slot import parse_slot
from strongroom.keys.vault_slot import VaultPlace, read_vault_slot
from strongroom.ops.vault import Account, register
from strongroom.stores.local import LocalStore
from strongroom.vault.messages import Offer, RecoverBegin
from strongroom.vault.wire import NO_ID
from vault.service import Service

PASSWORD = "granite otter velvet lantern"
NEW = "copper meadow signal harbour"


@dataclass(frozen=True, slots=True)
class Machine:
    """The program on a machine of that name."""

    program: Program
    name: str = "first"

    def __call__(self, *words: Word, code: int = 0) -> Run:
        state = self.program.folder / f"state of {self.name}"
        cache = self.program.folder / f"cache of {self.name}"
        known = self.program.with_env(XDG_STATE_HOME=str(state), XDG_CACHE_HOME=str(cache))
        return known(*words, code=code)

    def another(self, name: str) -> Machine:
        return Machine(self.program, name)

    @property
    def pins(self) -> list[Path]:
        state = self.program.folder / f"state of {self.name}"
        return list(state.glob("strongroom/vault/*.json"))


@dataclass(frozen=True, slots=True)
class Home:
    """A repository for my.key whose key is at a vault behind PASSWORD."""

    machine: Machine
    store: LocalStore
    service: Service
    token_file: Path

    @property
    def folder(self) -> Path:
        return self.machine.program.folder

    @property
    def ask(self) -> tuple[Word, ...]:
        """Options that make a guess with what is in the file pw."""
        return (*self.account, "--vault-password-file", "pw")

    @property
    def account(self) -> tuple[Word, ...]:
        return ("-r", "repo", "--token-file", self.token_file)

    def password(self, text: str) -> None:
        (self.folder / "pw").write_text(text + "\n")

    def slots(self) -> list[str]:
        return sorted(self.store.list("keys/"))


def make_home(
    program: Program, key: RootKey, service: Service, account: str, *passwords: str
) -> Home:
    """Not yet registered."""
    token = service.account(account)
    store = make_repository(program.folder / "repo", key, *passwords)
    home = Home(Machine(program), store, service, token)
    home.password(PASSWORD)
    return home


def registered(home: Home) -> Home:
    """As "key add-vault" does it, without starting a program."""
    key = RootKey.from_digits((home.folder / "my.key").read_text())
    account = Account(home.service.url, home.token_file.read_text().strip(), None)
    state = str(home.folder / f"state of {home.machine.name}")
    with mock.patch.dict(os.environ, XDG_STATE_HOME=state):
        register(home.store, key, account, Password(PASSWORD), doing="testing")
    return home


@pytest.fixture
def home(program: Program, key: RootKey, service: Service, request: pytest.FixtureRequest) -> Home:
    """With an account of its own at the vault."""
    name = re.sub(r"\W", "-", request.node.name)[:60]
    return registered(make_home(program, key, service, f"t{name}"))


def place_of(home: Home) -> VaultPlace:
    (name,) = home.slots()
    return read_vault_slot(parse_slot(home.store.get(name), doing="testing"), doing="testing")


def left(home: Home) -> int:
    endpoint = home.service.endpoint(home.token_file.read_text().strip())
    return endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer).left
