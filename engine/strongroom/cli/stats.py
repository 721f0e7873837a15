"""strongroom stats"""

from __future__ import annotations

import click

from strongroom.cli.console import Console, put
from strongroom.cli.opening import counted, open_repository, size_words
from strongroom.cli.options import with_console, with_freshness, with_repository
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.stores.local import LocalStore


@click.command("stats")
@with_freshness
@with_repository
@with_secret
@with_console
def command(*, store: LocalStore, secret: SecretOptions, console: Console) -> None:
    """Say how much is stored, and how much room it takes.

    \b
    strongroom stats -r /mnt/backup
    """
    with open_repository(store, secret, console) as repository:
        found = repository.stats()
    if console.as_json:
        console.emit(
            snapshots=found.snapshots,
            files=found.files,
            raw_bytes=found.raw_bytes,
            stored_bytes=found.stored_bytes,
            segments=found.segments,
            chunks=found.chunks,
            ratio=round(found.ratio, 3),
        )
        return
    put(f"snapshots  {found.snapshots}")
    put(f"files      {found.files} in all of them, {size_words(found.raw_bytes)}")
    put(f"stored     {size_words(found.stored_bytes)} in {counted(found.segments, 'segment')}")
    put(f"chunks     {found.chunks}")
    put(f"ratio      {found.ratio:.2f} bytes of files for each stored")
