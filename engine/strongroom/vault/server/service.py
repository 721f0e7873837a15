"""A vault as an operator has it: made, opened, served, looked at."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn

from strongroom.errors import DamagedError, SourceError, StrongroomError, TargetError, UsageError
from strongroom.vault.messages import Event, LogEntry
from strongroom.vault.server.accounts import TokenFile
from strongroom.vault.server.app import make_app
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.config import TEMPLATE, Config, read_config
from strongroom.vault.server.connections import DEADLINE_S, limited
from strongroom.vault.server.core import Core, Ledger, found
from strongroom.vault.server.counters import exhausted
from strongroom.vault.server.eventlog import EventLog
from strongroom.vault.server.keeper import FileKeeper
from strongroom.vault.server.newfile import write_new
from strongroom.vault.server.rows import User
from strongroom.vault.server.sqlite import SqliteStore
from strongroom.vault.server.store import StoreFailedError, WentBackError
from strongroom.vault.server.witness import FileWitness, NoWitness
from strongroom.vault.wire import NO_ID

_GRACE_S = 10
_BACKLOG = 128
_CONCURRENT = 512


def make_vault(
    path: Path, *, listen: str, witness: str | None, tls: tuple[str, str] | None
) -> None:
    """Write a configuration and what it names, all new. Raises TargetError, UsageError."""
    optional = "" if witness is None else f'witness = "{witness}"\n'
    if tls is not None:
        optional += f'tls_certificate = "{tls[0]}"\ntls_key = "{tls[1]}"\n'
    text = TEMPLATE.format(listen=listen, optional=optional)
    write_new(path, text, why="nothing is replaced")
    try:
        config = read_config(path)
    except StrongroomError:
        path.unlink()
        raise
    write_new(
        config.accounts,
        "# account, SHA-256 of its token, second it expires or 0\n",
        why="nothing is replaced",
    )
    keeper = FileKeeper.create(config.key_file)
    with _failures_told(), closing(SqliteStore(config.database)) as store:
        found(store, keeper)
        if config.witness is not None:
            FileWitness(config.witness, keeper).reset(0)


@contextmanager
def opened(config: Config) -> Iterator[Core]:
    """The vault's core. Raises SourceError, DamagedError, UsageError."""
    keeper = FileKeeper.load(config.key_file)
    _check_there(config)
    with _failures_told(), closing(SqliteStore(config.database)) as store:
        witness = NoWitness() if config.witness is None else FileWitness(config.witness, keeper)
        yield Core(store, keeper, policy=config.policy, clock=Clock(), witness=witness)


def serve(config: Config, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ready is told the address once requests are taken."""
    events = EventLog()
    verifier = TokenFile(config.accounts)
    with opened(config) as core, closing(_listen(config)) as listening:
        events.say("start", keys=core.keeper.describe(), revision=core.revision())
        if config.witness is None:
            events.say("warning", words="no witness: a store that was set back is not noticed")
        settings = uvicorn.Config(
            make_app(core, verifier, events),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=_GRACE_S,
            timeout_keep_alive=5,
            limit_concurrency=_CONCURRENT,
            h11_max_incomplete_event_size=16384,
            http=limited(),
            headers=[("connection", "close")],
            loop="asyncio",
            ssl_certfile=config.tls_certificate,
            ssl_keyfile=config.tls_key,
        )
        logging.getLogger("uvicorn.error").addHandler(logging.NullHandler())
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        server = _Server(settings, lambda: ready(f"{config.scheme}://{shown}:{port}"))
        try:
            server.run(sockets=[listening])
        except (OSError, ssl.SSLError) as error:
            raise SourceError(f"serving: {error}") from None
        finally:
            events.say("stop")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        if self.config.is_ssl:
            loop = asyncio.get_running_loop()
            create = partial(loop.create_server, ssl_handshake_timeout=DEADLINE_S)
            loop.create_server = create  # type: ignore[method-assign]
        await super()._serve(sockets)


def status(core: Core) -> dict[str, int | bool | str]:
    """Counts and conditions, nothing of single users."""
    counts: Counter[str] = Counter()
    after = b""
    while refs := _refs(core, after):
        for ref in refs:
            counts["users"] += 1
            try:
                user = _user(core, ref)
            except DamagedError:
                counts["damaged"] += 1
                continue
            if user is not None:
                counts["spent"] += exhausted(user, core.policy)
                counts["registered"] += user.active != NO_ID
        after = refs[-1]
    return {
        "vault": core.keeper.vault_id.hex(),
        "keys": core.keeper.describe(),
        "locked": core.transact(lambda ledger: ledger.locked),
        "revision": core.revision(),
        "witnessed": core.witness.seen(),
        "users": counts["users"],
        "registered": counts["registered"],
        "spent": counts["spent"],
        "damaged": counts["damaged"],
    }


def read_log(core: Core, account: str) -> list[tuple[LogEntry, str]]:
    """All entries of an account's log, each with the name of its event. Raises SourceError."""
    ref = core.user_ref(account)
    user = _user(core, ref)
    if user is None:
        raise SourceError(f"reading the log: account {account} has not registered", hint="")
    entries = core.transact(lambda ledger: ledger.entries(user, 0, user.log_seq))
    return [(entry, Event(entry.event).name.lower()) for entry in entries]


def copy_locked(config: Config, target: Path) -> None:
    """A copy of the database that, put back, serves nobody before the operator says so. Under its
    name it is there only once it is locked. Raises SourceError, TargetError, DamagedError."""
    beside = target.with_name(target.name + ".new")
    beside.unlink(missing_ok=True)
    with opened(config) as core:
        store = core.store
        if not isinstance(store, SqliteStore):
            raise UsageError("this store has tools of its own for copies")
        store.copy_to(beside)
    keeper = FileKeeper.load(config.key_file)
    with _failures_told(), closing(SqliteStore(beside)) as copied:
        core = Core(copied, keeper, policy=config.policy, clock=Clock(), witness=NoWitness())
        core.transact(lambda ledger: ledger.set_locked(locked=True))
    try:
        beside.rename(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise TargetError(f"writing {target}: {error.strerror}") from None


def unlock(config: Config, *, new_witness: bool = False) -> int | None:
    """Serve what lies here, whatever the witness saw, and believe this machine's clock. Returns
    what was believed so far, seconds since 1970, if that is later; None if it is not.

    new_witness: make the witness anew where it is gone. Raises SourceError, DamagedError.
    """
    keeper = FileKeeper.load(config.key_file)
    _check_there(config)
    if config.witness is not None and not new_witness and not config.witness.exists():
        raise SourceError(
            f"opening the vault: there is no {config.witness}",
            hint="see that its disk is mounted; if it is lost for good, pass --new-witness",
        )
    with _failures_told(), closing(SqliteStore(config.database)) as store:
        core = Core(store, keeper, policy=config.policy, clock=Clock(), witness=NoWitness())
        later = core.transact(_accept)
        if later is not None:
            _shorten_waits(core)
        if config.witness is not None:
            FileWitness(config.witness, keeper).reset(core.revision())
        return later


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

    after = b""
    while refs := _refs(core, after):
        for ref in refs:
            with suppress(DamagedError):
                core.transact(partial(shorten, ref=ref))
        after = refs[-1]


def _refs(core: Core, after: bytes) -> list[bytes]:
    return core.transact(lambda ledger: ledger.refs(after))


def _user(core: Core, ref: bytes) -> User | None:
    return core.transact(lambda ledger: ledger.user(ref))


def _check_there(config: Config) -> None:
    if not config.database.exists():
        raise SourceError(
            f"opening the vault: there is no {config.database}",
            hint="see that its disk is mounted; put it back from a copy, or make a new vault with "
            "vault init",
        )


@contextmanager
def _failures_told() -> Iterator[None]:
    """A store's failure as an error for the operator."""
    try:
        yield
    except WentBackError as error:
        raise SourceError(
            f"opening the vault: {error}",
            hint='if this copy is the one to go on with, "strongroom vault unlock" says so',
        ) from None
    except StoreFailedError as error:
        raise SourceError(
            f"opening the vault: {error}", hint="see that all its disks are mounted"
        ) from None


def _listen(config: Config) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        return socket.create_server((config.host, config.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SourceError(f"listening on {config.host}:{config.port}: {error.strerror}") from None
