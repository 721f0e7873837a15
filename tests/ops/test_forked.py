"""A child of fork, however it ends, leaves alone what its parent has under way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from strongroom import Progress, Repository, RootKey
from strongroom.ops import landing

NOISE = bytes(range(256)) * 12_345


@pytest.fixture
def made(tmp_path: Path, key: RootKey, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    Path("src").mkdir()
    Path("src/film").write_bytes(NOISE)
    Repository.create("repo", key=key).close()
    return tmp_path / "repo"


class _ChildsEnd(BaseException):
    """As the child's sys.exit would be."""


def ended() -> NoReturn:
    signal.alarm(20)
    raise _ChildsEnd


def beside_a_child(work: Callable[[Progress], None]) -> None:
    """Work in whose midst a child is forked, in which it unwinds before it goes on here."""
    children: list[int] = []

    def progress(_read: int, _written: int) -> None:
        if not children:
            children.append(os.fork())
            if not children[0]:
                ended()
            assert os.waitpid(children[0], 0)[1] == 0

    try:
        work(progress)
    except _ChildsEnd:
        os._exit(0)
    assert children


def test_a_child_that_unwinds_leaves_backups_and_restores_to_its_parent(
    made: Path, key: RootKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where files cannot be nameless: those have nothing that a child could remove.
    monkeypatch.setattr(landing, "_NAMELESS", os.O_WRONLY | os.O_DIRECTORY)

    def back_up(progress: Progress) -> None:
        with Repository.open(made, key=key) as repository:
            repository.backup("src", progress=progress)

    def restore(progress: Progress) -> None:
        with Repository.open(made, key=key) as repository:
            repository.restore("latest", "out", progress=progress)

    beside_a_child(back_up)
    beside_a_child(restore)
    assert Path("out/src/film").read_bytes() == NOISE


def test_a_child_does_not_wait_for_threads_that_stayed_with_the_parent(
    made: Path, key: RootKey
) -> None:
    begun, forked = threading.Event(), threading.Event()

    def hold(_read: int, _written: int) -> None:
        begun.set()
        forked.wait(20)

    with Repository.open(made, key=key) as repository:
        holding = threading.Thread(target=lambda: repository.backup("src", progress=hold))
        holding.start()
        begun.wait(20)
        child = os.fork()
        if not child:
            signal.alarm(20)
            with repository, pytest.raises(ValueError, match="before a fork"):
                repository.snapshots()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        forked.set()
        holding.join()
        assert [one.info.bytes for one in repository.snapshots()] == [len(NOISE)]
