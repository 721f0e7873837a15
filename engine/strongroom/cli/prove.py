"""strongroom prove"""

from __future__ import annotations

import os
from pathlib import Path

import click

from strongroom.cli.console import Console
from strongroom.cli.options import FILE, with_console, with_threads
from strongroom.cli.plan import size_of
from strongroom.cli.progress import Meter
from strongroom.ops.prove import prove
from strongroom.ops.source import open_source
from strongroom.ops.write import write_file


@click.command("prove")
@click.argument("file", type=FILE, metavar="FILE")
@click.option("--frame", type=click.IntRange(min=0), required=True, metavar="N", help="From 0.")
@click.option("-o", "--output", required=True, type=FILE, metavar="PROOF", help="Write it here.")
@click.option("--frame-file", type=FILE, help="Write the frame here, as it is stored.")
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@with_threads
@with_console
def command(
    *,
    file: Path,
    frame: int,
    output: Path,
    frame_file: Path | None,
    force: bool,
    threads: int | None,
    console: Console,
) -> None:
    """Prove, without a key, that a frame is part of a sealed file.

    Frame N is the N-th MiB after the first 4096 bytes. Who knows the file's root can check the
    proof against the frame alone, with verify-proof.

    \b
    strongroom prove film.mkv.sealed --frame 2 -o 2.proof --frame-file 2.frame
    strongroom verify-proof --root 5d1c... --frame-file 2.frame 2.proof
    """
    if frame_file is not None and os.path.realpath(frame_file) == os.path.realpath(output):
        raise click.UsageError(f"proof and frame cannot both become {output}")
    size = size_of(file)
    with Meter(console, "proving", size) as meter, meter.file(file.name, size) as step:
        made = prove(file, frame=frame, threads=threads, progress=step)
    with open_source(file, doing=f"proving {file}") as source:
        write_file(output, made.proof, source=source, overwrite=force)
        if frame_file is not None:
            write_file(frame_file, made.frame, source=source, overwrite=force)
    console.say(f"{output}: frame {frame} of root {made.root.hex()}")
    console.emit(input=str(file), output=str(output), frame=frame, root=made.root.hex())
