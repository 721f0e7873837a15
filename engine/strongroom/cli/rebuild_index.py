"""strongroom rebuild-index"""

from __future__ import annotations

import click

from strongroom.cli.console import Console
from strongroom.cli.opening import open_repository
from strongroom.cli.options import with_console, with_freshness, with_repository
from strongroom.cli.outcome import Outcome
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.stores.local import LocalStore


@click.command("rebuild-index")
@with_freshness
@with_repository
@with_secret
@with_console
def command(*, store: LocalStore, secret: SecretOptions, console: Console) -> None:
    """Make this machine's index of a repository anew, from the segments that its log names.

    It is made by itself where there is none; this is for one that seems to be wrong.

    \b
    strongroom rebuild-index -r /mnt/backup
    """
    outcome = Outcome(console)
    with open_repository(store, secret, console) as repository:
        for segment_id, error in repository.rebuild_index().items():
            outcome.add(error, segment=segment_id.hex())
        found = repository.stats()
    console.say(f"{store.url}: {found.chunks} chunks in {found.segments} segments")
    console.emit(summary=True, chunks=found.chunks, segments=found.segments, errors=outcome.count)
    outcome.settle(
        f"rebuilding the index: {outcome.count} segments could not be read",
        hint='"strongroom verify" names the files that are hurt',
    )
