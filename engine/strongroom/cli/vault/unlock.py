"""strongroom vault unlock"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console
from strongroom.cli.options import with_console
from strongroom.cli.vault.options import with_config
from strongroom.vault.server.config import read_config
from strongroom.vault.server.service import unlock


@click.command("unlock")
@with_config
@with_console
def command(*, config: Path, console: Console) -> None:
    """Serve a database that was put back from a copy. Guesses made since the copy count no more:
    do this once, and only after a loss.

    \b
    strongroom vault unlock --config /etc/strongroom/vault.toml
    """
    unlock(read_config(config))
    console.say("unlocked; the witness, if there is one, knows this database as the newest")
    console.emit(unlocked=True)
