"""strongroom seal"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom._core import LEVEL_MAX, Progress, Result, Watch
from strongroom.cli.console import Console
from strongroom.cli.options import FILE, PIPE, with_console, with_threads
from strongroom.cli.plan import SUFFIX, Task
from strongroom.cli.secret_options import with_own_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.cli.transfer import Transfer, check_output, transfer
from strongroom.ops.seal import DEFAULT_LEVEL, seal_descriptor, seal_file
from strongroom.ops.source import Source


@click.command("seal")
@click.argument("inputs", nargs=-1, required=True, type=FILE, metavar="IN...")
@click.option("-o", "--output", required=True, type=FILE, help="File, folder, or - for stdout.")
@click.option(
    "--level",
    type=click.IntRange(0, LEVEL_MAX),
    default=DEFAULT_LEVEL,
    metavar="N",
    show_default=True,
    help="zstd level; 0 compresses nothing.",
)
@click.option("--pad/--no-pad", default=True, help="Hide exact lengths (at most 3.1 % from 1 MiB).")
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@with_own_secret
@with_threads
@with_console
def command(
    *,
    inputs: tuple[Path, ...],
    output: Path,
    level: int,
    pad: bool,
    force: bool,
    threads: int | None,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Encrypt IN into one sealed file each.

    With one file, -o names the sealed file. With folders or several files, -o names a folder:
    files keep their path below the folder given and get .sealed appended. IN may be - for
    standard input.

    \b
    strongroom seal --key-file my.key film.mkv -o film.mkv.sealed
    strongroom seal --key-file my.key Pictures -o /mnt/backup/Pictures
    tar c Pictures | strongroom seal --password-file pw - -o - > pictures.sealed
    """
    check_output(inputs, output, console)
    key = secret.credential(console, confirm=True, piped=PIPE in inputs)

    def file(task: Task, progress: Progress) -> Result:
        return seal_file(
            task.source,
            task.target,
            key=key,
            level=level,
            pad=pad,
            overwrite=force,
            threads=threads,
            progress=progress,
        )

    def descriptor(source: Source, target_fd: int, doing: str, progress: Progress) -> Result:
        return seal_descriptor(
            source,
            target_fd,
            key=key,
            level=level,
            pad=pad,
            doing=doing,
            threads=threads,
            watch=Watch(progress),
        )

    verb = Transfer(
        doing="sealing",
        file=file,
        descriptor=descriptor,
        rename=lambda name: name + SUFFIX,
        suffix="",
        overwrite=force,
    )
    transfer(verb, inputs, output, console)
