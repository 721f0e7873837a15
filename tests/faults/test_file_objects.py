"""Opener and Sealer against plain files, and what they leave behind when something goes wrong."""

from __future__ import annotations

import concurrent.futures
import gc
import io
import os
import select
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom import (
    DamagedError,
    Opener,
    RootKey,
    Sealer,
    StrongroomError,
    TargetError,
    TargetExistsError,
    UsageError,
    open_bytes,
    open_file,
    scrub,
    seal_bytes,
    seal_file,
)

CHUNK = 2**20 - 64


def contents(noise: bytes, prose: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "short": b"abc",
        "noise": noise,
        "prose": prose,
        "mixed": noise[:CHUNK] + prose[:CHUNK] + bytes(2 * CHUNK) + noise[:100],
    }


def sealed(tmp_path: Path, key: RootKey, data: bytes) -> Path:
    path = tmp_path / "sealed"
    path.write_bytes(seal_bytes(data, key=key))
    return path


@pytest.mark.parametrize("name", ["empty", "short", "noise", "prose", "mixed"])
def test_seeks_and_reads_are_those_of_a_plain_file(
    name: str, tmp_path: Path, key: RootKey, noise: bytes, prose: bytes
) -> None:
    data = contents(noise, prose)[name]
    path = sealed(tmp_path, key, data)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(-10, len(data) + 10), st.integers(-1, 2**21))))
    def compare(steps: list[tuple[int, int]]) -> None:
        with Opener(path, key=key) as opened:
            plain = io.BytesIO(data)
            for offset, count in steps:
                if offset < 0:
                    assert opened.seek(max(offset, -len(data)), 2) == plain.seek(
                        max(offset, -len(data)), 2
                    )
                else:
                    assert opened.seek(offset) == plain.seek(offset)
                assert opened.read(count) == plain.read(count)
                assert opened.tell() == plain.tell()

    compare()


def test_an_opener_serves_what_wants_a_file(tmp_path: Path, key: RootKey, noise: bytes) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("film", noise)
        packed.writestr("notes", "text")
    with Opener(sealed(tmp_path, key, archive.getvalue()), key=key) as opened:
        unpacked = zipfile.ZipFile(io.BufferedReader(opened))
        assert unpacked.read("notes") == b"text"
        assert unpacked.read("film") == noise


def test_an_opener_reads_only_the_frames_it_needs(
    tmp_path: Path, key: RootKey, noise: bytes
) -> None:
    path = sealed(tmp_path, key, noise)
    broken = bytearray(path.read_bytes())
    broken[4096 + 2**20 + 5] ^= 1  # frame 1
    path.write_bytes(broken)
    with Opener(path, key=key) as opened:
        assert opened.read(1000) == noise[:1000]
        opened.seek(CHUNK - 10)
        with pytest.raises(DamagedError, match="frame 1: authentication failed"):
            opened.read(20)
        target = bytearray(20)
        opened.seek(CHUNK - 10)
        with pytest.raises(DamagedError):
            opened.readinto(target)
        assert target == bytes(20)
        opened.seek(2 * CHUNK)
        assert opened.read(1000) == noise[2 * CHUNK : 2 * CHUNK + 1000]


def test_an_opener_fetches_each_frame_it_needs_once(
    tmp_path: Path, key: RootKey, noise: bytes
) -> None:
    frame, slack = 2**20, 2**16
    path = sealed(tmp_path, key, noise)

    def fetched(offset: int, length: int) -> int:
        before = bytes_read()
        assert opened.read_at(offset, length) == noise[offset : offset + length]
        return bytes_read() - before

    with Opener(path, key=key) as opened:
        assert frame <= fetched(CHUNK + 5, 1000) < frame + slack
        assert fetched(CHUNK + 9000, 100_000) < slack
        assert frame <= fetched(2 * CHUNK - 9, 20) < frame + slack


