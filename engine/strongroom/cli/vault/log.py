"""strongroom vault log"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console, put
from strongroom.cli.opening import time_words
from strongroom.cli.options import with_console
from strongroom.cli.vault.options import with_config
from strongroom.vault.server.config import read_config
from strongroom.vault.server.opening import opened
from strongroom.vault.server.operate import read_log


@click.command("log")
@click.argument("account")
@with_config
@with_console
def command(*, account: str, config: Path, console: Console) -> None:
    """Show what happened to an account: registrations, attempts, recoveries.

    \b
    strongroom vault log --config /etc/strongroom/vault.toml anna
    """
    with opened(read_config(config)) as core:
        entries = read_log(core, account)
    for entry, event in entries:
        when = time_words(entry.time * 10**9)
        console.emit(
            seq=entry.seq, time=when, event=event, left=entry.left, failures=entry.lifetime
        )
        if not console.as_json:
            put(f"{entry.seq:>6}  {when}  {event:<11}  {entry.left} left")
