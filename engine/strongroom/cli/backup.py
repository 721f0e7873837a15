"""strongroom backup"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from strongroom._core import LEVEL_MAX
from strongroom.cli.console import Console, put
from strongroom.cli.opening import open_repository, size_words, snapshot_fields
from strongroom.cli.options import (
    FILE,
    with_console,
    with_repository,
    with_secret,
    with_threads,
)
from strongroom.cli.outcome import Outcome
from strongroom.cli.progress import Meter
from strongroom.cli.secrets import SecretOptions
from strongroom.errors import StrongroomError
from strongroom.ops.backup import Selection
from strongroom.ops.exclude import read_paths, read_patterns
from strongroom.ops.seal import DEFAULT_LEVEL
from strongroom.stores.local import LocalStore

STDIN = 0


def _with_selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """What to take and what to leave out, gathered into `selection`."""

    @click.argument("paths", nargs=-1, metavar="PATH...")
    @click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches.")
    @click.option("--exclude-from", multiple=True, type=FILE, help="File of such patterns.")
    @click.option(
        "--exclude-if-present",
        multiple=True,
        metavar="NAME",
        help="Take folders that hold NAME without their contents.",
    )
    @click.option(
        "--files-from", multiple=True, type=FILE, help="File of paths, one a line or NUL."
    )
    @click.option("--stdin-name", metavar="NAME", help="Store standard input as a file NAME.")
    @click.option("--one-file-system", is_flag=True, help="Stay on the file system of each PATH.")
    @click.option("--ignore-inode", is_flag=True, help="A new inode alone is no change.")
    @click.option("--ignore-ctime", is_flag=True, help="A new ctime alone is no change.")
    @click.option("--force-read", is_flag=True, help="Read every file, changed or not.")
    @functools.wraps(function)
    def wrapped(
        *,
        paths: tuple[str, ...],
        exclude: tuple[str, ...],
        exclude_from: tuple[Path, ...],
        exclude_if_present: tuple[str, ...],
        files_from: tuple[Path, ...],
        stdin_name: str | None,
        one_file_system: bool,
        ignore_inode: bool,
        ignore_ctime: bool,
        force_read: bool,
        **rest: Any,
    ) -> Any:
        patterns = [pattern for file in exclude_from for pattern in read_patterns(file)]
        listed = [path for file in files_from for path in read_paths(file)]
        selection = Selection(
            paths=(*paths, *listed),
            excludes=(*exclude, *patterns),
            exclude_if_present=exclude_if_present,
            one_file_system=one_file_system,
            ignore_inode=ignore_inode,
            ignore_ctime=ignore_ctime,
            force_read=force_read,
            stream_name=stdin_name,
            stream=None if stdin_name is None else STDIN,
        )
        return function(selection=selection, **rest)

    return wrapped


@click.command("backup")
@_with_selection
@click.option("--tag", "tags", multiple=True, metavar="T", help="A word to find the snapshot by.")
@click.option("--host", default="", help="Instead of this machine's name.")
@click.option("--dry-run", is_flag=True, help="Only say what would be stored.")
@click.option(
    "--level",
    type=click.IntRange(0, LEVEL_MAX),
    default=DEFAULT_LEVEL,
    show_default=True,
    help="Of zstd; 0 compresses nothing.",
)
@with_threads
@with_repository
@with_secret
@with_console
def command(
    *,
    selection: Selection,
    store: LocalStore,
    secret: SecretOptions,
    tags: tuple[str, ...],
    host: str,
    dry_run: bool,
    level: int,
    threads: int | None,
    console: Console,
) -> None:
    """Store files and folders as a new snapshot, and print its id.

    Files that are unchanged since the last snapshot of the same PATHs are not read; contents that
    are stored already, under whatever name, are not stored again. Files that cannot be read, or
    change meanwhile, are named, and the exit code is 3.

    \b
    strongroom backup -r /mnt/backup ~/Pictures ~/Films --exclude '*.tmp'
    pg_dump db | strongroom backup -r /mnt/backup --password-file pw --stdin-name db.sql
    """
    outcome = Outcome(console)
    piped = selection.stream_name is not None
    with (
        open_repository(store, secret, console, piped=piped) as repository,
        Meter(console, "backing up", None) as meter,
        meter.file("", 0) as step,
    ):
        report: dict[str, Any] = {
            "on_error": outcome.add,
            "on_damage": functools.partial(_warn, console),
            "progress": step,
        }
        if dry_run:
            counts = repository.dry_run(selection, host=host, **report)
            fields = dataclasses.asdict(counts)
        else:
            saved = repository.backup(
                selection, host=host, tags=tags, level=level, threads=threads, **report
            )
            fields = snapshot_fields(saved.info)
    _report(fields, console)
    outcome.settle(f"backing up: {outcome.count} files could not be read, or changed meanwhile")


def _report(fields: dict[str, Any], console: Console) -> None:
    """The id on standard output, or with --json a summary that has it too."""
    snapshot = fields.get("snapshot")
    new = size_words(fields["new_bytes"])
    words = f"{fields['files']} files, {size_words(fields['bytes'])}"
    if snapshot is None:
        console.say(f"would store {words}, and read {new}")
    else:
        console.say(f"snapshot {snapshot[:8]}: {words}; {new} added to the repository")
    console.emit(summary=True, **fields)
    if snapshot is not None and not console.as_json:
        put(snapshot)


def _warn(console: Console, error: StrongroomError) -> None:
    console.say(f"strongroom: warning: {error}; what was lost and is still here is stored again")
