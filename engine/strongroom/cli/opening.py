"""Opening a repository for a verb, and how snapshots and sizes are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from strongroom.cli.console import Console
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.repository import Repository
from strongroom.repository.config import read_config
from strongroom.repository.opened import OpenRepository
from strongroom.repository.snapshots import Snapshot
from strongroom.stores.local import LocalStore

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")


@contextmanager
def open_repository(
    store: LocalStore, secret: SecretOptions, console: Console, *, piped: bool = False
) -> Iterator[Repository]:
    """The repository; that there is one is looked at before anybody is asked for a password."""
    read_config(store, doing=f"opening the repository {store.url}")
    credential = secret.credential(console, confirm=False, piped=piped)
    with Repository(OpenRepository(store, credential)) as repository:
        yield repository


def size_words(count: int) -> str:
    """1536 as 1.5 KiB."""
    if count < 1000:
        return f"{count} B"
    power = 1
    while count >= 1000 * 1024**power and power < len(_UNITS):
        power += 1
    return f"{count / 1024**power:.1f} {_UNITS[power - 1]}"


def time_words(time_ns: int) -> str:
    """ISO 8601, in UTC; whoever wrote the time may have meant anything."""
    try:
        return datetime.fromtimestamp(time_ns // 10**9, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return "unknown"


def snapshot_fields(info: Snapshot) -> dict[str, Any]:
    """What --json says of a snapshot. Bytes of paths that are no Unicode come as lone surrogates,
    which os.fsencode takes back."""
    return {
        "snapshot": info.id.hex(),
        "time": time_words(info.time),
        "host": info.host,
        "user": info.user,
        "tags": list(info.tags),
        "paths": [path.decode("utf-8", "surrogateescape") for path in info.paths],
        "files": info.files,
        "bytes": info.bytes,
        "new_bytes": info.new_bytes,
        "errors": info.errors,
    }


def shown(path: bytes) -> str:
    """A path of a snapshot as text."""
    return path.decode("utf-8", "surrogateescape")
