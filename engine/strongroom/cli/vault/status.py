"""strongroom vault status"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console, put
from strongroom.cli.options import with_console
from strongroom.cli.vault.options import with_config
from strongroom.vault.server.config import read_config
from strongroom.vault.server.opening import opened
from strongroom.vault.server.operate import status


@click.command("status")
@with_config
@with_console
def command(*, config: Path, console: Console) -> None:
    """Say how a vault is, beside one that is being served or not.

    \b
    strongroom vault status --config /etc/strongroom/vault.toml
    """
    with opened(read_config(config)) as core:
        found = status(core)
    console.emit(**found)
    if not console.as_json:
        for name, value in found.items():
            put(f"{name:<12}{value}")
