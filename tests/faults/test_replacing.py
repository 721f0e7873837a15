"""What an output replaces, and what it never does."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey, TargetExistsError, UsageError, open_file, seal_bytes, seal_file
from strongroom.ops.source import Source
from strongroom.ops.target import new_file

SEAL = ("seal", "--key-file", "my.key")


def test_one_input_never_replaces_another(program: Program) -> None:
    folder = program.folder / "films"
    folder.mkdir()
    (folder / "x").write_bytes(b"one")
    (folder / "x.sealed").write_bytes(b"precious")
    run = program(*SEAL, "--force", "films/x", "films/x.sealed", "-o", "films", code=2)
    assert "which is the input films/x.sealed" in run.err
    assert (folder / "x.sealed").read_bytes() == b"precious"


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path, key: RootKey) -> None:
    (tmp_path / "s").write_bytes(seal_bytes(b"secret", key=key))
    (tmp_path / "plain").write_bytes(b"old")
    (tmp_path / "plain").chmod(0o600)
    open_file(tmp_path / "s", tmp_path / "plain", key=key, overwrite=True)
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o600


def status_of_disk(number: int) -> os.stat_result:
    fields = [stat.S_IFBLK | 0o660, 5, 6, 1, 0, 0, 0, 0, 0, 0]
    return os.stat_result(fields, {"st_rdev": number})


def test_a_disk_is_not_its_own_output() -> None:
    disk = Source(0, 0, status_of_disk(0x700))
    assert disk.is_same_as(status_of_disk(0x700))
    assert not disk.is_same_as(status_of_disk(0x701))


def test_a_terminal_or_pipe_may_be_input_and_output() -> None:
    reading, writing = os.pipe()
    source = Source.of_descriptor(reading)
    assert not source.is_same_as(os.fstat(writing))
    os.close(reading)
    os.close(writing)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a device")
def test_a_disk_is_only_written_to_when_that_was_asked_for(tmp_path: Path) -> None:
    device = tmp_path / "disk"
    try:
        os.mknod(device, stat.S_IFBLK | 0o600, os.makedev(7, 250))
    except PermissionError:
        pytest.skip("no device can be made here")
    with (
        pytest.raises(TargetExistsError),
        new_file(device, source=None, overwrite=False, doing="sealing"),
    ):
        pytest.fail("it was opened")


def test_a_file_that_has_lost_its_name_is_no_output(tmp_path: Path, key: RootKey) -> None:
    (tmp_path / "s").write_bytes(seal_bytes(b"data", key=key))
    with (tmp_path / "gone").open("wb") as gone:
        (tmp_path / "gone").unlink()
        with pytest.raises((UsageError, Exception), match="no place"):
            open_file(tmp_path / "s", f"/proc/self/fd/{gone.fileno()}", key=key, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s"]


class Alarmed(Exception):  # noqa: N818  # what a signal handler of the caller's may raise
    pass


def threads_end(count: int) -> bool:
    """Are there count threads again soon? The kernel lists one a moment longer than it lives."""
    deadline = time.monotonic() + 5
    while len(list(Path("/proc/self/task").iterdir())) != count:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def test_an_exception_from_a_signal_leaves_no_job_behind(tmp_path: Path, key: RootKey) -> None:
    def ring(*_: object) -> None:
        raise Alarmed

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)  # never written to: a job left behind would stay for ever
    before = len(list(Path("/proc/self/task").iterdir()))
    assert threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGALRM, ring)
    rung = 0
    try:
        for turn in range(30):
            try:
                signal.setitimer(signal.ITIMER_REAL, (50 + turn * 137 % 4000) * 1e-6)
                seal_file(fifo, tmp_path / "sealed", key=key, overwrite=True)
            except Alarmed:
                rung += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert threads_end(before)
    finally:
        signal.signal(signal.SIGALRM, previous)
        os.close(holder)
    assert rung == 30
    assert {p.name for p in tmp_path.iterdir()} == {"fifo"}
