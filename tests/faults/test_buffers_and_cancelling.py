"""Buffers used where they lie, and calls stopped from another thread."""

from __future__ import annotations

import array
import contextlib
import os
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from strongroom import (
    CancelledError,
    DamagedError,
    LimitError,
    RootKey,
    UsageError,
    open_bytes,
    open_file,
    open_into,
    prove,
    scrub,
    seal_bytes,
    seal_file,
    seal_into,
    sealed_length,
)


@pytest.mark.parametrize("length", [0, 1, 4096, 2**20 - 64, 2**20, 3 * 2**20 + 4321])
@pytest.mark.parametrize("pad", [True, False])
def test_buffers_are_filled_and_no_further(
    length: int, pad: bool, key: RootKey, noise: bytes
) -> None:
    data = noise[:length]
    sealed = bytearray(b"\xaa" * sealed_length(length))
    result = seal_into(data, sealed, key=key, pad=pad)
    assert result.stored_bytes <= len(sealed)
    assert sealed[result.stored_bytes :] == b"\xaa" * (len(sealed) - result.stored_bytes)
    target = bytearray(b"\xbb" * (length + 100))
    assert open_into(memoryview(sealed)[: result.stored_bytes], target, key=key) == length
    assert target == data + b"\xbb" * 100


def test_any_contiguous_buffer_will_do(key: RootKey) -> None:
    numbers = array.array("d", (i / 7 for i in range(300_000)))
    sealed = seal_bytes(numbers, key=key)
    back = array.array("d", bytes(8 * 300_000))
    assert open_into(sealed, back, key=key) == 8 * 300_000
    assert back == numbers


