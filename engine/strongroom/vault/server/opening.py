"""A vault's parts, as its configuration names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from strongroom.errors import SourceError, UsageError
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.config import Config
from strongroom.vault.server.core import Core
from strongroom.vault.server.extras import module_of
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.keys.source import Source
from strongroom.vault.server.sqlite import SqliteStore
from strongroom.vault.server.store import (
    Store,
    StoreFailedError,
    Tell,
    WentBackError,
    unheard,
)
from strongroom.vault.server.witness import FileWitness, NoWitness, Witness


def open_keeper(config: Config) -> Keeper:
    """Its keys. Raises SourceError, DamagedError, UsageError."""
    sources: list[Source] = []
    if config.hsm is not None:
        sources.append(module_of("keys.token", extra="hsm").TokenKeys(config.hsm))
    if config.key_file is not None:
        sources.append(FileKeys(config.key_file))
    if len({source.vault_id for source in sources}) != 1:
        raise UsageError("the vault's keys: [hsm] and key_file are of different vaults")
    return Keeper(sources)


def make_keeper(config: Config) -> Keeper:
    """First keys, for a new vault. Raises SourceError, TargetError, UsageError."""
    if config.hsm is not None:
        keeper = open_keeper(config)
        keeper.create(1)
        return keeper
    if config.key_file is None:
        raise UsageError("making the vault's keys: its configuration names no place for them")
    return Keeper([FileKeys.make(config.key_file)])


def open_store(config: Config, *, new: bool = False, tell: Tell = unheard) -> Store:
    """Its rows. new: there may be none yet. tell: what goes wrong where nobody asked for anything.
    Raises SourceError, StoreFailedError."""
    if config.etcd is not None:
        store: Store = module_of("etcd", extra="etcd").EtcdStore(config.etcd, tell)
        return store
    if config.database is None:
        raise SourceError("opening the vault: its configuration names no store")
    if not new and not config.database.exists():
        raise SourceError(
            f"opening the vault: there is no {config.database}",
            hint="see that its disk is mounted; put it back from a copy, or make a new vault with "
            "vault init",
        )
    return SqliteStore(config.database)


@contextmanager
def opened(config: Config, *, unwitnessed: bool = False, tell: Tell = unheard) -> Iterator[Core]:
    """The vault's core. unwitnessed: whatever its witness saw. tell: see open_store. Raises
    SourceError, DamagedError, UsageError."""
    keeper = open_keeper(config)
    witness: Witness = NoWitness()
    if config.witness is not None and not unwitnessed:
        witness = FileWitness(config.witness, keeper)
    with failures_told(), closing(open_store(config, tell=tell)) as store:
        yield Core(store, keeper, policy=config.policy, clock=Clock(), witness=witness)


@contextmanager
def failures_told() -> Iterator[None]:
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
            f"opening the vault: {error}",
            hint="see that all its disks are mounted, and most nodes of an etcd run",
        ) from None
