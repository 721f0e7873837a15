"""Handing a key over to the person who has to keep it."""

from __future__ import annotations

import functools
import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import segno

from strongroom.cli.options import FILE
from strongroom.cli.private import write_private
from strongroom.errors import InvalidKeyError, TargetError, UsageError
from strongroom.keys.rootkey import RootKey
from strongroom.keys.sheet import recovery_sheet

_ATTEMPTS: Final = 3
_GROUPS_A_LINE: Final = 4


@dataclass(frozen=True, slots=True)
class Recovery:
    """Where the digits go."""

    digits_out: Path | None
    sheet: Path | None
    qr: bool

    def write_files(self, root: RootKey, *, repository: str, repo_id: bytes) -> list[Path]:
        """What was asked for, as new files that only their owner reads. None is left of several
        when one fails. Raises TargetExistsError, TargetError."""
        texts: list[tuple[Path, str, str]] = []
        if self.digits_out is not None:
            digits = root.to_digits().replace(" ", "") + "\n"
            texts.append((self.digits_out, digits, "the key"))
        if self.sheet is not None:
            today = time.strftime("%Y-%m-%d")
            text = recovery_sheet(root, repository=repository, repo_id=repo_id, made=today)
            texts.append((self.sheet, text, "the recovery sheet"))
        written: list[Path] = []
        try:
            for path, text, what in texts:
                write_private(path, text, doing=f"writing {what} to {path}")
                written.append(path)
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise
        return written

    def show(self, root: RootKey) -> None:
        """The digits, unless they went into a file, and the QR code if asked for, on stderr:
        quiet or not, for they are shown nowhere else. Raises TargetError."""
        shown = ""
        if self.digits_out is None:
            shown = "The key of this repository. Write it down; it is not shown again:\n\n"
            shown += f"{digit_lines(root)}\n"
        if self.qr:
            shown += qr_code(root)
        if not shown:
            return
        if sys.stderr is None:
            raise TargetError("showing the key: standard error is closed")
        click.echo(shown, err=True)


def with_recovery(function: Callable[..., Any]) -> Callable[..., Any]:
    """--digits-out, --sheet and --qr, gathered into `recovery`."""

    @click.option("--digits-out", type=FILE, help="Write the 64 digits to this new file.")
    @click.option("--sheet", type=FILE, help="Write a recovery sheet to print to this new file.")
    @click.option("--qr", is_flag=True, help="Show the digits as a QR code too.")
    @functools.wraps(function)
    def wrapped(*, digits_out: Path | None, sheet: Path | None, qr: bool, **rest: Any) -> Any:
        return function(recovery=Recovery(digits_out, sheet, qr), **rest)

    return wrapped


def digit_lines(root: RootKey) -> str:
    """Four lines of four groups, to be copied by hand."""
    groups = root.to_digits().split()
    lines = [groups[i : i + _GROUPS_A_LINE] for i in range(0, len(groups), _GROUPS_A_LINE)]
    return "".join(f"    {'  '.join(line)}\n" for line in lines)


def qr_code(root: RootKey) -> str:
    """The digits for a camera. Capitals make the code smaller."""
    code = segno.make_qr(root.to_digits().replace(" ", "").upper(), error="m")
    drawn = io.StringIO()
    code.terminal(out=drawn, border=2, compact=True)
    return drawn.getvalue()


def ask_back(root: RootKey) -> None:
    """Have the digits typed in, to be sure that they were copied right. Raises UsageError."""
    for _ in range(_ATTEMPTS):
        typed = click.prompt("Type the digits from your copy", type=str, err=True)
        try:
            wrong = _wrong_groups(RootKey.from_digits(typed), root)
        except InvalidKeyError as error:
            click.echo(f"strongroom: {error}", err=True)
            continue
        if not wrong:
            return
        groups = ", ".join(map(str, wrong))
        click.echo(f"strongroom: not what was shown: group {groups}", err=True)
    raise UsageError(
        "the digits were not typed back; nothing was made",
        hint="begin again, or pass --digits-out FILE or --no-confirm",
    )


def _wrong_groups(typed: RootKey, root: RootKey) -> list[int]:
    """Which groups differ, counted from 1."""
    pairs = zip(typed.to_digits().split(), root.to_digits().split(), strict=True)
    return [number for number, (mine, right) in enumerate(pairs, start=1) if mine != right]