ARRAYS: dict[str, npt.NDArray[Any]] = {
    "numbers": np.arange(300_000, dtype=np.float64).reshape(300, 1000),
    "of another machine": np.arange(1000, dtype=">u4"),
    "records": np.ones(1000, dtype=[("a", "u1"), ("b", "c16")]),
    "times": np.arange(1000).astype("M8[ns]"),
    "a part": np.arange(10_000)[500:9000],
    "nothing": np.zeros((0, 7)),
    "one number": np.array(7.5),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read_and_filled_where_they_lie(name: str, key: RootKey) -> None:
    data = ARRAYS[name]
    room = np.zeros((sealed_length(data.nbytes) + 7) // 8)
    result = seal_into(data, room, key=key)
    back = np.zeros_like(data)
    tracemalloc.start()
    try:
        sealed = room.view(np.uint8)[: result.stored_bytes]
        assert open_into(sealed, back, key=key) == data.nbytes
        assert tracemalloc.get_traced_memory()[1] < 2**20  # of 2.4 MB, no copy
    finally:
        tracemalloc.stop()
    assert back.tobytes() == data.tobytes()
    assert open_bytes(seal_bytes(data, key=key), key=key) == data.tobytes()


def test_what_does_not_lie_in_one_piece_is_refused(key: RootKey) -> None:
    sealed = seal_bytes(bytes(800), key=key)
    for apart in (np.zeros((10, 20))[:, ::2], np.asfortranarray(np.zeros((10, 10)))):
        with pytest.raises(TypeError, match="not C-contiguous"):
            seal_bytes(apart, key=key)
        with pytest.raises(TypeError, match="not C-contiguous"):
            open_into(sealed, apart, key=key)
    with pytest.raises(TypeError, match="not C-contiguous"):
        seal_bytes(memoryview(bytes(800))[::-1], key=key)


@pytest.mark.parametrize("number", [0, 1, True])
def test_a_number_is_no_descriptor_here(number: int, key: RootKey) -> None:
    sealed = seal_bytes(b"data", key=key)
    calls: list[Callable[[], object]] = [
        lambda: seal_bytes(number, key=key),  # type: ignore[arg-type]
        lambda: seal_into(number, bytearray(100_000), key=key),  # type: ignore[arg-type]
        lambda: seal_into(b"data", number, key=key),  # type: ignore[arg-type]
        lambda: open_into(sealed, number, key=key),  # type: ignore[arg-type]
        lambda: open_bytes(number, key=key),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


def test_input_and_output_may_not_share_memory(key: RootKey, noise: bytes) -> None:
    """Chunks would be overwritten before they are read, and garbage sealed."""
    both = bytearray(sealed_length(len(noise)))
    both[: len(noise)] = noise
    with pytest.raises(UsageError, match="share memory"):
        seal_into(memoryview(both)[: len(noise)], both, key=key)
    assert both[: len(noise)] == noise
    both[:] = seal_bytes(noise, key=key).ljust(len(both), b"\0")
    with pytest.raises(UsageError, match="share memory"):
        open_into(both, memoryview(both)[-len(noise) :], key=key)
    beside = memoryview(bytearray(1000 + sealed_length(1000)))
    assert seal_into(beside[:1000], beside[1000:], key=key).raw_bytes == 1000


def test_a_target_that_is_too_small_is_a_limit(key: RootKey, noise: bytes, prose: bytes) -> None:
    with pytest.raises(LimitError):
        seal_into(noise, bytearray(len(noise)), key=key)
    with pytest.raises(LimitError):
        seal_into(b"", bytearray(100), key=key)
    for data in (noise, prose):
        with pytest.raises(LimitError):
            open_into(seal_bytes(data, key=key), bytearray(len(data) - 1), key=key)


def test_a_chunk_that_does_not_verify_is_not_left_in_the_target(key: RootKey, noise: bytes) -> None:
    data = noise[: 3 * 2**20]
    sealed = bytearray(seal_bytes(data, key=key))
    sealed[4096 + 2**20 + 500_000] ^= 1
    target = bytearray(b"\xbb" * len(data))
    with pytest.raises(DamagedError, match="frame 1"):
        open_into(sealed, target, key=key)
    chunk = 2**20 - 64
    assert data[chunk : chunk + 100] not in target
    assert not any(target[chunk : 2 * chunk])


@pytest.mark.parametrize("claim", [0, 3, 4, 2**20, 2**63], ids=hex)
def test_a_frame_that_claims_another_place_leaves_nothing_there(
    claim: int, key: RootKey, noise: bytes
) -> None:
    """Whoever stores it can change which chunk a frame of known content says it is, unseen until
    its tag is checked. The last three are places that the target does not have."""
    chunk = 2**20 - 64
    data = (noise * 2)[: 4 * chunk]
    sealed = bytearray(seal_bytes(data, key=key))
    for at, byte in enumerate((claim ^ 2).to_bytes(8), 4096 + 2 * 2**20 + 40):
        sealed[at] ^= byte
    for threads in (1, 8):
        target = bytearray(b"\xbb" * (len(data) + 99))
        with pytest.raises(DamagedError, match="frame 2: authentication failed"):
            open_into(sealed, target, key=key, threads=threads)
        assert target[-99:] == b"\xbb" * 99
        there, right = np.frombuffer(target, "u1")[:-99], np.frombuffer(data, "u1")
        assert np.isin(there[there != right], (0, 0xBB)).all()


def test_a_target_that_cannot_be_written_is_refused(key: RootKey) -> None:
    with pytest.raises(TypeError):
        seal_into(b"data", bytes(100_000), key=key)


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 64])
def test_memory_goes_through_any_number_of_threads(
    threads: int, key: RootKey, noise: bytes, prose: bytes
) -> None:
    data = (noise + prose) * 4
    sealed = seal_bytes(data, key=key, threads=threads)
    assert open_bytes(sealed, key=key, threads=threads) == data


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, RootKey]:
    """300 MiB that do not compress, the same sealed, and with what key."""
    folder, key = tmp_path_factory.mktemp("large"), RootKey.generate()
    with (folder / "plain").open("wb") as file:
        file.writelines(os.urandom(2**20) for _ in range(300))
    seal_file(folder / "plain", folder / "sealed", key=key)
    return folder / "plain", folder / "sealed", key


@pytest.mark.parametrize("verb", ["seal", "open", "scrub", "prove"])
def test_a_call_is_stopped_by_an_event(
    verb: str, tmp_path: Path, large: tuple[Path, Path, RootKey]
) -> None:
    (plain, sealed, key), target = large, tmp_path / "target"
    stop = threading.Event()
    calls = {
        "seal": lambda: seal_file(plain, target, key=key, cancel=stop, threads=1, level=19),
        "open": lambda: open_file(sealed, target, key=key, cancel=stop, threads=1),
        "scrub": lambda: scrub(sealed, cancel=stop, threads=1),
        "prove": lambda: prove(sealed, frame=0, cancel=stop, threads=1),
    }
    stop.set()  # seen at the first look, a tenth of a second in
    begun = time.monotonic()
    if verb == "seal":
        with pytest.raises(CancelledError, match="cancelled"):
            calls[verb]()
        assert not target.exists()
    else:  # quick enough to be over before the first look, on a fast machine
        with contextlib.suppress(CancelledError):
            calls[verb]()
    assert time.monotonic() - begun < 5


def test_a_stalled_pipe_does_not_keep_a_cancelled_call(tmp_path: Path, key: RootKey) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)  # somebody has it open and never writes
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(CancelledError):
        seal_file(fifo, tmp_path / "sealed", key=key, cancel=stop)
    assert time.monotonic() - begun < 5
    os.close(holder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fifo"]
