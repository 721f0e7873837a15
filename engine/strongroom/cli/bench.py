"""strongroom bench"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console, put
from strongroom.cli.options import FILE, with_console, with_threads
from strongroom.ops.bench import MIB, Stage, limit_of, measure


@click.command("bench")
@click.option(
    "--dir",
    "folder",
    type=FILE,
    default=Path(),
    metavar="DIR",
    help="Measure reading and writing here; by default in the current folder.",
)
@click.option(
    "--mib",
    type=click.IntRange(1, 1 << 20),
    default=256,
    metavar="N",
    show_default=True,
    help="Write files of N MiB. Twice that must be free.",
)
@with_threads
@with_console
def command(*, folder: Path, mib: int, threads: int | None, console: Console) -> None:
    """Measure what sealing is made of on this machine, and say what limits it.

    Takes some seconds and leaves nothing behind. Figures are megabytes (10^6 bytes) of plaintext
    a second; quote them only beside others from the same run.

    \b
    strongroom bench
    strongroom bench --dir /mnt/backup --mib 2048 --json
    """
    stages: list[Stage] = []
    for stage in measure(folder, length=mib * MIB, threads=threads):
        stages.append(stage)
        _show(stage, console)
    limit = limit_of(stages)
    console.emit(limited_by=limit.stage, mb_per_s=round(limit.rate, 1), words=limit.words)
    if not console.as_json:
        put(limit.words[0].upper() + limit.words[1:])


def _show(stage: Stage, console: Console) -> None:
    console.emit(
        stage=stage.name,
        bytes=stage.length,
        seconds=stage.seconds,
        mb_per_s=round(stage.rate, 1),
        about=stage.about,
    )
    if not console.as_json:
        put(f"{stage.name:<9}{stage.rate:>9,.0f} MB/s   {stage.about}")
