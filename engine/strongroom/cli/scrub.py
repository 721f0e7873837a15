"""strongroom scrub"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import click

from strongroom._core import Progress
from strongroom.cli.batch import run_batch
from strongroom.cli.console import Console
from strongroom.cli.options import (
    FILE,
    PIPE,
    ROOT,
    names_files,
    with_console,
    with_freshness,
    with_threads,
)
from strongroom.cli.plan import SUFFIX, Found, find, is_many, size_of
from strongroom.cli.progress import Meter
from strongroom.cli.transfer import standard_input
from strongroom.ops.scrub import ScrubResult, scrub, scrub_descriptor


@click.command("scrub")
@click.argument("files", nargs=-1, type=FILE, metavar="[FILE...]")
@click.option(
    "-r",
    "--repo",
    metavar="URL",
    shell_complete=names_files,
    help="Scrub a repository instead of FILEs.",
)
@click.option(
    "--root", type=ROOT, metavar="HEX", help="The segment root kept from sealing (one FILE only)."
)
@click.option(
    "--public-key", type=ROOT, metavar="HEX", help="What the repository's must be, kept elsewhere."
)
@click.option("--resume", is_flag=True, help="Go on where the last scrub was interrupted.")
@with_threads
@with_freshness
@with_console
def command(
    *,
    files: tuple[Path, ...],
    repo: str | None,
    root: bytes | None,
    public_key: bytes | None,
    resume: bool,
    threads: int | None,
    console: Console,
) -> None:
    """Check sealed files, or a whole repository, without any key.

    Without --root this finds accidental damage: the file is "consistent". With the root that
    seal printed it finds any change at all: the file "matches". Folders are searched for names
    that end in .sealed.

    A repository's log says which segments there must be, with which roots. With --public-key, or
    where this machine opened the repository before, any change is found but the loss of snapshots
    that this machine never saw. With --resume it goes on where it was interrupted on this machine.

    \b
    strongroom scrub film.mkv.sealed
    strongroom scrub --root 5d1c... film.mkv.sealed
    strongroom scrub /mnt/backup/Pictures
    strongroom scrub -r /mnt/backup
    """
    if not files:
        _scrub_repository(repo, root, public_key, threads, console, resume=resume)
        return
    if repo is not None or public_key is not None or resume:
        raise click.UsageError("either FILEs are scrubbed or a repository")
    if files == (PIPE,):
        doing = "scrubbing standard input"
        standard = standard_input(doing=doing)
        result = scrub_descriptor(standard.fd, root=root, doing=doing, threads=threads)
        _report(console, "-", result)
    elif not is_many(files):
        _scrub_one(files[0], root, threads, console)
    elif root is None:
        _scrub_many(files, threads, console)
    else:
        raise click.UsageError("--root is for one file")


def _scrub_repository(
    repo: str | None,
    root: bytes | None,
    public_key: bytes | None,
    threads: int | None,
    console: Console,
    *,
    resume: bool,
) -> None:
    url = os.environ.get("STRONGROOM_REPOSITORY") if repo is None else repo
    if url is None:
        raise click.UsageError("nothing was named: give a FILE, or a repository with -r")
    if root is not None:
        raise click.UsageError("--root is for one file")
    # Loading what repositories take costs more than scrubbing a small file.
    of_repositories = importlib.import_module("strongroom.cli.scrub_repository")
    of_repositories.report_repository(url, public_key, threads, console, resume=resume)


def _scrub_one(file: Path, root: bytes | None, threads: int | None, console: Console) -> None:
    size = size_of(file)
    with Meter(console, "scrubbing", size) as meter, meter.file(file.name, size) as step:
        result = scrub(file, root=root, threads=threads, progress=step)
    _report(console, str(file), result)


def _scrub_many(files: tuple[Path, ...], threads: int | None, console: Console) -> None:
    def work(found: Found, progress: Progress) -> None:
        result = scrub(found.source, threads=threads, progress=progress)
        _report(console, str(found.source), result)

    findings = find(files, suffix=SUFFIX)
    run_batch(findings.files, findings.errors, console, verb="scrubbing", work=work)


def _report(console: Console, name: str, result: ScrubResult) -> None:
    state = "matches" if result.trusted else "consistent"
    frames = "1 frame" if result.frames == 1 else f"{result.frames} frames"
    console.say(f"{name}: {state}, {frames}, root {result.root.hex()}")
    console.emit(
        input=name,
        state=state,
        root=result.root.hex(),
        frames=result.frames,
        stored_bytes=result.stored_bytes,
    )
