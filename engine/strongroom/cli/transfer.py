"""From inputs to outputs: what seal and open have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import click

from strongroom._core import Progress, Result
from strongroom.cli.batch import run_batch
from strongroom.cli.console import Console, refuse_terminal
from strongroom.cli.options import PIPE
from strongroom.cli.plan import (
    SUFFIX,
    Rename,
    Task,
    check_apart,
    find,
    is_folder,
    is_many,
    plan,
    size_of,
)
from strongroom.cli.progress import Meter
from strongroom.errors import SourceError, TargetError
from strongroom.ops.source import Source, open_source
from strongroom.ops.target import new_file

STDIN, STDOUT = 0, 1

FileWork: TypeAlias = Callable[[Task, Progress], Result]
DescriptorWork: TypeAlias = Callable[[Source, int, str, Progress], Result]
"""(source, target descriptor, what is being done, progress)."""


class Transfer(NamedTuple):
    """A verb, with its settings applied."""

    doing: str
    """sealing or opening."""
    file: FileWork
    descriptor: DescriptorWork
    rename: Rename
    suffix: str
    """What the names of inputs in folders end in."""
    overwrite: bool


def check_output(inputs: tuple[Path, ...], output: Path, console: Console) -> None:
    """Refuse what cannot be, before anyone is asked for a password."""
    if PIPE in (output, *inputs) and len(inputs) > 1:
        raise click.UsageError("- stands alone: one input, one output")
    if output == PIPE:
        if console.as_json:
            raise click.UsageError("--json and the data cannot both go to standard output")
        refuse_terminal(STDOUT, "binary data")


def transfer(verb: Transfer, inputs: tuple[Path, ...], output: Path, console: Console) -> None:
    """Do it: pipe, folder, or one file. Raises what the verb raises, or batch's verdict."""
    if PIPE in (output, *inputs):
        _through_pipe(verb, inputs[0], output, console)
    elif is_many(inputs) or is_folder(output):
        _folder(verb, inputs, output, console)
    else:
        size = size_of(inputs[0])
        task = Task(inputs[0], output, size)
        with Meter(console, verb.doing, size) as meter, meter.file(task.source.name, size) as step:
            result = verb.file(task, step)
        _report(console, str(task.source), str(task.target), result)


def _folder(verb: Transfer, inputs: tuple[Path, ...], output: Path, console: Console) -> None:
    if output.exists() and not is_folder(output):
        raise click.UsageError(f"{output} is a file; many inputs need a folder")
    check_apart(inputs, output)
    findings = find(inputs, suffix=verb.suffix)
    tasks = plan(findings, output, verb.rename)
    for path in findings.passed_over:
        console.say(f"passed over {path}: its name does not end in {SUFFIX}")

    def work(task: Task, progress: Progress) -> None:
        _make_folder(task.target.parent)
        _report(console, str(task.source), str(task.target), verb.file(task, progress))

    run_batch(tasks, findings.errors, console, verb=verb.doing, work=work)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"making {folder}: {error.strerror}") from None


def _through_pipe(verb: Transfer, source: Path, target: Path, console: Console) -> None:
    """Standard input or standard output on at least one side."""
    if source == PIPE:
        doing = f"{verb.doing} standard input"
        _from_open(verb, standard_input(doing=doing), target, console, doing)
        return
    doing = f"{verb.doing} {source}"
    with open_source(source, doing=doing) as opened:
        _from_open(verb, opened, target, console, doing)


def standard_input(*, doing: str) -> Source:
    """What came in on descriptor 0. Raises SourceError when that is closed."""
    try:
        return Source.of_descriptor(STDIN)
    except OSError as error:
        raise SourceError(f"{doing}: {error.strerror}") from None


def _from_open(verb: Transfer, source: Source, target: Path, console: Console, doing: str) -> None:
    meter = Meter(console, verb.doing, source.size or None)
    with meter, meter.file("", source.size) as step:
        if target == PIPE:
            source.check_apart(STDOUT, doing=doing)
            verb.descriptor(source, STDOUT, doing, step)
            return
        with new_file(target, source=source, overwrite=verb.overwrite, doing=doing) as fd:
            result = verb.descriptor(source, fd, doing, step)
    _report(console, "-", str(target), result)


def _report(console: Console, source: str, target: str, result: Result) -> None:
    console.detail(f"{target}: root {result.root.hex()}")
    console.emit(
        input=source,
        output=target,
        root=result.root.hex(),
        frames=result.frames,
        raw_bytes=result.raw_bytes,
        stored_bytes=result.stored_bytes,
    )
