"""Killed at each step: nothing that was committed is lost, and the next run works."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from faults.conftest import change, fill
from faults.injected import Driver, Fault, Outcome, Step, spread, steps_of
from faults.library import Library, Picture, assert_same, look
from program import PATIENCE, Program
from strongroom.manifest.entry import FILE
from strongroom.ops.overwrite import Overwrite
from strongroom.repository.snapshots import Snapshot

PARTS = range(2)


def faults_of(steps: Sequence[Step], folder: Path) -> list[Fault]:
    """Before each step, and in the middle of each writing one."""
    faults = [Fault(folder, step.n) for step in steps]
    return faults + [Fault(folder, s.n, "torn") for s in steps if s.kind == "write"]


def was_due(outcome: Outcome, fault: Fault) -> bool:
    """It was killed; or it ended before that step, as workers share their work as they come."""
    assert fault.trace is not None
    took = len(steps_of(fault.trace))
    fault.trace.unlink()
    return outcome.killed or (outcome.done and took < fault.n)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("part", PARTS)
def test_a_killed_backup_loses_nothing(
    faulty: Driver, library: Library, tmp_path: Path, part: int, first: bool
) -> None:
    fill(library.tree)
    before: list[tuple[Snapshot, Picture]] = []
    if not first:
        before = [(library.back_up(), look(library.tree))]
        change(library.tree)
    now = look(library.tree)
    trace = tmp_path / "trace"
    counted = library.copy(tmp_path / "counted")
    assert faulty.back_up(counted.base, Fault(counted.folder, trace=trace)).done
    steps = spread(steps_of(trace), 44 if first else 30, seed=1)
    for number, due in enumerate(faults_of(steps, tmp_path)[part :: len(PARTS)]):
        hurt = library.copy(tmp_path / f"{number}")
        fault = replace(due, folder=hurt.folder, trace=tmp_path / "hurt trace")
        assert was_due(faulty.back_up(hurt.base, fault), fault), fault
        check_after_kill(hurt, before, now)
        shutil.rmtree(hurt.base)


def check_after_kill(hurt: Library, before: list[tuple[Snapshot, Picture]], now: Picture) -> None:
    assert hurt.scrub() == []
    found = hurt.snapshots()
    assert found[: len(before)] == [snapshot for snapshot, _ in before]
    for snapshot, picture in before:
        assert_same(hurt.held(snapshot), picture)
    for snapshot in found[len(before) :]:  # it was killed after the commit
        assert_same(hurt.held(snapshot), now)
    again = hurt.back_up()
    assert_same(hurt.held(again), now)
    assert hurt.leftovers() == []
    assert hurt.scrub() == []


def test_a_power_cut_at_any_step_loses_nothing(
    faulty: Driver, library: Library, tmp_path: Path
) -> None:
    """What is committed was durable before: contents, then names, then the log, then its name."""
    fill(library.tree)
    trace = tmp_path / "trace"
    assert faulty.back_up(library.base, Fault(library.folder, trace=trace)).done
    steps = steps_of(trace)
    (entry,) = [s.n for s in steps if s.kind == "link" and s.path.endswith("log/" + "0" * 15 + "1")]
    last = {(s.kind, Path(s.path).name): s.n for s in steps}
    first_sync = {s.path: s.n for s in reversed(steps) if s.kind == "fsync"}
    moved = [s for s in steps if s.kind == "link" and "/segments/" in s.path]
    assert len(moved) >= 3
    for step in moved:
        name = Path(step.path).name
        assert last["write", name] < last["fsync", name] < step.n
        syncs = [s.n for s in steps if s.kind == "fsync" and s.path == str(Path(step.path).parent)]
        assert any(step.n < n < entry for n in syncs), step
    made = [s for s in steps if s.kind == "mkdir" and library.folder / "tmp" not in up(s.path)]
    assert len(made) >= 3
    for step in made:
        above = [s.n for s in steps if s.kind == "fsync" and s.path == str(Path(step.path).parent)]
        assert any(step.n < n for n in above), step
    written = [s for s in steps if s.kind == "write" and "/log" in s.path]
    assert max(s.n for s in written) < first_sync[written[-1].path] < entry
    assert last["fsync", "log"] > entry


def up(path: str) -> list[Path]:
    """A path and all above it."""
    return [Path(path), *Path(path).parents]


def restored_steps(faulty: Driver, library: Library, base: Path, overwrite: str) -> list[Step]:
    """Of a restore to what is at base, or to a new place."""
    trace = base.with_name("trace")
    outcome = faulty.restore(library.base, base, Fault(base, trace=trace), overwrite)
    assert outcome.errors == []
    return steps_of(trace)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_restore_leaves_whole_files_and_can_be_finished(
    faulty: Driver, library: Library, tmp_path: Path, part: int
) -> None:
    fill(library.tree)
    library.back_up()
    expected = look(library.tree)
    steps = spread(restored_steps(faulty, library, tmp_path / "all", "refuse"), 56, seed=2)
    for number, due in enumerate(faults_of(steps, tmp_path)[part :: len(PARTS)]):
        target = tmp_path / f"{number}"
        target.parent.mkdir(exist_ok=True)
        fault = replace(due, folder=target, trace=tmp_path / "hurt trace")
        assert was_due(faulty.restore(library.base, target, fault), fault), fault
        tree = library.restored(target)
        if tree.exists():
            for path, seen in look(tree).items():
                assert seen.type == expected[path].type
                if seen.type == FILE:
                    assert seen == expected[path], path
        again = (Overwrite.NEVER, Overwrite.IF_NEWER, Overwrite.ALWAYS)[number % 3]
        library.restore(None, target, overwrite=again)
        assert_same(look(tree), expected)
        pipe, restored = (library.tree / "pipe").lstat(), (tree / "pipe").lstat()
        assert (restored.st_mode, restored.st_mtime_ns) == (pipe.st_mode, pipe.st_mtime_ns)
        if again is Overwrite.ALWAYS:  # else one of them may be the killed one's, and left alone
            assert Path(tree / "also 3").samefile(tree / "deep/er/3")
        shutil.rmtree(target)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_restore_leaves_old_files_or_new_ones(
    faulty: Driver, library: Library, tmp_path: Path, part: int
) -> None:
    fill(library.tree)
    library.back_up()
    old, target = look(library.tree), tmp_path / "old"
    library.restore(None, target)
    change(library.tree)
    library.back_up()
    new = look(library.tree)
    shutil.copytree(target, tmp_path / "counted", symlinks=True, ignore=special)
    steps = restored_steps(faulty, library, tmp_path / "counted", "always")
    steps = spread(steps, 14, seed=3)
    for number, due in enumerate(faults_of(steps, tmp_path)[part :: len(PARTS)]):
        hurt = tmp_path / f"{number}"
        shutil.copytree(target, hurt, symlinks=True, ignore=special)
        fault = replace(due, folder=hurt, trace=tmp_path / "hurt trace")
        assert was_due(faulty.restore(library.base, hurt, fault, "always"), fault), fault
        tree = library.restored(hurt)
        for path, seen in look(tree).items():
            if seen.type == FILE and b".strongroom-" not in path:
                assert seen.data in {p[path].data for p in (old, new) if path in p}, path
        library.restore(None, hurt, overwrite=Overwrite.ALWAYS)
        found = look(tree)
        for path, seen in new.items():
            assert found[path] == seen, path
        left = found.keys() - new.keys() - old.keys()
        assert all(b"/.strongroom-" in b"/" + path for path in left)
        shutil.rmtree(hurt)


def test_an_interrupted_backup_leaves_nothing(program: Program, tmp_path: Path) -> None:
    words = ("-r", "repository", "--key-file", "my.key")
    program("init", *words)
    process = program.start(
        "backup", *words, "--stdin-name", "x", stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(os.urandom(2**20))
    process.stdin.flush()
    end = time.monotonic() + PATIENCE
    while not list(tmp_path.glob("repository/tmp/*/*")) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    with process.stdin, process.stderr:
        assert process.wait(PATIENCE) == 130
        assert b"Traceback" not in process.stderr.read()
    assert list(tmp_path.glob("repository/tmp/*")) == []
    assert list(tmp_path.glob("repository/segments/*/*")) == []
    assert program("snapshots", *words, "--json").lines == []


def special(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "pipe"]
