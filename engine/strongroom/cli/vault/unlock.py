"""strongroom vault unlock"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console
from strongroom.cli.opening import time_words
from strongroom.cli.options import with_console
from strongroom.cli.vault.options import with_config
from strongroom.vault.server.config import read_config
from strongroom.vault.server.operate import unlock


@click.command("unlock")
@click.option("--new-witness", is_flag=True, help="Make the witness anew: its disk is lost.")
@with_config
@with_console
def command(*, config: Path, new_witness: bool, console: Console) -> None:
    """Serve a database that was put back from a copy. Guesses made since the copy count no more:
    do this once, and only after a loss.

    Also after the clock was wrong: the vault believes this machine's clock from now on. Stop the
    service, set the clock right, unlock, start it anew.

    \b
    strongroom vault unlock --config /etc/strongroom/vault.toml
    """
    later = unlock(read_config(config), new_witness=new_witness)
    console.say("unlocked; the witness, if there is one, knows this database as the newest")
    if later is not None:
        console.say(
            f"the vault believed that it was {time_words(later * 10**9)} already; now it believes "
            "this machine's clock"
        )
    console.emit(unlocked=True, time_reset=later is not None)
