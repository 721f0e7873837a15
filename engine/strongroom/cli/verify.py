"""strongroom verify"""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from strongroom.cli.console import Console
from strongroom.cli.opening import counted, open_repository, shown, size_words
from strongroom.cli.options import (
    with_console,
    with_freshness,
    with_repository,
    with_secret,
    with_threads,
)
from strongroom.cli.outcome import Outcome
from strongroom.cli.progress import Meter
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.verify import Finding, VerifyResult
from strongroom.stores.local import LocalStore


@click.command("verify")
@click.option("--data", is_flag=True, help="Read and check every stored byte too.")
@with_threads
@with_freshness
@with_repository
@with_secret
@with_console
def command(
    *,
    data: bool,
    threads: int | None,
    store: LocalStore,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Check that every snapshot can be restored.

    The log, the manifests and the directories of all segments are read, and every chunk that a
    file needs must be in one of them. With --data every byte is read and every chunk checked.
    Each damaged segment is named, and exactly those files that it hurts. What was found lost and
    is still there is stored again by the next backup.

    \b
    strongroom verify -r /mnt/backup
    strongroom verify -r /mnt/backup --data
    """
    outcome = Outcome(console)

    def name(finding: Finding) -> None:
        outcome.add(finding.error, **_fields(finding))

    with open_repository(store, secret, console) as repository:
        total = repository.stored_bytes if data else None
        with Meter(console, "verifying", total) as meter, meter.file("", 0) as step:
            result = repository.verify(data=data, threads=threads, on_damage=name, progress=step)
    _report(result, console, data=data)
    outcome.settle(
        f"verifying: damaged are {counted(result.damaged_segments, 'segment')}, hurt by that "
        f"{counted(result.damaged_files, 'file')}",
        hint="restore gives back all but these; the next backup stores again what is still there",
    )


def _fields(finding: Finding) -> dict[str, Any]:
    fields = {}
    if finding.segment is not None:
        fields["segment"] = finding.segment.hex()
    if finding.snapshot is not None:
        fields["snapshot"] = finding.snapshot.id.hex()
    if finding.path is not None:
        fields["path"] = shown(finding.path)
    return fields


def _report(result: VerifyResult, console: Console, *, data: bool) -> None:
    checked = "every byte" if data else "directories, not the data itself"
    console.say(
        f"checked {counted(result.snapshots, 'snapshot')} with {counted(result.files, 'file')}, "
        f"{counted(result.segments, 'segment')}, {size_words(result.stored_bytes)}: {checked}"
    )
    console.emit(summary=True, data=data, **dataclasses.asdict(result))
