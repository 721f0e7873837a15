"""strongroom key log"""

from __future__ import annotations

import click

from strongroom.cli.console import Console, put
from strongroom.cli.opening import time_words
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.secret_options import vault_url, with_vault
from strongroom.cli.secrets import VaultOptions
from strongroom.cli.vaulted import connect, vault
from strongroom.stores.local import LocalStore


@click.command("log")
@vault_url("The vault, where this machine has not met it.")
@with_vault
@with_repository
@with_console
def command(
    *, url: str | None, store: LocalStore, console: Console, **options: VaultOptions
) -> None:
    """Show what happened to your account at the vault: every guess, and who registered when.

    Needs no password. The entries are a chain, which is checked, and so is that it goes on from
    where this machine saw it last.

    \b
    strongroom key log -r /mnt/backup --token-file my.token
    """
    doing = f"reading the vault's log of {store.url}"
    connection = connect(store, options["vault"]._replace(url=url), doing=doing)
    for entry, event in vault().owners_log(connection, doing=doing):
        when = time_words(entry.time * 10**9)
        record = entry.record_id.hex()
        console.emit(
            seq=entry.seq,
            time=when,
            event=event,
            left=entry.left,
            failures=entry.lifetime,
            record=record,
        )
        if not console.as_json:
            put(f"{entry.seq:>6}  {when}  {event:<11}  {entry.left:>3} left  {record[:8]}")
    console.say("the log is whole: each entry is linked to the one before")
