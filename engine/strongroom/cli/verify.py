"""strongroom verify"""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from strongroom.cli.console import Console
from strongroom.cli.coverage import PERCENT, covered_fields, covered_words
from strongroom.cli.opening import counted, open_repository, shown, size_words, time_words
from strongroom.cli.options import with_console, with_freshness, with_repository, with_threads
from strongroom.cli.outcome import Outcome
from strongroom.cli.progress import Meter
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.verify import Finding, VerifyResult
from strongroom.stores.local import LocalStore


@click.command("verify")
@click.option("--data", is_flag=True, help="Read and check every stored byte too.")
@click.option(
    "--subset",
    type=PERCENT,
    metavar="P%",
    help="Read and check that part of the stored bytes, each time the next one.",
)
@with_threads
@with_freshness
@with_repository
@with_secret
@with_console
def command(
    *,
    data: bool,
    subset: float | None,
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

    With --subset only some segments are read, and the next run goes on from there: twenty runs with
    5% read everything once. How far it came is remembered on this machine.

    \b
    strongroom verify -r /mnt/backup
    strongroom verify -r /mnt/backup --data
    strongroom verify -r /mnt/backup --subset 5%
    """
    outcome = Outcome(console)

    def name(finding: Finding) -> None:
        outcome.add(finding.error, **_fields(finding))

    with (
        open_repository(store, secret, console) as repository,
        Meter(console, "verifying", None, is_bytes=False) as meter,
        meter.file("", 0) as step,
    ):
        result = repository.verify(
            data=data,
            subset=subset,
            threads=threads,
            on_damage=name,
            on_note=lambda words: console.say(f"strongroom: warning: {words}"),
            on_total=meter.expect,
            progress=step,
        )
    _report(result, console, data=data or subset is not None)
    outcome.settle(
        f"verifying: damaged are {counted(result.damaged_segments, 'segment')}, hurt by that "
        f"{counted(result.damaged_files, 'file') if result.damaged_files else 'no file'}",
        hint="restore gives back all but these; the next backup stores again what is still there"
        if result.damaged_files
        else "restore gives back every file",
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
    if result.read is not None and result.round is not None:
        checked = f"every byte of {covered_words(result.read)}"
        since = time_words(result.round.since)
        console.say(f"this round: {covered_words(result.round)} since {since}")
    console.say(
        f"checked {counted(result.snapshots, 'snapshot')} with {counted(result.files, 'file')}, "
        f"{counted(result.segments, 'segment')}, {size_words(result.stored_bytes)}: {checked}"
    )
    counts = {
        field.name: getattr(result, field.name)
        for field in dataclasses.fields(result)
        if field.name not in ("read", "round")
    }
    read, round_ = covered_fields(result.read), covered_fields(result.round)
    console.emit(summary=True, data=data, **counts, read=read, round=round_)
