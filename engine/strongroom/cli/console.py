"""What people and scripts get to read: words on stderr, data on stdout."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any, NamedTuple

import click

from strongroom.errors import StrongroomError, TargetError


def printable(text: str) -> str:
    """text with control characters escaped: a file's name must not drive a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say_error(error: StrongroomError) -> None:
    """The error, and its hint on a line of its own, on stderr."""
    _err(f"strongroom: error: {printable(str(error))}")
    if error.hint:
        _err(f"strongroom: hint: {printable(error.hint)}")


class Console(NamedTuple):
    """How much to say, and in which form."""

    as_json: bool
    quiet: bool
    verbose: bool
    progress: bool

    def say(self, words: str) -> None:
        """A remark for people, unless they asked for quiet."""
        if not self.quiet:
            _err(printable(words))

    def detail(self, words: str) -> None:
        """A remark only for those who asked for more."""
        if self.verbose:
            _err(printable(words))

    def emit(self, **fields: Any) -> None:
        """One JSON object a line on stdout, when --json was asked for."""
        if self.as_json:
            put(importlib.import_module("json").dumps(fields))  # few ask for it

    def fail(self, error: StrongroomError, **fields: Any) -> None:
        """Report what failed where the work goes on."""
        say_error(error)
        self.emit(**fields, error=str(error), hint=error.hint, exit_code=error.exit_code)

    @property
    def shows_progress(self) -> bool:
        """On a terminal, unless told not to."""
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        return self.progress and not self.quiet and on_terminal


def refuse_terminal(fd: int, what: str) -> None:
    """Raise a usage error rather than write binary data to a terminal."""
    if os.isatty(fd):
        raise click.UsageError(
            f"refusing to write {what} to a terminal; redirect it or name a file"
        )


def put(line: str) -> None:
    """A line of data on standard output. Raises TargetError where that is closed."""
    if sys.stdout is None:
        raise TargetError("writing to standard output: it is closed")
    click.echo(line)


def _err(line: str) -> None:
    # Names that are no Unicode come with surrogates, which stderr may not take. Nobody listening
    # is no reason to stop, or to end with another exit code.
    with contextlib.suppress(OSError):
        click.echo(line.encode("utf-8", "backslashreplace").decode("utf-8"), err=True)
