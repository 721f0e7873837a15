"""strongroom ls"""

from __future__ import annotations

import stat
import sys
from typing import Any, Final

import click

from strongroom.cli.console import Console, put
from strongroom.cli.opening import listed, open_repository, shown, time_words
from strongroom.cli.options import with_console, with_freshness, with_repository, with_salvage
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.errors import TargetError
from strongroom.manifest.entry import (
    BLOCK_DEVICE,
    CHAR_DEVICE,
    FIFO,
    FILE,
    FOLDER,
    SOCKET,
    SYMLINK,
    Entry,
)
from strongroom.stores.local import LocalStore

_TYPES: Final = {
    FILE: ("file", stat.S_IFREG),
    FOLDER: ("folder", stat.S_IFDIR),
    SYMLINK: ("symlink", stat.S_IFLNK),
    FIFO: ("fifo", stat.S_IFIFO),
    SOCKET: ("socket", stat.S_IFSOCK),
    CHAR_DEVICE: ("char device", stat.S_IFCHR),
    BLOCK_DEVICE: ("block device", stat.S_IFBLK),
}


@click.command("ls")
@click.argument("snapshot", metavar="SNAP")
@click.argument("path", required=False)
@click.option("-l", "--long", is_flag=True, help="Mode, owner, size and time too.")
@click.option("-0", "--null", is_flag=True, help="Paths as they are, each ended by a zero byte.")
@with_freshness
@with_salvage
@with_repository
@with_secret
@with_console
def command(
    *,
    snapshot: str,
    path: str | None,
    long: bool,
    null: bool,
    store: LocalStore,
    secret: SecretOptions,
    console: Console,
) -> None:
    """List what is in a snapshot, or below PATH in it.

    SNAP is latest, or the first digits of a snapshot's id. Control characters, backslashes and
    bytes that are no Unicode are shown escaped; -0 gives the bytes themselves, for other programs.

    \b
    strongroom ls -r /mnt/backup latest home/ada/Films
    strongroom ls -r /mnt/backup 1f03 --json
    """
    if null and (long or console.as_json):
        raise click.UsageError("--null stands alone: it gives paths and nothing else")
    with open_repository(store, secret, console) as repository:
        for entry in repository.snapshot(snapshot).entries(path):
            if console.as_json:
                console.emit(**_fields(entry))
            elif null:
                _put_raw(entry.path)
            else:
                put(_long(entry) if long else listed(entry.path))


def _fields(entry: Entry) -> dict[str, Any]:
    """Bytes that are no Unicode come as lone surrogates, which os.fsencode takes back."""
    fields: dict[str, Any] = {
        "path": shown(entry.path),
        "type": _TYPES[entry.type][0],
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "user": shown(entry.user),
        "group": shown(entry.group),
        "size": entry.size,
        "mtime_ns": entry.mtime_ns,
    }
    if entry.type == SYMLINK:
        fields["target"] = shown(entry.target)
    return fields


def _long(entry: Entry) -> str:
    mode = stat.filemode(_TYPES[entry.type][1] | entry.mode)
    owner = f"{listed(entry.user) or entry.uid} {listed(entry.group) or entry.gid}"
    target = f" -> {listed(entry.target)}" if entry.type == SYMLINK else ""
    when = time_words(entry.mtime_ns)
    return f"{mode} {owner} {entry.size:>14} {when} {listed(entry.path)}{target}"


def _put_raw(path: bytes) -> None:
    if sys.stdout is None:
        raise TargetError("writing to standard output: it is closed")
    sys.stdout.flush()
    sys.stdout.buffer.write(path + b"\0")
