"""Opening a repository for a verb, and how snapshots and sizes are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from strongroom.cli.console import Console, printable
from strongroom.cli.options import accepts_rollback, salvages
from strongroom.cli.secrets import SecretOptions
from strongroom.cli.vaulted import credential_of
from strongroom.ops.repository import Repository
from strongroom.repository.freshness import ACCEPTED, UNKNOWN, Freshness, HeadKeeper
from strongroom.repository.opened import OpenRepository, config_of
from strongroom.repository.pins import Head
from strongroom.repository.snapshots import Snapshot
from strongroom.stores.local import LocalStore

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")


@contextmanager
def open_repository(
    store: LocalStore, secret: SecretOptions, console: Console, *, piped: bool = False
) -> Iterator[Repository]:
    """The repository; that there is one, and no other than before, is looked at before anybody is
    asked for a password."""
    doing, accepts = f"opening the repository {store.url}", accepts_rollback()
    salvage = salvages()
    if not salvage:
        HeadKeeper(store.url, config_of(store, doing=doing), accept_rollback=accepts, doing=doing)
    credential = credential_of(store, secret, console, doing=doing, piped=piped)
    opened = OpenRepository(store, credential, accept_rollback=accepts, salvage=salvage)
    with Repository(opened) as repository:
        said = len(repository.warnings)
        _warn(repository.warnings, console)
        if not salvage:
            say_freshness(repository.freshness, repository.head, console)
        yield repository
    _warn(repository.warnings[said:], console)


def _warn(warnings: list[str], console: Console) -> None:
    for words in warnings:
        console.say(f"strongroom: warning: {words}")


def say_freshness(freshness: Freshness, head: Head, console: Console) -> None:
    """What a person should know of how new a log is; nothing where it is as expected."""
    if freshness.state == UNKNOWN:
        console.say(
            f"freshness unknown: this machine has not seen this repository before; its newest is "
            f'{head}. Compare with "strongroom info -r" on another machine'
        )
    elif freshness.state == ACCEPTED:
        console.say(f"rollback accepted: {freshness.seen} was seen before, now it is {head}")


def freshness_fields(freshness: Freshness, head: Head) -> dict[str, Any]:
    """What --json says of it."""
    seen, seen_time = freshness.seen, freshness.seen_time
    return {
        "freshness": freshness.state,
        "head": head_fields(head),
        "seen": None if seen is None else head_fields(seen),
        "seen_time": None if seen_time is None else time_words(seen_time),
    }


def head_fields(head: Head) -> dict[str, Any]:
    """The same of a head."""
    return {"seq": head.seq, "hash": head.hash.hex()}


def size_words(count: int) -> str:
    """1536 as 1.5 KiB."""
    if count < 1000:
        return f"{count} B"
    power = 1
    while count >= 1000 * 1024**power and power < len(_UNITS):
        power += 1
    return f"{count / 1024**power:.1f} {_UNITS[power - 1]}"


def counted(count: int, noun: str) -> str:
    """1 file, 2 files."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def local_time_words(time_ns: int) -> str:
    """For people to read: where they are."""
    try:
        return datetime.fromtimestamp(time_ns // 10**9, UTC).astimezone().isoformat(" ")
    except (OverflowError, ValueError, OSError):
        return "unknown"


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
        "partial": info.partial,
    }


def shown(path: bytes) -> str:
    """A path of a snapshot as text."""
    return path.decode("utf-8", "surrogateescape")


def listed(path: bytes) -> str:
    """The same as a line of a listing has it: control characters escaped, and backslashes doubled,
    so that no two paths look alike."""
    return printable(shown(path).replace("\\", "\\\\"))
