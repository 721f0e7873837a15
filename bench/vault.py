"""python -m bench vault: recoveries a second of one vault, and how long one takes.

A vault is served in processes of its own, with SQLite on the disk that --dir names or with an etcd
of three nodes on this machine (--store etcd, with --processes vaults before it). First one client
recovers, all its steps with all its stretching; then the vault's own work is measured: clients ask
for offers and make guesses that they do not finish, each for an account of its own. Last, where the
time of one guess goes.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import vault_parts
from bench.processes import BUILD, say
from strongroom import Password, RootKey
from strongroom.keys.vault_slot import VaultPlace
from strongroom.vault.client.address import parse_address
from strongroom.vault.client.endpoint import Endpoint
from strongroom.vault.client.enrol import enrol
from strongroom.vault.client.guess import begin_guess
from strongroom.vault.client.pins import Pins
from strongroom.vault.messages import Answered, Offer, RecoverAttempt, RecoverBegin
from strongroom.vault.opaque import Login
from strongroom.vault.server.accounts import TokenFile
from strongroom.vault.wire import NO_ID

PASSWORD = "granite otter velvet lantern"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Account:
    """Registered, with what its owner needs."""

    endpoint: Endpoint
    place: VaultPlace

    def recover(self) -> None:
        """All of it, as a user has it."""
        guessing = begin_guess(self.endpoint, self.place, Pins("00"), doing="measuring")
        guessing.guess(Password(PASSWORD), remember=False, doing="measuring")


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write a JSON line."""
    parser = argparse.ArgumentParser(prog="python -m bench vault", description=__doc__)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--dir", type=Path, default=BUILD)
    parser.add_argument("--store", choices=("sqlite", "etcd"), default="sqlite")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--hsm", type=Path, help="as of vault init: keys are kept there")
    asked = parser.parse_args(arguments)
    asked.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.dir) as name, ExitStack() as stack:
        folder = Path(name)
        place = {"etcd": asked.store == "etcd", "hsm": asked.hsm}
        urls = vault_parts.serve(folder, **place, processes=asked.processes, stack=stack)
        accounts = [_register(folder, urls[n % len(urls)], f"a{n}") for n in range(asked.clients)]
        whole = [_timed(accounts[0].recover) for _ in range(asked.rounds)]
        seconds, guesses = _together(accounts, asked.rounds)
        parts = vault_parts.parts_of_a_guess(folder / "vault.toml", asked.rounds)
    result = {
        "piece": "vault",
        "store": asked.store,
        "hsm": asked.hsm is not None,
        "processes": asked.processes,
        "clients": asked.clients,
        **_spread("recovery_ms", whole),
        **_spread("guess_ms", guesses),
        "guesses_per_s": round(len(guesses) / seconds),
        "parts_ms": parts,
    }
    print(json.dumps(result), flush=True)
    say(
        f"one recovery {result['recovery_ms']} ms (95 %: {result['recovery_ms_p95']}, 99 %: "
        f"{result['recovery_ms_p99']}); the vault's part of a guess {result['guess_ms']} ms (95 %: "
        f"{result['guess_ms_p95']}, 99 %: {result['guess_ms_p99']}), {result['guesses_per_s']} "
        f"guesses/s by {asked.clients} clients\nof one guess: "
        + ", ".join(f"{name} {taken} ms" for name, taken in parts.items())
    )
    return 0


def _register(folder: Path, url: str, name: str) -> Account:
    token = TokenFile(folder / "vault.accounts").add(name)
    endpoint = Endpoint(parse_address(url)[0], token, certificate=None)
    made = enrol(endpoint, RootKey.generate(), Password(PASSWORD), doing="measuring")
    made.confirm()
    record = (made.name.record_id, made.name.server_key)
    return Account(endpoint, VaultPlace(made.name.vault_id, made.owner_pk, url, (record,)))


def _together(accounts: Sequence[Account], rounds: int) -> tuple[float, list[float]]:
    """Seconds, and those of each guess: offer, charge and answer."""
    taken: list[float] = []

    def guess(account: Account) -> None:
        for _ in range(rounds):
            login = Login("wrong")  # its stretching comes only with the answer, which is left
            taken.append(_timed(functools.partial(_ask, account.endpoint, login)))

    threads = [threading.Thread(target=guess, args=(account,)) for account in accounts]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun, taken


def _ask(endpoint: Endpoint, login: Login) -> None:
    offer = endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer)
    message = RecoverAttempt(offer.record_id, offer.token, login.ke1)
    endpoint.call("recover/attempt", message, Answered)


def _spread(name: str, taken: Sequence[float]) -> dict[str, float]:
    """Median, and the 95th and 99th of a hundred."""
    cuts = statistics.quantiles(taken, n=100)
    return {
        name: round(1000 * statistics.median(taken), 2),
        f"{name}_p95": round(1000 * cuts[94], 2),
        f"{name}_p99": round(1000 * cuts[98], 2),
    }


def _timed(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun
