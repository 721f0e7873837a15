"""strongroom snapshots"""

from __future__ import annotations

import click

from strongroom.cli.console import Console, printable, put
from strongroom.cli.opening import (
    counted,
    local_time_words,
    open_repository,
    shown,
    size_words,
    snapshot_fields,
)
from strongroom.cli.options import with_console, with_freshness, with_repository, with_salvage
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.repository.snapshots import Snapshot
from strongroom.stores.local import LocalStore


@click.command("snapshots")
@click.option("--host", help="Only those of this host.")
@click.option("--tag", metavar="T", help="Only those with this tag.")
@with_freshness
@with_salvage
@with_repository
@with_secret
@with_console
def command(
    *, store: LocalStore, secret: SecretOptions, host: str | None, tag: str | None, console: Console
) -> None:
    """List snapshots, the oldest first. Partial ones hold what a backup had got to that was
    interrupted; `latest` means one only where there is no other.

    \b
    strongroom snapshots -r /mnt/backup
    strongroom snapshots -r /mnt/backup --tag daily --json
    """
    with open_repository(store, secret, console) as repository:
        found = [saved.info for saved in repository.snapshots()]
    for info in found:
        if (host is None or info.host == host) and (tag is None or tag in info.tags):
            if console.as_json:
                console.emit(**snapshot_fields(info))
            else:
                put(printable(_line(info)))
    if not found:
        console.say("no snapshot yet")


def _line(info: Snapshot) -> str:
    paths = " ".join(shown(path) for path in info.paths)
    partial = "  (partial)" if info.partial else ""
    tags = f"  [{', '.join(info.tags)}]" if info.tags else ""
    amount = f"{counted(info.files, 'file')}  {size_words(info.bytes)}{partial}"
    time = local_time_words(info.time)
    return f"{info.id.hex()[:8]}  {time}  {info.host}  {amount}{tags}  {paths}"
