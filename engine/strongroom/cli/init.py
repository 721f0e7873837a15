"""strongroom init"""

from __future__ import annotations

import os
import sys

import click

from strongroom.cli.console import Console
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.recovery import Recovery, ask_back, with_recovery
from strongroom.cli.secret_options import with_own_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.keys.rootkey import RootKey
from strongroom.keys.strength import check_strength
from strongroom.repository.config import NAME as CONFIG
from strongroom.repository.create import check_vacant, create_repository
from strongroom.repository.freshness import remember_new
from strongroom.stores.local import LocalStore


@click.command("init")
@with_recovery
@click.option(
    "--confirm/--no-confirm",
    default=None,
    help="Ask for the digits back: as a rule on a terminal, unless --digits-out writes them.",
)
@click.option("--force", is_flag=True, help="Take a password that is easy to guess.")
@with_repository
@with_own_secret
@with_console
def command(
    *,
    store: LocalStore,
    secret: SecretOptions,
    recovery: Recovery,
    confirm: bool | None,
    force: bool,
    console: Console,
) -> None:
    """Make a repository, and the key that opens it.

    The key is shown once, as 64 digits: keep them on paper. Day by day the password does, which
    must be hard to guess: whoever has a copy of the repository can try as many as they like.
    With --key-file the repository is made for a key that you have, and has no password.

    \b
    strongroom init -r /mnt/backup
    strongroom init -r /mnt/backup --password-file pw --digits-out my.key --sheet print-me.txt
    """
    doing = f"making a repository at {store.url}"
    check_vacant(store, doing=doing)
    credential = secret.credential(console, confirm=True, piped=False)
    if isinstance(credential, RootKey):
        root, password = credential, None
    else:
        root, password = RootKey.generate(), credential
        if not force:
            check_strength(credential)
    repo_id = os.urandom(32)
    written = recovery.write_files(root, repository=store.url, repo_id=repo_id)
    try:
        if password is not None:
            _hand_over(root, recovery, confirm=confirm)
        config = create_repository(store, root, password=password, repo_id=repo_id, doing=doing)
    except BaseException:
        # Once there is a repository, the files may hold the only copy of its key.
        if not store.exists(CONFIG):
            for path in written:
                path.unlink(missing_ok=True)
        raise
    for words in remember_new(store.url, config):
        console.say(f"strongroom: warning: {words}")
    _report(store, recovery, repo_id, console)


def _hand_over(root: RootKey, recovery: Recovery, *, confirm: bool | None) -> None:
    """Show a new key, and see that it was copied. confirm None: where there is somebody to ask."""
    recovery.show(root)
    on_terminal = all(end is not None and end.isatty() for end in (sys.stdin, sys.stderr))
    if confirm is None:
        confirm = on_terminal and recovery.digits_out is None
    if confirm:
        ask_back(root)


def _report(store: LocalStore, recovery: Recovery, repo_id: bytes, console: Console) -> None:
    console.say(f"{store.url}: a new repository")
    if recovery.digits_out is not None:
        console.say(f"{recovery.digits_out}: its key; keep a copy elsewhere, nobody can replace it")
    if recovery.sheet is not None:
        console.say(f"{recovery.sheet}: its recovery sheet; print it, then delete the file")
    console.emit(
        repository=store.url,
        repo_id=repo_id.hex(),
        digits_out=None if recovery.digits_out is None else str(recovery.digits_out),
        sheet=None if recovery.sheet is None else str(recovery.sheet),
    )
