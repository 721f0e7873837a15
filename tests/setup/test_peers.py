"""Programs to compare with that cannot be had are named, and stop nothing."""

from pathlib import Path

import pytest

from dev import peers


def test_who_cannot_be_had_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get there
    packaged = {name: peers.PEERS[name] for name in ("restic", "borg2")}
    monkeypatch.setattr(peers, "PEERS", packaged)
    peers.unpack()
    said = capsys.readouterr().out
    assert said.count("cannot be had: this system has no apt-get") == 2
    assert list((tmp_path / "cache/strongroom/peers").glob("*/")) == []


def test_what_was_unpacked_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []

    def make(_suites: peers.Suites, out: Path) -> str:
        made.append(out)
        return "3.1"

    monkeypatch.setattr(peers, "PEERS", {"some": make})
    peers.unpack()
    peers.unpack()
    assert len(made) == 1
    assert capsys.readouterr().out.count("3.1") == 2
