"""python -m bench vault: recoveries a second of one vault, and how long one takes.

A vault is served in a process of its own, with SQLite on the disk that --dir names. First one
client recovers, all its steps with all its stretching; then the vault's own work is measured:
threads ask for offers and make guesses that they do not finish, each for an account of its own.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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

STRONGROOM = str(Path(sys.executable).with_name("strongroom"))
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
    asked = parser.parse_args(arguments)
    asked.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.dir) as name:
        folder = Path(name)
        process, url = _serve(folder)
        try:
            accounts = [_register(folder, url, f"a{n}") for n in range(asked.clients)]
            whole = [_timed(accounts[0].recover) for _ in range(asked.rounds)]
            seconds, guesses = _together(accounts, asked.rounds)
        finally:
            process.terminate()
            process.communicate()
    result = {
        "piece": "vault",
        "recovery_ms": round(1000 * statistics.median(whole), 1),
        "recovery_p95_ms": round(1000 * statistics.quantiles(whole, n=20)[-1], 1),
        "guess_ms": round(1000 * statistics.median(guesses), 2),
        "guess_p95_ms": round(1000 * statistics.quantiles(guesses, n=20)[-1], 2),
        "guesses_per_s": round(len(guesses) / seconds),
        "clients": asked.clients,
    }
    print(json.dumps(result), flush=True)
    say(
        f"one recovery {result['recovery_ms']} ms (95 %: {result['recovery_p95_ms']}); the vault's "
        f"part of a guess {result['guess_ms']} ms (95 %: {result['guess_p95_ms']}), "
        f"{result['guesses_per_s']} guesses/s by {asked.clients} clients"
    )
    return 0


def _serve(folder: Path) -> tuple[subprocess.Popen[str], str]:
    config = folder / "vault.toml"
    init = [STRONGROOM, "vault", "init", "--config", str(config), "--listen", "127.0.0.1:0", "-q"]
    subprocess.run(init, check=True)
    with config.open("a") as file:
        file.write("delays = [0]\nattempts = 100\nlifetime = 10000\n")
    with (folder / "vault.log").open("wb") as log:
        serve = [STRONGROOM, "vault", "serve", "--config", str(config)]
        process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=log, text=True)
    if process.stdout is None:
        raise RuntimeError("no output")
    return process, process.stdout.readline().split()[1]


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


def _timed(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun
