"""A vault as an operator has it: made and served."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import uvicorn

from strongroom.errors import SourceError, StrongroomError
from strongroom.vault.server.accounts import TokenFile
from strongroom.vault.server.app import make_app
from strongroom.vault.server.config import TEMPLATE, Config, read_config
from strongroom.vault.server.connections import DEADLINE_S, limited
from strongroom.vault.server.core import check_empty, found
from strongroom.vault.server.eventlog import EventLog
from strongroom.vault.server.newfile import write_new
from strongroom.vault.server.opening import failures_told, make_keeper, open_store, opened
from strongroom.vault.server.rotation import forget_others
from strongroom.vault.server.witness import FileWitness
from strongroom.vault.wire import ID_LEN

_GRACE_S = 10
_BACKLOG = 128
_CONCURRENT = 512


def make_vault(
    path: Path,
    *,
    listen: str,
    witness: str | None,
    tls: tuple[str, str] | None,
    etcd: str | None = None,
    hsm: str | None = None,
) -> None:
    """Write a configuration and what it names, all new. etcd, hsm: the lines of their tables, where
    they keep the rows and the keys. Raises TargetError, UsageError, SourceError."""
    optional = "" if witness is None else f'witness = "{witness}"\n'
    if tls is not None:
        optional += f'tls_certificate = "{tls[0]}"\ntls_key = "{tls[1]}"\n'
    if etcd is None:
        optional += 'database = "vault.db"\n'
    if hsm is None:
        optional += 'key_file = "vault.key"\n'
    tables = "" if etcd is None else f"\n[etcd]\n{etcd}\n"
    if hsm is not None:
        tables += f'\n[hsm]\n{hsm}\nvault = "{secrets.token_hex(ID_LEN)}"\n'
    text = TEMPLATE.format(listen=listen, optional=optional, tables=tables)
    write_new(path, text, why="nothing is replaced")
    try:
        config = read_config(path)
        if config.etcd is not None:
            with failures_told(), closing(open_store(config)) as store:
                check_empty(store)
    except StrongroomError:
        path.unlink()
        raise
    write_new(
        config.accounts,
        "# account, SHA-256 of its token, second it expires or 0\n",
        why="nothing is replaced",
    )
    keeper = make_keeper(config)
    with failures_told(), closing(open_store(config, new=True)) as store:
        found(store, keeper)
        if config.witness is not None:
            FileWitness(config.witness, keeper).reset(0)


def serve(config: Config, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ready is told the address once requests are taken."""
    events = EventLog()
    verifier = TokenFile(config.accounts)
    with opened(config, tell=events.alarm) as core, closing(_listen(config)) as listening:
        events.say("start", keys=core.keeper.describe(), revision=core.revision())
        if core.transact(lambda ledger: ledger.locked):
            events.alarm("the vault is locked; vault unlock opens it")
        for where in core.keeper.copyable():
            events.say("warning", words=f"{where}: whoever is root here can take them")
        forget_others(core)
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


def _listen(config: Config) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        return socket.create_server((config.host, config.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SourceError(f"listening on {config.host}:{config.port}: {error.strerror}") from None
