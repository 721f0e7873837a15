"""The recovery sheet says all that is needed, and what it says works."""

from __future__ import annotations

import re

from strongroom import RootKey
from strongroom.keys.sheet import recovery_sheet

ROOT = RootKey(bytes(range(32)))


def sheet(repository: str = "/srv/backup") -> str:
    return recovery_sheet(ROOT, repository=repository, repo_id=bytes(32), made="2026-11-22")


def test_the_digits_on_the_sheet_are_the_key() -> None:
    digits = re.search(r"^Key((?:\s+[0-9a-f]{4}){16})$", sheet(), re.MULTILINE)
    assert digits is not None
    assert RootKey.from_digits(digits[1]) == ROOT
    assert len(digits[1].strip().splitlines()) == 4


def test_the_sheet_names_the_repository_and_commands_that_can_be_typed() -> None:
    written = sheet("/srv/my backup")
    assert "Repository   /srv/my backup\n" in written
    assert "Made on      2026-11-22\n" in written
    assert "strongroom key check -r '/srv/my backup' --key-file recovery.key" in written
    assert "strongroom restore -r '/srv/my backup' --key-file recovery.key latest" in written


def test_the_sheet_is_plain_and_fits_paper() -> None:
    written = sheet()
    assert written.isascii()
    assert max(map(len, written.splitlines())) <= 96
    assert len(written.splitlines()) <= 60
