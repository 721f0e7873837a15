"""strongroom repair"""

from __future__ import annotations

import dataclasses

import click

from strongroom.cli.console import Console
from strongroom.cli.opening import open_repository, shown, size_words
from strongroom.cli.options import names_files, with_console, with_repository, with_threads
from strongroom.cli.outcome import Outcome
from strongroom.cli.progress import Meter
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.verify import Finding
from strongroom.stores.local import LocalStore


@click.command("repair")
@click.option(
    "--from-source",
    "sources",
    metavar="PATH",
    shell_complete=names_files,
    multiple=True,
    required=True,
    type=click.Path(),
    help="Where the lost data may still be; may be repeated.",
)
@with_threads
@with_repository
@with_secret
@with_console
def command(
    *,
    sources: tuple[str, ...],
    threads: int | None,
    store: LocalStore,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Store again what is damaged or missing, from files that still have it.

    Everything stored is verified first. Files below PATH may have other names and places than
    when they were backed up: those are read that are as long as a file that was hurt, and what is
    lost is taken from them. All snapshots that need it are whole again then.

    \b
    strongroom repair -r /mnt/backup --from-source /home/ada
    """
    outcome = Outcome(console)

    def name(finding: Finding) -> None:
        path = {} if finding.path is None else {"path": shown(finding.path)}
        snapshot = {} if finding.snapshot is None else {"snapshot": finding.snapshot.id.hex()}
        outcome.add(finding.error, **snapshot, **path)

    with open_repository(store, secret, console) as repository:
        total = repository.stored_bytes
        with Meter(console, "verifying", total) as meter, meter.file("", 0) as step:
            result = repository.upkeep.repair(
                sources, threads=threads, on_damage=name, progress=step
            )
    console.say(
        f"{result.lost_chunks} chunks were lost, {result.stored_chunks} are stored again "
        f"({size_words(result.new_bytes)}), from {result.read_files} files"
    )
    console.emit(summary=True, **dataclasses.asdict(result))
    outcome.settle(
        f"repairing: {result.lost_files} files are still hurt",
        hint="name other places that may have them, or restore the rest",
    )
