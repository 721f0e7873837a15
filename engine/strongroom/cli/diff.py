"""strongroom diff"""

from __future__ import annotations

from collections import Counter
from typing import Final

import click

from strongroom.cli.console import Console, put
from strongroom.cli.opening import listed, open_repository, shown
from strongroom.cli.options import with_console, with_freshness, with_repository
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.compare import Change
from strongroom.stores.local import LocalStore

_SIGNS: Final = {
    Change.ADDED: "+",
    Change.REMOVED: "-",
    Change.MODIFIED: "M",
    Change.ATTRIBUTES: "U",
}


@click.command("diff")
@click.argument("old", metavar="SNAP")
@click.argument("new", metavar="SNAP")
@with_freshness
@with_repository
@with_secret
@with_console
def command(
    *, old: str, new: str, store: LocalStore, secret: SecretOptions, console: Console
) -> None:
    """Say what changed from one snapshot to another.

    + added, - removed, M other contents, U only mode, owner, times or extended attributes.

    \b
    strongroom diff -r /mnt/backup 1f03 latest
    """
    counts: Counter[Change] = Counter()
    with open_repository(store, secret, console) as repository:
        for change, entry in repository.snapshot(old).compare(repository.snapshot(new)):
            counts[change] += 1
            if console.as_json:
                console.emit(change=change.value, path=shown(entry.path), size=entry.size)
            else:
                put(f"{_SIGNS[change]} {listed(entry.path)}")
    console.say(", ".join(f"{counts[change]} {change.value}" for change in Change))
    console.emit(summary=True, **{change.value: counts[change] for change in Change})
