"""strongroom vault add-account"""

from __future__ import annotations

import time
from pathlib import Path

import click

from strongroom.cli.console import Console
from strongroom.cli.options import FILE, with_console
from strongroom.cli.private import write_private
from strongroom.cli.vault.options import with_config
from strongroom.vault.server.accounts import TokenFile
from strongroom.vault.server.config import read_config

_DAY = 24 * 3600


@click.command("add-account")
@click.argument("account")
@click.option("--token-out", type=FILE, required=True, help="Write the token to this new file.")
@click.option("--days", type=click.IntRange(1, 36500), help="Let the token expire.")
@with_config
@with_console
def command(
    *, account: str, token_out: Path, days: int | None, config: Path, console: Console
) -> None:
    """Make an account, or a new token for one, whose old token then is none any more.

    \b
    strongroom vault add-account --config /etc/strongroom/vault.toml anna --token-out anna.token
    """
    accounts = TokenFile(read_config(config).accounts)
    if token_out.exists():
        raise click.UsageError(f"{token_out} exists")
    expires = 0 if days is None else int(time.time()) + days * _DAY
    token = accounts.add(account, expires=expires)
    write_private(token_out, token + "\n", doing=f"writing the token to {token_out}")
    console.say(f"{account}: {token_out} holds the token; only its hash is kept here")
    console.emit(account=account, token_out=str(token_out))
