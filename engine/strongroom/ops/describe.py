"""What a repository says of itself to anyone, and what this machine knows of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from strongroom.repository.config import read_config
from strongroom.repository.freshness import Freshness, HeadKeeper
from strongroom.repository.log import Log
from strongroom.repository.pins import Head
from strongroom.stores.locate import open_store


@dataclass(frozen=True, slots=True)
class RepositoryInfo:
    """The public part of a repository. Its log's signatures were checked by the public key."""

    repo_id: bytes
    public_key: bytes
    """As the config states it."""
    head: Head
    """The newest entry of the log: two machines that see the same one see the same snapshots."""
    freshness: Freshness
    segments: int
    stored_bytes: int
    """Of the segments that the log names."""
    warnings: tuple[str, ...]
    """What could not be read of what this machine saw before."""


def describe_repository(
    url: str | os.PathLike[str],
    *,
    state: str | os.PathLike[str] | None = None,
    accept_rollback: bool = False,
) -> RepositoryInfo:
    """Read config and log, no key needed; nothing is remembered.

    state, accept_rollback: as in Repository.open. Raises NoRepositoryError, DamagedError,
    UnsupportedError, SourceError, RolledBackError.
    """
    store = open_store(os.fspath(url))
    doing = f"describing {store.url}"
    config = read_config(store, doing=doing)
    heads = HeadKeeper(
        store.url,
        config,
        state=None if state is None else Path(state),
        accept_rollback=accept_rollback,
        doing=doing,
    )
    log = Log(store, config, None)
    log.load()
    lengths = [segment.length for segment in log.segments()]
    return RepositoryInfo(
        repo_id=config.repo_id,
        public_key=config.public_key,
        head=Head(*log.head),
        freshness=heads.check(log),
        segments=len(lengths),
        stored_bytes=sum(lengths),
        warnings=tuple(heads.warnings),
    )
