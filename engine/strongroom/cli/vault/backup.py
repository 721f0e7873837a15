"""strongroom vault backup"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console
from strongroom.cli.options import FILE, with_console
from strongroom.cli.vault.options import with_config
from strongroom.errors import TargetExistsError
from strongroom.vault.server.config import read_config
from strongroom.vault.server.operate import copy_locked


@click.command("backup")
@click.argument("target", type=FILE)
@with_config
@with_console
def command(*, target: Path, config: Path, console: Console) -> None:
    """Copy a vault's database while it is served. Put back, the copy is locked, since its counters
    are those of then; "vault unlock" opens it.

    \b
    strongroom vault backup --config /etc/strongroom/vault.toml /mnt/usb/vault.db
    """
    if target.exists():
        raise TargetExistsError(f"writing {target}: it exists", hint="choose another name")
    copy_locked(read_config(config), target)
    console.say(f"{target}: a copy, locked; the vault's key is not in it")
    console.emit(target=str(target))
