"""strongroom vault status"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console, put
from strongroom.cli.options import with_console
from strongroom.cli.vault.options import with_config
from strongroom.errors import SourceError
from strongroom.vault.server.config import read_config
from strongroom.vault.server.opening import opened
from strongroom.vault.server.operate import status, status_without_quorum


@click.command("status")
@with_config
@with_console
def command(*, config: Path, console: Console) -> None:
    """Say how a vault is, beside one that is being served or not. All its accounts are counted.

    Where most nodes of its etcd do not answer, it says how many do, and fails.

    \b
    strongroom vault status --config /etc/strongroom/vault.toml
    """
    settings = read_config(config)
    failed: SourceError | None = None
    try:
        with opened(settings) as core:
            found = status(core)
    except SourceError as error:
        left = status_without_quorum(settings)
        if left is None:
            raise
        failed, found = error, left
    console.emit(**found)
    if not console.as_json:
        for name, value in found.items():
            put(f"{name:<22}{value}")
    if failed is not None:
        raise failed
