"""What only tests need and cannot be had skips them by name, and fails them in CI."""

from pathlib import Path

import pytest

from dev import services
from dev.console import SetupError


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and no apt-get."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("nothing")
def test_who_cannot_be_had_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    services.unpack()
    said = capsys.readouterr().out
    for name in services.SERVICES:
        assert f"{name} cannot be had: this system has no apt-get" in said


@pytest.mark.usefixtures("nothing")
def test_in_ci_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SetupError, match="cannot be had: this system has no apt-get"):
        services.unpack()
