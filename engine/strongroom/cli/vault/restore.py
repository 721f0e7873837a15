"""strongroom vault restore"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console
from strongroom.cli.options import FILE, with_console
from strongroom.cli.vault.options import with_config
from strongroom.vault.server.config import read_config
from strongroom.vault.server.operate import put_back


@click.command("restore")
@click.argument("source", type=FILE)
@with_config
@with_console
def command(*, source: Path, config: Path, console: Console) -> None:
    """Fill a store that holds no vault from what "vault backup" wrote. It is locked, since its
    counters are those of then; "vault unlock" opens it.

    \b
    strongroom vault restore --config /etc/strongroom/vault.toml /mnt/usb/vault.db
    """
    put_back(read_config(config), source)
    console.say(f"{source} is put back, locked: see vault unlock")
    console.emit(source=str(source))
