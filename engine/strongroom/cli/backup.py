"""strongroom backup"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import click

from strongroom._core import LEVEL_MAX
from strongroom.cli.console import Console, put
from strongroom.cli.interrupts import interruptible
from strongroom.cli.opening import counted, open_repository, size_words, snapshot_fields
from strongroom.cli.options import (
    FILE,
    PIPE,
    names_files,
    with_console,
    with_freshness,
    with_repository,
    with_threads,
)
from strongroom.cli.outcome import Outcome
from strongroom.cli.progress import Meter
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.errors import CancelledError
from strongroom.ops.backup import BackupResult, Labels
from strongroom.ops.exclude import read_paths, read_patterns
from strongroom.ops.measure import Measuring
from strongroom.ops.seal import DEFAULT_LEVEL
from strongroom.ops.tree import Selection
from strongroom.stores.local import LocalStore

STDIN = 0


_CHOICES: Final = (
    click.argument("paths", nargs=-1, metavar="[PATH...]", shell_complete=names_files),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches."),
    click.option("--exclude-from", multiple=True, type=FILE, help="File of such patterns, or -."),
    click.option(
        "--exclude-if-present",
        multiple=True,
        metavar="NAME",
        help="Take folders that hold NAME without their contents.",
    ),
    click.option(
        "--files-from",
        multiple=True,
        type=FILE,
        help="File of paths, or -; each on a line, or ended by NUL.",
    ),
    click.option("--stdin-name", metavar="NAME", help="Store standard input as a file NAME."),
    click.option("--one-file-system", is_flag=True, help="Stay on the file system of each PATH."),
    click.option("--ignore-inode", is_flag=True, help="A new inode alone is no change."),
    click.option("--ignore-ctime", is_flag=True, help="A new ctime alone is no change."),
    click.option("--force-read", is_flag=True, help="Read every file, changed or not."),
)


_PIPED: Final = ("stdin_name", "exclude_from", "files_from")


def _with_selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """What to take and what to leave out, gathered into `selection`; and whether some of it comes
    by standard input, as `piped`."""

    @functools.wraps(function)
    def wrapped(**given: Any) -> Any:
        chosen = inspect.signature(_select).parameters
        piped = _takes_standard_input(**{name: given[name] for name in _PIPED})
        selection = _select(**{name: given.pop(name) for name in chosen})
        return function(selection=selection, piped=piped, **given)

    for choice in reversed(_CHOICES):
        wrapped = choice(wrapped)
    return wrapped


def _select(
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
) -> Selection:
    patterns = [pattern for file in exclude_from for pattern in read_patterns(_opened(file))]
    listed = [path for file in files_from for path in read_paths(_opened(file))]
    return Selection(
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


def _takes_standard_input(
    *, stdin_name: str | None, exclude_from: tuple[Path, ...], files_from: tuple[Path, ...]
) -> bool:
    """Raises a usage error if several things were to be read from it."""
    takers = [file for file in (*exclude_from, *files_from) if file == PIPE]
    count = len(takers) + (stdin_name is not None)
    if count > 1:
        raise click.UsageError("standard input can be only one of the things to read")
    return count == 1


def _opened(file: Path) -> Path | int:
    return STDIN if file == PIPE else file


@click.command("backup")
@_with_selection
@click.option("--tag", "tags", multiple=True, metavar="T", help="A word to find the snapshot by.")
@click.option("--host", help="Instead of this machine's name.")
@click.option("--dry-run", is_flag=True, help="Only say what would be read.")
@click.option(
    "--level",
    type=click.IntRange(0, LEVEL_MAX),
    default=DEFAULT_LEVEL,
    show_default=True,
    help="Of zstd; 0 compresses nothing.",
)
@with_threads
@with_freshness
@with_repository
@with_secret
@with_console
def command(
    *,
    selection: Selection,
    piped: bool,
    store: LocalStore,
    secret: SecretOptions,
    tags: tuple[str, ...],
    host: str | None,
    dry_run: bool,
    level: int,
    threads: int | None,
    console: Console,
) -> None:
    """Store files and folders as a new snapshot, and print its id.

    Files that are unchanged since the last snapshot of the same PATHs are not read; contents that
    are stored already, under whatever name, are not stored again. Files that cannot be read, or
    change meanwhile, are named, and the exit code is 3.

    Ctrl-C ends a backup early: files that were read to their end are stored as a partial snapshot,
    and the exit code is 130; pressed twice it stops at once. Either way, and after a crash, the
    next backup of the same PATHs does not read again what had been committed, which happens every
    4 GiB or 10 minutes.

    A link given as PATH is stored as a link, with a slash behind it as the folder it leads to. A
    relative PATH is stored as it is given, one with .. from the root.

    A PATTERN is much as in a .gitignore, on paths as ls shows them: *.tmp at any depth, /home/ada/x
    only there, cache/ for folders alone, a/**/b with any folders between; ! in front takes back
    what earlier ones left out. What is given as PATH is always taken.

    \b
    strongroom backup -r /mnt/backup ~/Pictures ~/Films --exclude '*.tmp'
    pg_dump db | strongroom backup -r /mnt/backup --password-file pw --stdin-name db.sql
    """
    outcome = Outcome(console)
    with (
        open_repository(store, secret, console, piped=piped) as repository,
        Meter(console, "backing up", None) as meter,
        meter.file("", 0) as step,
        ExitStack() as stack,
    ):
        if meter.is_shown:
            stack.enter_context(closing(Measuring(selection, meter.expect)))
        stop = stack.enter_context(interruptible(console))
        result = repository.backup(
            selection,
            labels=Labels(host=host, tags=tags),
            dry_run=dry_run,
            level=level,
            threads=threads,
            on_error=outcome.add,
            on_note=lambda words: console.say(f"strongroom: warning: {words}"),
            progress=step,
            stop=stop,
        )
    _report(result, console)
    if not result.complete:
        raise CancelledError(
            "backing up: interrupted; what was read until then is stored as a partial snapshot",
            hint="the next backup of the same paths goes on from there",
        )
    failed = counted(outcome.count, "file")
    outcome.settle(f"backing up: {failed} could not be read, or changed meanwhile")


def _report(result: BackupResult, console: Console) -> None:
    """The id on standard output, or with --json a summary that has it too."""
    counts, snapshot = result.counts, result.snapshot
    new = size_words(counts.new_bytes)
    words = f"{counted(counts.files, 'file')}, {size_words(counts.bytes)}"
    kind = "snapshot" if result.complete else "partial snapshot"
    if snapshot is None:
        console.say(f"{words}: would read {new}; only reading tells how much of it is new")
        fields = counts._asdict() | {"new_bytes": None, "read_bytes": counts.new_bytes}
        console.emit(summary=True, snapshot=None, **fields)
        return
    console.say(f"{kind} {snapshot.id.hex()[:8]}: {words}; {new} added to the repository")
    console.emit(summary=True, **snapshot_fields(snapshot))
    if not console.as_json:
        put(snapshot.id.hex())
