"""What an operator does beside a vault that is served or not: look, copy, put back, unlock."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from strongroom.errors import DamagedError, SourceError, StrongroomError, TargetError, UsageError
from strongroom.vault.messages import Event, LogEntry
from strongroom.vault.server.census import census, pages
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.config import Config
from strongroom.vault.server.core import Core, check_empty
from strongroom.vault.server.ledger import HEAD_ROW, Ledger
from strongroom.vault.server.opening import failures_told, open_keeper, open_store, opened
from strongroom.vault.server.rotation import prepare, rotate
from strongroom.vault.server.rows import User
from strongroom.vault.server.sqlite import SqliteStore
from strongroom.vault.server.store import Health, Transaction
from strongroom.vault.server.witness import FileWitness, NoWitness


def status(core: Core) -> dict[str, int | bool | str]:
    """Counts and conditions, nothing of single users. Reads all accounts."""
    head, locked, revision = core.transact(
        lambda ledger: (ledger.head, ledger.locked, ledger.revision)
    )
    counted, lately = census(core)
    return {
        "vault": core.keeper.vault_id.hex(),
        "keys": core.keeper.describe(),
        "keys_up": _keys_up(core),
        "generation": head.generation,
        "rotating": head.generation != head.oldest,
        "locked": locked,
        "revision": revision,
        **_witnessed(core, revision),
        **_shown(core.store.health(), quorum=True),
        **asdict(counted),
        **asdict(lately),
    }


def status_without_quorum(config: Config) -> dict[str, int | bool | str] | None:
    """What can still be said of a store of several nodes; None if it is not that."""
    if config.etcd is None:
        return None
    with failures_told(), closing(open_store(config)) as store:
        health = store.health()
    return None if health.reachable > health.members // 2 else _shown(health, quorum=False)


def _shown(health: Health, *, quorum: bool) -> dict[str, int | bool | str]:
    return {
        "quorum": quorum,
        "members": health.members,
        "reachable": health.reachable,
        "store_bytes": health.size,
        "store_used_bytes": health.used,
        "store_full": health.full,
    }


def _witnessed(core: Core, revision: int) -> dict[str, int | bool | str]:
    shown: dict[str, int | bool | str] = {"witness": core.witness.describe()}
    if not isinstance(core.witness, NoWitness):
        seen = core.witness.seen()
        shown |= {"witnessed": seen, "witness_lag": max(0, revision - seen)}
    return shown


def _keys_up(core: Core) -> bool:
    try:
        core.keeper.check()
    except StrongroomError:
        return False
    return True


def read_log(core: Core, account: str) -> list[tuple[LogEntry, str]]:
    """All entries of an account's log, each with the name of its event. Raises SourceError."""
    ref = core.user_ref(account)
    user = _user(core, ref)
    if user is None:
        raise SourceError(f"reading the log: account {account} has not registered", hint="")
    entries = core.transact(lambda ledger: ledger.entries(user, 0, user.log_seq))
    return [(entry, Event(entry.event).name.lower()) for entry in entries]


def copy_locked(config: Config, target: Path) -> None:
    """A copy of the rows, as of one moment, in a SQLite database that, put back, serves nobody
    before the operator says so. Under its name it is there only once it is locked. Raises
    SourceError, TargetError, DamagedError."""
    beside = target.with_name(target.name + ".new")
    for left in ("", "-wal", "-shm"):
        beside.with_name(beside.name + left).unlink(missing_ok=True)
    with opened(config) as core, closing(SqliteStore(beside)) as copied:
        for page in core.store.dump():
            copied.transact(partial(_put_all, page=page))
        keeper, policy = core.keeper, config.policy
        copy = Core(copied, keeper, policy=policy, clock=Clock(), witness=NoWitness())
        copy.transact(lambda ledger: ledger.set_locked(locked=True))
        copied.scrub()
    try:
        beside.rename(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise TargetError(f"writing {target}: {error.strerror}") from None


def put_back(config: Config, source: Path) -> None:
    """Fill the store, which must hold no vault, from a copy. Raises SourceError, UsageError,
    DamagedError."""
    if not source.exists():
        raise SourceError(f"opening {source}: it does not exist")
    keeper = open_keeper(config)
    with (
        failures_told(),
        closing(SqliteStore(source)) as copied,
        closing(open_store(config, new=True)) as store,
    ):
        Core(copied, keeper, policy=config.policy, clock=Clock(), witness=NoWitness())
        check_empty(store)
        last: dict[str, bytes] = {}
        for page in copied.dump():
            last |= {name: row for name, row in page if name == HEAD_ROW}
            store.transact(partial(_put_all, page=[each for each in page if each[0] not in last]))
        # Only with it there is a vault.
        store.transact(partial(_put_all, page=list(last.items())))


def unlock(config: Config, *, new_witness: bool = False) -> int | None:
    """Serve what lies here, whatever the witness saw, and believe this machine's clock. Returns
    what was believed so far, seconds since 1970, if that is later; None if it is not.

    new_witness: make the witness anew where it is gone. Raises SourceError, DamagedError.
    """
    if config.witness is not None and not new_witness and not config.witness.exists():
        raise SourceError(
            f"opening the vault: there is no {config.witness}",
            hint="see that its disk is mounted; if it is lost for good, pass --new-witness",
        )
    with opened(config, unwitnessed=True) as core:
        later = core.transact(_accept)
        if later is not None:
            _shorten_waits(core)
        if config.witness is not None:
            FileWitness(config.witness, core.keeper).reset(core.revision())
        return later


def rotate_keys(
    config: Config, *, only_prepare: bool, tell: Callable[[str], None]
) -> tuple[int, int]:
    """New keys, as rotation.rotate makes them, by one process of this machine at a time: their
    generation, and how many rows are damaged. Raises SourceError, TargetError, UsageError."""
    with config.path.open("rb") as alone:
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("rotating the keys: another process does it") from None
        with opened(config) as core:
            if only_prepare:
                return prepare(core), 0
            damaged = rotate(core, tell=tell)
            return core.head().generation, damaged


def _put_all(rows: Transaction, page: list[tuple[str, bytes]]) -> None:
    for name, row in page:
        rows.put(name, row)


def _accept(ledger: Ledger) -> int | None:
    ledger.set_locked(locked=False)
    if ledger.head.time <= (present := int(time.time())):
        return None
    ledger.set_time(present)
    return ledger.head.time


def _shorten_waits(core: Core) -> None:
    """Nobody waits for a time that was wrong."""
    longest = max(core.policy.delays)

    def shorten(ledger: Ledger, ref: bytes) -> None:
        user = ledger.user(ref)
        if user is not None:
            until = min(user.not_before, ledger.now + longest)
            ledger.save(
                replace(user, not_before=until, attempt_at=min(user.attempt_at, ledger.now))
            )

    for page in pages(core):
        for user in page.users:
            with suppress(DamagedError):
                core.transact(partial(shorten, ref=user.ref))


def _user(core: Core, ref: bytes) -> User | None:
    return core.transact(lambda ledger: ledger.user(ref))
