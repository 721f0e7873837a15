"""strongroom tag"""

from __future__ import annotations

import click

from strongroom.cli.console import Console
from strongroom.cli.opening import open_repository, snapshot_fields
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.forget import TagChange
from strongroom.stores.local import LocalStore


@click.command("tag")
@click.argument("names", metavar="SNAP...", nargs=-1, required=True)
@click.option("--add", metavar="T", multiple=True, help="Add this tag; may be repeated.")
@click.option("--remove", metavar="T", multiple=True, help="Take this tag off; may be repeated.")
@click.option(
    "--set", "only", metavar="T", multiple=True, help="This one in place of all; may be repeated."
)
@with_repository
@with_secret
@with_console
def command(
    *,
    names: tuple[str, ...],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    only: tuple[str, ...],
    store: LocalStore,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Change the tags of snapshots. Their ids stay as they are.

    \b
    strongroom tag -r /mnt/backup latest --add before-move
    strongroom tag -r /mnt/backup 1f03 77ab --remove daily
    """
    if not (add or remove or only):
        raise click.UsageError("say which tags to --add, --remove or --set")
    change = TagChange(add, remove, only or None)
    with open_repository(store, secret, console) as repository:
        changed = repository.upkeep.tag(names, change)
    for snapshot in changed:
        tags = ", ".join(snapshot.tags) or "none"
        console.say(f"{snapshot.id.hex()[:8]}: tags: {tags}")
        console.emit(**snapshot_fields(snapshot))
    if not changed:
        console.say("nothing to change")
    console.emit(summary=True, changed=len(changed))
