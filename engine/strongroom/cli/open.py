"""strongroom open"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom._core import Progress, Result, Watch
from strongroom.cli.console import Console
from strongroom.cli.options import FILE, PIPE, with_console, with_threads
from strongroom.cli.plan import SUFFIX, Task, is_many
from strongroom.cli.secret_options import with_own_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.cli.transfer import STDOUT, Transfer, check_output, transfer
from strongroom.ops.open import open_descriptor, open_file
from strongroom.ops.part import open_part
from strongroom.ops.source import Source


@click.command("open")
@click.argument("inputs", nargs=-1, required=True, type=FILE, metavar="IN...")
@click.option("-o", "--output", required=True, type=FILE, help="File, folder, or - for stdout.")
@click.option("--offset", type=click.IntRange(min=0), metavar="BYTES", help="Begin there.")
@click.option("--length", type=click.IntRange(min=0), metavar="BYTES", help="Take so many.")
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@with_own_secret
@with_threads
@with_console
def command(
    *,
    inputs: tuple[Path, ...],
    output: Path,
    offset: int | None,
    length: int | None,
    force: bool,
    threads: int | None,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Decrypt sealed files.

    With one file, -o names the file to write. With folders or several files, -o names a folder:
    files keep their path below the folder given and lose .sealed. IN may be - for standard input.
    On a pipe, frames go out as each verifies: only exit code 0 means that all came.

    \b
    strongroom open --key-file my.key film.mkv.sealed -o film.mkv
    strongroom open --key-file my.key /mnt/backup/Pictures -o Pictures
    strongroom open --password-file pw pictures.sealed -o - | tar x
    strongroom open --key-file my.key film.mkv.sealed --offset 1000000 --length 4096 -o part
    """
    check_output(inputs, output, console)
    in_part = offset is not None or length is not None
    if in_part and (is_many(inputs) or PIPE in inputs):
        raise click.UsageError("--offset and --length are for one file, not a pipe")
    key = secret.credential(console, confirm=False, piped=PIPE in inputs)
    if in_part:
        target = STDOUT if output == PIPE else output
        count = open_part(
            inputs[0], target, key=key, offset=offset or 0, length=length, overwrite=force
        )
        console.emit(input=str(inputs[0]), output=str(output), raw_bytes=count)
        return

    def file(task: Task, progress: Progress) -> Result:
        return open_file(
            task.source,
            task.target,
            key=key,
            overwrite=force,
            threads=threads,
            progress=progress,
        )

    def descriptor(source: Source, target_fd: int, doing: str, progress: Progress) -> Result:
        return open_descriptor(
            source.fd, target_fd, key=key, doing=doing, threads=threads, watch=Watch(progress)
        )

    verb = Transfer(
        doing="opening",
        file=file,
        descriptor=descriptor,
        rename=lambda name: name.removesuffix(SUFFIX),
        suffix=SUFFIX,
        overwrite=force,
    )
    transfer(verb, inputs, output, console)
