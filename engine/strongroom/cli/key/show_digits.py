"""strongroom key show-digits"""

from __future__ import annotations

import click

from strongroom.cli.console import Console, put
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.recovery import Recovery, qr_code, with_recovery
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.cli.vaulted import credential_of
from strongroom.repository.unlock import unlock
from strongroom.stores.local import LocalStore


@click.command("show-digits")
@with_recovery
@with_repository
@with_secret
@with_console
def command(
    *, store: LocalStore, secret: SecretOptions, recovery: Recovery, console: Console
) -> None:
    """Show the 64 digits of the key, from a password.

    On standard output, or with --digits-out or --sheet in a new file that only you can read.

    \b
    strongroom key show-digits -r /mnt/backup
    strongroom key show-digits -r /mnt/backup --password-file pw --sheet print-me.txt
    """
    doing = f"showing the key of {store.url}"
    unlocked = unlock(store, credential_of(store, secret, console, doing=doing), doing=doing)
    root = unlocked.root
    written = recovery.write_files(root, repository=store.url, repo_id=unlocked.config.repo_id)
    for path in written:
        console.say(f"{path}: keep it where others cannot read it")
    if console.as_json:
        names = [str(path) for path in written]
        console.emit(**({"written": names} if written else {"digits": root.to_digits()}))
        return
    if recovery.qr:
        put(qr_code(root))
    if not written:
        put(root.to_digits())
