"""What an operator's monitoring sees of a process, in Prometheus' text format: no users."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Final

from strongroom.errors import StrongroomError
from strongroom.vault.server.census import Census
from strongroom.vault.server.core import Core
from strongroom.vault.server.store import StoreFailedError
from strongroom.vault.server.witness import NoWitness

_PREFIX: Final = "strongroom_vault_"

Sample = tuple[Mapping[str, object], float]


class Text:
    """Metrics one after the other."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, name: str, kind: str, words: str, samples: Iterable[Sample]) -> None:
        """One metric; of a sample the labels and the value."""
        name = _PREFIX + name
        self._lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        for labels, value in samples:
            shown = ",".join(f'{key}="{label}"' for key, label in labels.items())
            self._lines.append(
                f"{name}{{{shown}}} {value:.15g}" if shown else f"{name} {value:.15g}"
            )

    def gauge(self, name: str, words: str, value: float) -> None:
        """One that has a single value."""
        self.add(name, "gauge", words, [({}, value)])

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)


def render(
    core: Core, requests: Mapping[tuple[str, int], int], counted: Census | None, at: float
) -> str:
    """All metrics. counted: of the last pass over all accounts, which ended at that time; a scrape
    makes none."""
    text = Text()
    text.add(
        "requests_total",
        "counter",
        "Requests that were answered, by this process.",
        [({"verb": verb, "status": status}, n) for (verb, status), n in sorted(requests.items())],
    )
    text.add(
        "events_total",
        "counter",
        "What this process did to accounts: charged is an attempt, locked_out a last one.",
        [({"event": event}, number) for event, number in sorted(core.tally().items())],
    )
    if counted is not None:
        _accounts(text, counted, at)
    _store(text, core)
    return str(text)


def _accounts(text: Text, counted: Census, at: float) -> None:
    counts = asdict(counted)
    attempts, counts["all"] = counts.pop("attempts"), counts.pop("users")
    text.add(
        "accounts",
        "gauge",
        "Accounts by state, at the last count.",
        [({"state": state}, number) for state, number in counts.items()],
    )
    text.add(
        "attempts_total", "counter", "Attempts ever made, at the last count.", [({}, attempts)]
    )
    text.gauge("accounts_counted_timestamp_seconds", "When that was.", at)


def _store(text: Text, core: Core) -> None:
    health = core.store.health()
    text.gauge("store_members", "Nodes of the store.", health.members)
    text.gauge("store_members_reachable", "Of them, those that know a leader.", health.reachable)
    text.gauge("store_bytes", "Length of the largest node's file.", health.size)
    text.gauge("store_used_bytes", "Of it, what is in use.", health.used)
    text.gauge("store_full", "1 if its quota is used up: nothing is written.", health.full)
    text.gauge("keys_up", "1 if the vault's keys can be used.", _works(core.keeper.check))
    revision = locked = None
    with suppress(StoreFailedError, StrongroomError):
        revision, locked = core.transact(lambda ledger: (ledger.revision, ledger.locked))
    quorum = revision is not None
    text.gauge("store_quorum", "1 if most nodes agree, so that attempts go on.", quorum)
    if revision is None:
        return
    text.gauge("locked", "1 until the operator has looked.", bool(locked))
    text.gauge("store_revision", "It grows with every change.", revision)
    if isinstance(core.witness, NoWitness):
        return
    with suppress(StoreFailedError):
        lag = max(0, revision - core.witness.seen())
        text.gauge("witness_lag_revisions", "Changes since the last that was witnessed.", lag)


def _works(check: Callable[[], None]) -> bool:
    try:
        check()
    except StrongroomError:
        return False
    return True
