"""One verb over many files: go on after a failure, name it, and end with the gravest code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from strongroom._core import Progress
from strongroom.cli.console import Console
from strongroom.cli.progress import Meter
from strongroom.errors import (
    DamagedError,
    IncompleteError,
    LimitError,
    StrongroomError,
    UnsupportedError,
    WrongKeyError,
)


class Item(Protocol):
    """A file to work on."""

    @property
    def source(self) -> Path: ...
    @property
    def size(self) -> int: ...


ItemT = TypeVar("ItemT", bound=Item)

_GRAVEST_FIRST: tuple[type[StrongroomError], ...] = (
    DamagedError,
    WrongKeyError,
    UnsupportedError,
    LimitError,
)


def run_batch(
    items: Sequence[ItemT],
    earlier: Sequence[StrongroomError],
    console: Console,
    *,
    verb: str,
    work: Callable[[ItemT, Progress], None],
) -> None:
    """Work on every item. earlier: what failed before it came to be one.

    Raises at the end if anything failed, having named each. Damage, then a wrong key, then what
    is unsupported decide the kind of error; all else is IncompleteError.
    """
    failures = list(earlier)
    for error in earlier:
        console.fail(error)
    with Meter(console, verb, sum(item.size for item in items)) as meter:
        for item in items:
            try:
                with meter.file(item.source.name, item.size) as progress:
                    work(item, progress)
            except StrongroomError as error:
                failures.append(error)
                console.fail(error, input=str(item.source))
    total = len(items) + len(earlier)
    console.emit(summary=True, files=total - len(failures), errors=len(failures))
    if failures:
        message = f"{verb}: {len(failures)} of {total} failed, each named above"
        raise _kind_of(failures)(message, hint="")


def _kind_of(failures: Sequence[StrongroomError]) -> type[StrongroomError]:
    for kind in _GRAVEST_FIRST:
        if any(isinstance(failure, kind) for failure in failures):
            return kind
    return IncompleteError
