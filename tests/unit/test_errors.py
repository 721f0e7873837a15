"""The tree of errors, and its exit codes that scripts rely on."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom import errors
from strongroom.errors import StrongroomError

ROOT = Path(__file__).resolve().parents[2]

CODES = {
    "StrongroomError": 1,
    "SourceError": 1,
    "TargetError": 1,
    "TargetExistsError": 1,
    "UsageError": 2,
    "IncompleteError": 3,
    "NoRepositoryError": 10,
    "ConflictError": 11,
    "ObjectExistsError": 11,
    "WrongKeyError": 12,
    "InvalidKeyError": 12,
    "DamagedError": 13,
    "ObjectMissingError": 13,
    "UnsupportedError": 14,
    "LimitError": 14,
    "RolledBackError": 15,
    "VaultRefusedError": 16,
    "UnreachableError": 17,
    "CancelledError": 130,
}
CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}


def test_every_error_has_its_documented_exit_code() -> None:
    assert {name: cls.exit_code for name, cls in CLASSES.items()} == CODES


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_every_error_descends_from_strongroom_error_and_says_what_it_means(
    cls: type[StrongroomError],
) -> None:
    assert issubclass(cls, StrongroomError)
    assert (cls.__doc__ or "").strip().endswith(".")
    assert not issubclass(cls, OSError)


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_an_error_carries_message_and_hint(cls: type[StrongroomError]) -> None:
    assert str(cls("opening x: failed")) == "opening x: failed"
    assert cls("m").hint == cls.default_hint
    assert cls("m", hint="do this").hint == "do this"
    assert cls("m", hint="").hint == ""


def test_specific_errors_are_caught_as_general_ones() -> None:
    assert issubclass(errors.TargetExistsError, errors.TargetError)
    assert issubclass(errors.InvalidKeyError, errors.WrongKeyError)


def test_errors_md_is_current() -> None:
    rendered = subprocess.run(
        [sys.executable, "-m", "dev.errors_doc"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    written = (ROOT / "docs/ERRORS.md").read_bytes()
    assert written == rendered, "run: python -m dev.errors_doc > docs/ERRORS.md"


def test_errors_md_names_every_error_and_every_code() -> None:
    written = (ROOT / "docs/ERRORS.md").read_text("utf-8")
    for name, code in CODES.items():
        assert f"`{name}`" in written
        assert f"\n| {code} |" in written