def bytes_read() -> int:
    """By this process, so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


def test_a_pipe_cannot_be_read_at_any_place(tmp_path: Path, key: RootKey) -> None:
    data = seal_bytes(b"x" * 10, key=key)
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    with pytest.raises(UsageError, match="regular file"):
        Opener(f"/proc/self/fd/{reading}", key=key)
    os.close(reading)


def test_threads_may_share_an_opener(
    tmp_path: Path, key: RootKey, noise: bytes, prose: bytes
) -> None:
    data = contents(noise, prose)["mixed"]
    places = [(n * 7919 * 61) % len(data) for n in range(200)]
    with (
        Opener(sealed(tmp_path, key, data), key=key) as opened,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        pieces = pool.map(lambda at: opened.read_at(at, 5000), places)
        assert list(pieces) == [data[at : at + 5000] for at in places]


def test_an_opener_may_be_closed_while_others_read(tmp_path: Path, key: RootKey) -> None:
    opened = Opener(sealed(tmp_path, key, bytes(10_000_000)), key=key)
    all_read = threading.Barrier(5)

    def read_on() -> None:
        assert opened.read_at(5_000_000, 100_000) == bytes(100_000)
        all_read.wait(60)
        while True:
            assert opened.read_at(5_000_000, 100_000) == bytes(100_000)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read_on) for _ in range(4)]
        all_read.wait(60)
        opened.close()
        for reader in readers:
            with pytest.raises(ValueError, match="closed"):
                reader.result(60)


def test_permissions_come_back(tmp_path: Path, key: RootKey) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"private")
    plain.chmod(0o600)
    seal_file(plain, tmp_path / "s", key=key)
    open_file(tmp_path / "s", tmp_path / "back", key=key)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "back").stat().st_mode & 0o777 == 0o600


def test_what_is_no_key_is_named(key: RootKey) -> None:
    with pytest.raises(TypeError, match="RootKey or a Password, not bytes"):
        seal_bytes(b"", key=b"x" * 32)  # type: ignore[arg-type]


def test_what_is_no_root_is_no_damage(tmp_path: Path, key: RootKey) -> None:
    with pytest.raises(UsageError, match="32 bytes"):
        scrub(sealed(tmp_path, key, b""), root=b"x")


def test_what_was_never_sealed_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(bytes(100_000))
    with pytest.raises(DamagedError, match="not a sealed file") as refusal:
        scrub(tmp_path / "film")
    assert "seal wrote" in str(refusal.value.hint)


def test_a_closed_opener_says_so(tmp_path: Path, key: RootKey) -> None:
    opened = Opener(sealed(tmp_path, key, b"data"), key=key)
    opened.close()
    opened.close()
    with pytest.raises(ValueError, match="closed"):
        opened.read(1)


def test_what_is_beyond_the_end_reads_nothing(tmp_path: Path, key: RootKey) -> None:
    with Opener(sealed(tmp_path, key, b"data"), key=key) as opened:
        for far in (4, 2**63, 2**64 - 1, 2**64, 2**70):
            assert opened.seek(far) == far
            assert (opened.read(10), opened.read_at(far, 10)) == (b"", b"")
        for before in (-1, -(2**70)):
            with pytest.raises(ValueError, match="nothing is at"):
                opened.read_at(before, 10)


@pytest.mark.parametrize(
    "data",
    [
        np.arange(300_000, dtype=np.float64).reshape(300, 1000),
        np.arange(1000).astype("M8[ns]"),
        np.zeros((0, 7)),
    ],
    ids=["numbers", "times", "nothing"],
)
def test_file_objects_take_and_fill_arrays(
    data: npt.NDArray[Any], tmp_path: Path, key: RootKey
) -> None:
    with Sealer(tmp_path / "sealed", key=key) as sealer:
        assert sealer.write(data) == data.nbytes
    back = np.zeros_like(data)
    with Opener(tmp_path / "sealed", key=key) as opened:
        assert opened.readinto(back) == data.nbytes
    assert back.tobytes() == data.tobytes()


def test_file_objects_refuse_what_does_not_lie_in_one_piece(tmp_path: Path, key: RootKey) -> None:
    apart = np.zeros((10, 20))[:, ::2]
    with (
        pytest.raises(TypeError, match="not C-contiguous"),
        Sealer(tmp_path / "new", key=key) as sealer,
    ):
        sealer.write(apart)
    with Opener(sealed(tmp_path, key, b"data"), key=key) as opened:
        for target in (apart, bytes(10)):
            with pytest.raises(TypeError):
                opened.readinto(target)
        assert opened.read() == b"data"


@pytest.mark.parametrize("has_nameless_files", [True, False])
def test_a_child_of_fork_leaves_the_sealer_to_its_parent(
    tmp_path: Path,
    key: RootKey,
    noise: bytes,
    has_nameless_files: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_nameless_files:
        monkeypatch.delattr(os, "O_TMPFILE")
    sealer = Sealer(tmp_path / "sealed", key=key)
    sealer.write(noise)
    done, told = os.pipe()
    child = os.fork()
    if child == 0:
        refused = 0
        for use in (lambda: sealer.write(b"of the child"), sealer.close):
            try:
                use()
            except (ValueError, StrongroomError):
                refused += 1
        select.select([done], [], [], 20)
        os._exit(0 if refused == 2 else 1)
    sealer.write(noise)
    sealer.close()
    assert os.waitpid(child, os.WNOHANG) == (0, 0)  # it did not have to be waited for
    os.write(told, b"!")
    assert os.waitpid(child, 0)[1] == 0
    assert open_bytes((tmp_path / "sealed").read_bytes(), key=key) == noise * 2


MANY = """
import sys
from strongroom import RootKey, Sealer
key = RootKey.generate()
sealers = [Sealer(f"{sys.argv[1]}/{n}", key=key, threads=1) for n in range(100)]
for sealer in sealers:
    sealer.write(b"x")
    sealer.close()
