"""strongroom restore"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from strongroom.cli.console import Console
from strongroom.cli.opening import counted, open_repository, size_words
from strongroom.cli.options import (
    FILE,
    with_console,
    with_freshness,
    with_repository,
    with_salvage,
    with_threads,
)
from strongroom.cli.outcome import Outcome
from strongroom.cli.progress import Meter
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.overwrite import Overwrite
from strongroom.ops.restore_options import RestoreCounts, RestoreOptions
from strongroom.stores.local import LocalStore


@click.command("restore")
@click.argument("snapshot", metavar="SNAP")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--target", required=True, type=FILE, metavar="DIR", help="Restore below DIR.")
@click.option(
    "--overwrite",
    type=click.Choice([Overwrite.NEVER.value, Overwrite.IF_NEWER.value, Overwrite.ALWAYS.value]),
    help="Of files that exist: leave them, replace older ones, replace them; if not given, each is "
    "named and left, and the exit code is 3.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be restored.")
@click.option("--devices", is_flag=True, help="Make device nodes too, which takes root.")
@click.option("--numeric-owners", is_flag=True, help="Owners by number, not by name.")
@with_threads
@with_freshness
@with_salvage
@with_repository
@with_secret
@with_console
def command(
    *,
    snapshot: str,
    paths: tuple[str, ...],
    target: Path,
    overwrite: str | None,
    dry_run: bool,
    devices: bool,
    numeric_owners: bool,
    threads: int | None,
    store: LocalStore,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Bring back a snapshot, or PATHs of it.

    SNAP is latest, or the first digits of a snapshot's id. Below DIR everything has the path that
    was given to backup. What is damaged or cannot be written is named, and the rest restored.

    Folders that exist get mode, owner and times of the snapshot's with --overwrite always, and with
    if-newer where it has them newer. Those only on the way to a PATH keep theirs.

    Where entries of the log or the config are damaged or missing, other verbs refuse. --salvage
    reads all that is sound: snapshots that no entry names any more are called partial, and some
    that were forgotten may be back. Then make a new repository of what came.

    \b
    strongroom restore -r /mnt/backup latest --target /tmp/again
    strongroom restore -r /mnt/backup 1f03 home/ada/Films --target / --overwrite if-newer
    """
    options = RestoreOptions(
        overwrite=Overwrite.REFUSE if overwrite is None else Overwrite(overwrite),
        dry_run=dry_run,
        devices=devices,
        numeric_owners=numeric_owners,
    )
    outcome = Outcome(console)
    with open_repository(store, secret, console) as repository:
        saved = repository.snapshot(snapshot)
        with (
            Meter(console, "restoring", None if paths else saved.info.bytes) as meter,
            meter.file("", 0) as step,
        ):
            counts = repository.restore(
                saved,
                target,
                paths=paths,
                options=options,
                threads=threads,
                on_error=outcome.add,
                on_note=console.say,
                progress=lambda _, written: step(written, written),
            )
    _report(saved.id, target, counts, console, dry_run=dry_run)
    outcome.settle(f"restoring: {outcome.count} could not be restored in full")


def _report(
    snapshot: str, target: Path, counts: RestoreCounts, console: Console, *, dry_run: bool
) -> None:
    verb = "would restore" if dry_run else "restored"
    kept = f"; {counts.kept} left as they are" if counts.kept else ""
    amount = f"{counted(counts.files, 'file')}, {size_words(counts.bytes)}"
    console.say(f"{target}: {verb} {amount}{kept}")
    console.emit(summary=True, snapshot=snapshot, target=str(target), **dataclasses.asdict(counts))
