"""A vault's own files are whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from strongroom.errors import TargetError, UsageError
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.newfile import write_new


def test_a_new_file_is_private_and_never_replaced(tmp_path: Path) -> None:
    write_new(tmp_path / "new", "text\n", why="it stays")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="it exists; it stays"):
        write_new(tmp_path / "new", "other\n", why="it stays")
    assert (tmp_path / "new").read_text() == "text\n"


@pytest.mark.parametrize("call", [1, 2])
def test_a_key_that_cannot_be_made_durable_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """By the file's own sync, or by its folder's."""
    calls = 0

    def fsync(_: int) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(TargetError, match="No space left"):
        Keeper([FileKeys.make(tmp_path / "key")])
    assert list(tmp_path.iterdir()) == []
    Keeper([FileKeys.make(tmp_path / "key")])
