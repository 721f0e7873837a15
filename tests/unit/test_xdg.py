"""Where a user's machine keeps what it knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strongroom.errors import UsageError
from strongroom.xdg import cache_home, state_home

HOMES = {"XDG_CACHE_HOME": cache_home, "XDG_STATE_HOME": state_home}
USUAL = {"XDG_CACHE_HOME": ".cache/strongroom", "XDG_STATE_HOME": ".local/state/strongroom"}


@pytest.mark.parametrize("variable", HOMES)
def test_a_folder_is_where_its_variable_says(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    assert HOMES[variable]() == tmp_path / "there" / "strongroom"


@pytest.mark.parametrize("given", [None, "", "relative/path"])
@pytest.mark.parametrize("variable", HOMES)
def test_what_is_unset_or_relative_is_ignored(
    variable: str, given: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(variable, raising=False)
    if given is not None:
        monkeypatch.setenv(variable, given)
    assert HOMES[variable]() == tmp_path / USUAL[variable]


@pytest.mark.parametrize("variable", HOMES)
def test_without_a_home_a_user_is_told_what_to_set(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 2)  # of whom the system knows nothing
    with pytest.raises(UsageError, match=f"nor is {variable} set"):
        HOMES[variable]()
