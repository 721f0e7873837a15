"""strongroom vault rotate-keys"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console
from strongroom.cli.options import with_console
from strongroom.cli.vault.options import with_config
from strongroom.vault.server.config import read_config
from strongroom.vault.server.operate import rotate_keys


@click.command("rotate-keys")
@click.option(
    "--prepare",
    is_flag=True,
    help="Only make the next keys: bring the key file to the other machines, then rotate.",
)
@with_config
@with_console
def command(*, prepare: bool, config: Path, console: Console) -> None:
    """Write all that a vault keeps anew with new keys, and destroy the old ones, while it is
    served. What was interrupted is gone on with. Copies made before serve no more: make a new one.

    With [hsm] in the configuration beside key_file the keys move into the hardware module.

    \b
    strongroom vault rotate-keys --config /etc/strongroom/vault.toml
    strongroom vault backup --config /etc/strongroom/vault.toml /mnt/usb/vault.db
    """
    generation, damaged = rotate_keys(read_config(config), only_prepare=prepare, tell=console.say)
    if damaged:
        console.say(f"{damaged} rows are damaged and stay so")
    if prepare:
        console.say(f"keys of generation {generation} are there, and not used yet")
    console.emit(generation=generation, damaged=damaged)
