"""strongroom prune"""

from __future__ import annotations

import dataclasses
import math

import click

from strongroom.cli.console import Console
from strongroom.cli.opening import open_repository, size_words
from strongroom.cli.options import with_console, with_repository, with_threads
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.prune import GRACE_S, PruneOptions, PruneResult
from strongroom.ops.repository import Repository
from strongroom.ops.retention import parse_duration
from strongroom.stores.local import LocalStore


@click.command("prune")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--grace",
    metavar="1d12h",
    help="Delete only what was removed that long ago; 24h by default. 0 deletes at once: only when "
    "nobody reads from the repository.",
)
@with_threads
@with_repository
@with_secret
@with_console
def command(
    *,
    dry_run: bool,
    grace: str | None,
    threads: int | None,
    store: LocalStore,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Remove what no snapshot needs any more.

    What is not needed is first removed from the log; the objects are deleted by the next prune
    after the grace period, as others may be reading them. Segments of which more than a tenth is
    not needed are stored anew. It can run beside backups and everything else, and be interrupted.

    \b
    strongroom prune -r /mnt/backup --dry-run
    strongroom prune -r /mnt/backup
    """
    options = PruneOptions(grace_s=_seconds(grace), dry_run=dry_run, threads=threads or 0)
    with open_repository(store, secret, console) as repository:
        prune_and_report(repository, options, console)


def prune_and_report(repository: Repository, options: PruneOptions, console: Console) -> None:
    """Prune, and say what came of it."""
    result = repository.upkeep.prune(options=options, on_note=console.say)
    _say(result, options, console)
    fields = dataclasses.asdict(result) | {"freed_bytes": result.freed_bytes}
    console.emit(summary=True, dry_run=options.dry_run, **fields)


def _seconds(grace: str | None) -> float:
    if grace is None:
        return GRACE_S
    return 0 if grace == "0" else parse_duration(grace).total_seconds()


def _say(result: PruneResult, options: PruneOptions, console: Console) -> None:
    would = "would be " if options.dry_run else ""
    console.say(
        f"of {result.segments} segments, {size_words(result.stored_bytes)}: "
        f"{result.removed_segments} {would}removed, {result.repacked_segments} {would}stored anew, "
        f"{result.leftover_objects} left over"
    )
    hours = math.ceil(options.grace_s / 3600)
    frees = f"that frees {size_words(max(0, result.freed_bytes))}"
    later = hours and result.freed_bytes > 0
    console.say(f"{frees}, with the first prune {hours} hours from now" if later else frees)
    if result.deleted_objects:
        freed = size_words(result.deleted_bytes)
        console.say(f"deleted {result.deleted_objects} objects: {freed} are free now")
    if result.waiting_objects:
        waiting = size_words(result.waiting_bytes)
        console.say(f"{result.waiting_objects} wait for their grace period: {waiting}")
    if result.kept_damaged:
        console.say(f"{result.kept_damaged} damaged segments are kept: see strongroom verify")
