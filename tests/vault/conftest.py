"""Fixtures of the vault's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.lying import between, owner
from vault.machines import home
from vault.parties import PASSWORD, House, Person
from vault.service import Service, served
from vault.tokens import token


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A vault without delays, and nobody in it."""
    return House(tmp_path)


@pytest.fixture
def anna(house: House) -> Person:
    """Registered with PASSWORD."""
    person = Person(house.core)
    person.registered(PASSWORD)
    return person


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A vault without delays, served for all tests of a run: each takes an account of its own."""
    with served(tmp_path_factory.mktemp("vault") / "here") as made:
        yield made


__all__ = ["between", "home", "owner", "token"]
