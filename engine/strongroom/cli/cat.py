"""strongroom cat"""

from __future__ import annotations

import os

import click

from strongroom._core import Watch
from strongroom.cli.console import Console, refuse_terminal
from strongroom.cli.opening import open_repository
from strongroom.cli.options import with_console, with_freshness, with_repository, with_salvage
from strongroom.cli.progress import Meter
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.cat import cat
from strongroom.stores.local import LocalStore

STDOUT = 1
_LOOKED_AT = 4096


@click.command("cat")
@click.argument("snapshot", metavar="SNAP")
@click.argument("path")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Begin there.")
@click.option("--length", type=click.IntRange(min=0), help="Take so many bytes.")
@with_freshness
@with_salvage
@with_repository
@with_secret
@with_console
def command(
    *,
    snapshot: str,
    path: str,
    offset: int,
    length: int | None,
    store: LocalStore,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Write a file of a snapshot, or a part of it, to standard output.

    Only the stored chunks that are needed are read. Bytes go out as they are verified: only exit
    code 0 means that all came.

    \b
    strongroom cat -r /mnt/backup latest home/ada/notes.txt
    strongroom cat -r /mnt/backup latest film.mkv --offset 1000000 --length 4096 > part
    """
    if console.as_json:
        raise click.UsageError("--json and the data cannot both go to standard output")
    doing = f"writing {path} of snapshot {snapshot}"
    with (
        open_repository(store, secret, console) as repository,
        repository.open_file(snapshot, path) as file,
    ):
        if os.isatty(STDOUT) and b"\0" in file.read_at(offset, _LOOKED_AT):
            refuse_terminal(STDOUT, "binary data")
        left = max(0, len(file) - offset)
        size = left if length is None else min(length, left)
        with Meter(console, "reading", size) as meter, meter.file(path, size) as step:
            cat(file, STDOUT, offset=offset, length=length, doing=doing, watch=Watch(step))