"""


def test_as_many_sealers_as_wanted_need_no_privilege(tmp_path: Path) -> None:
    """Users have 64 MiB of pipes, those with either of these capabilities any number."""
    command = [sys.executable, "-c", MANY, str(tmp_path)]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set", "-sys_resource,-sys_admin", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.iterdir())) == 100


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 3 * 2**20), max_size=8))
def test_any_writes_make_the_same_content(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, lengths: list[int]
) -> None:
    key = RootKey.generate()
    target = tmp_path_factory.mktemp("sealer") / "sealed"
    with Sealer(target, key=key) as sealer:
        for length in lengths:
            assert sealer.write(noise[:length]) == min(length, len(noise))
    assert open_bytes(target.read_bytes(), key=key) == b"".join(noise[:n] for n in lengths)
    assert scrub(target, root=sealer.result.root).trusted


def test_a_sealer_takes_what_copyfileobj_gives(tmp_path: Path, key: RootKey, prose: bytes) -> None:
    with Sealer(tmp_path / "sealed", key=key) as sealer:
        shutil.copyfileobj(io.BytesIO(prose), sealer)
    assert open_bytes((tmp_path / "sealed").read_bytes(), key=key) == prose


def test_an_exception_in_the_block_leaves_nothing(tmp_path: Path, key: RootKey) -> None:
    def half() -> None:
        with Sealer(tmp_path / "sealed", key=key) as sealer:
            sealer.write(b"data")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert list(tmp_path.iterdir()) == []


def test_a_sealer_given_up_leaves_nothing(tmp_path: Path, key: RootKey) -> None:
    sealer = Sealer(tmp_path / "sealed", key=key)
    sealer.write(bytes(5_000_000))
    sealer.abort()
    sealer.abort()
    with pytest.raises(ValueError, match="closed"):
        sealer.write(b"more")
    assert list(tmp_path.iterdir()) == []


def test_a_forgotten_sealer_leaves_nothing(tmp_path: Path, key: RootKey) -> None:
    sealer = Sealer(tmp_path / "sealed", key=key)
    sealer.write(b"half of it")
    del sealer
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_sealer_refuses_what_exists(tmp_path: Path, key: RootKey) -> None:
    (tmp_path / "sealed").write_bytes(b"precious")
    with pytest.raises(TargetExistsError):
        Sealer(tmp_path / "sealed", key=key)
    assert (tmp_path / "sealed").read_bytes() == b"precious"


def test_a_full_disk_reaches_the_writer(key: RootKey) -> None:
    def fill() -> None:
        with Sealer("/dev/full", key=key) as sealer:
            for _ in range(100):
                sealer.write(bytes(2**20))

    with pytest.raises(TargetError, match="No space left"):
        fill()


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 64])
def test_any_number_of_threads_reads_and_writes_the_same(
    threads: int, tmp_path: Path, key: RootKey, noise: bytes, prose: bytes
) -> None:
    data = contents(noise, prose)["mixed"] * 3
    (tmp_path / "plain").write_bytes(data)
    one = seal_file(tmp_path / "plain", tmp_path / "one", key=key, threads=1)
    many = seal_file(tmp_path / "plain", tmp_path / "many", key=key, threads=threads)
    assert (one.frames, one.stored_bytes) == (many.frames, many.stored_bytes)
    assert scrub(tmp_path / "many", threads=threads).root == many.root
    assert open_bytes((tmp_path / "many").read_bytes(), key=key) == data
