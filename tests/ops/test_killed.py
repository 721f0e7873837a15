"""Killed at any step: nothing that was there is lost, nothing half done has a name, and the next
run finishes it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom.ops import contents, gather, tree
from strongroom.ops.overwrite import Overwrite
from tests.ops.test_backup_and_restore import Vault
from tests.ops.trees import Snapshot, picture, write

STEPS = ("open", "link", "rename", "mkdir", "symlink", "unlink", "fsync", "chmod", "utime", "close")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(contents, "FILES_MAX", 3)
    monkeypatch.setattr(gather, "FILES_MAX", 3)
    monkeypatch.setattr(tree, "_TICK_NS", -(10**10))
    return tmp_path


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Run it in a process that dies before that system call. False: it came to its end."""
    child = os.fork()
    if child:
        ended = os.waitpid(child, 0)[1]
        assert ended in (0, signal.SIGKILL), f"step {step}: it failed"
        return ended != 0
    left, code = step, 1

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def counting(*args: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **more)

        return counting

    try:
        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        work()
        code = 0
    finally:
        os._exit(code)


def make_tree() -> None:
    for number in range(9):
        write(f"t/{number % 3}/{number}", b"%d" % number * 1000)
    Path("t/link").symlink_to("x")
    Path("t/2/name").hardlink_to("t/0/0")
    Path("t/empty").mkdir()


def whole(expected: dict[str, tuple], found: dict[str, tuple]) -> bool:
    """Is everything there that is, apart from folders, as it should be?"""
    return all(
        expected[name][4] == content for name, (*_, content) in found.items() if content is not None
    )


@pytest.mark.parametrize("overwrite", [Overwrite.NEVER, Overwrite.IF_NEWER, Overwrite.ALWAYS])
def test_a_restore_killed_at_any_step_can_be_finished(overwrite):
    make_tree()
    snapshot = Snapshot()
    snapshot.record("t")
    expected = picture("t")
    old = b"as it was"
    for step in range(10_000):
        shutil.rmtree("out", ignore_errors=True)
        if overwrite is Overwrite.ALWAYS:
            write("out/t/1/4", old)
        dead = killed_at(step, lambda: snapshot.restore(overwrite=overwrite))
        found = picture("out/t") if Path("out/t").exists() else {}
        if overwrite is Overwrite.ALWAYS and found["1/4"][4] == old:
            del found["1/4"]
        left_over = [name for name in found if ".strongroom-" in name]
        for name in left_over:
            assert overwrite is Overwrite.ALWAYS
            Path("out/t", name).unlink()
            del found[name]
        assert whole(expected, found), step
        snapshot.restore(overwrite=overwrite)
        assert snapshot.errors == []
        assert picture("out/t") == expected
        if not dead:
            break
    assert step > 50


def test_a_backup_killed_at_any_step_loses_nothing(tmp_path):
    make_tree()
    vault = Vault(tmp_path)
    vault.backup("t")
    for step in range(10_000):
        write("t/new", b"%d" % step)
        with vault.open() as repository:
            before = repository.snapshots
        dead = killed_at(step, lambda: vault.backup("t"))
        with vault.open() as repository:
            after = repository.snapshots
        assert after[: len(before)] == before
        assert len(after) - len(before) in ({0, 1} if dead else {1})
        if step % 5 == 0 or len(after) > len(before):
            shutil.rmtree("out", ignore_errors=True)
            if len(after) == len(before):
                vault.backup("t")
            vault.restore()
            assert vault.errors == []
            assert picture("out/t") == picture("t")
        if not dead:
            break
    assert step > 10
    vault.backup("t")
    working = vault.store.folder / "tmp"
    assert list(working.iterdir()) == []
