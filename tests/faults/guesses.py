"""A vault with its witness, and somebody who guesses."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.store import StoreFailedError
from strongroom.vault.server.witness import FileWitness
from vault.parties import Guess, House, Person

T = TypeVar("T")

PASSWORD = "right"
POLICY = Policy(attempts=3, delays=(0,))
TOLD = "told"


def house_in(base: Path) -> House:
    """As another process would open it. Raises StoreFailedError, DamagedError."""
    keeper = Keeper([FileKeys(base / "vault/vault.key")])
    keeper.use(max(keeper.generations()))
    witness = FileWitness(base / "witness/number", keeper)
    return House(base / "vault", policy=POLICY, witness=witness)


def make(base: Path) -> None:
    """Somebody is registered with PASSWORD, and nothing is open any more."""
    for name in ("vault", "witness"):
        (base / name).mkdir(parents=True)
    house = House(base / "vault", policy=POLICY)
    FileWitness(base / "witness/number", house.keeper).reset(0)
    Person(house.core).registered(PASSWORD)
    house.core.store.close()


def guess(order: dict[str, Any]) -> dict[str, Any]:
    """One guess after another. After each answer, what then holds goes to the file TOLD. What the
    store fails to do is asked for once more, as a client does."""
    base, refused = Path(order["base"]), list[str]()
    told = os.open(base / TOLD, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def twice(act: Callable[[], T]) -> T:
        try:
            return act()
        except StoreFailedError as error:
            refused.append(str(error))
            return act()

    house = twice(lambda: house_in(base))
    anna = Person(house.core)

    def tell() -> None:
        user = house.user(anna.ref)
        line = {"sequence": user.sequence, "charges": user.charges, "left": user.left}
        os.write(told, json.dumps(line).encode() + b"\n")

    for password in order["passwords"]:
        made = Guess(anna, twice(anna.offer), password)
        twice(made.ask)
        tell()
        if password == PASSWORD:
            made.is_right()
            twice(made.release)
        else:
            twice(made.give_up)
        tell()
    house.core.store.close()
    return {"refused": refused, "errors": []}
