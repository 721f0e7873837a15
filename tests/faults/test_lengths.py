"""Every length at which something in the format begins or ends, and many callers at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strongroom import (
    DamagedError,
    RootKey,
    TargetExistsError,
    WrongKeyError,
    inspect_file,
    open_bytes,
    open_file,
    scrub,
    seal_bytes,
    seal_file,
)

FRAME = 2**20
PLAIN = FRAME - 16
CHUNK = FRAME - 64
HEAD, FOOTER, PAGE = 48, 64, 4096

LENGTHS = sorted(
    {
        *(0, 1, 2, HEAD, PAGE - 1, PAGE, PAGE + 1),
        *(n * CHUNK + d for n in (1, 2, 3) for d in (-1, 0, 1)),
        *(n * PLAIN + d for n in (1, 2) for d in (-1, 0, 1)),
        *(n * FRAME + d for n in (1, 2) for d in (-1, 0, 1)),
        # Where end record and footer move to the next page or frame.
        *(PAGE - 16 - FOOTER - 2 * HEAD + d for d in (-1, 0, 1)),
        *(CHUNK - HEAD - FOOTER + d for d in (-1, 0, 1)),
        *(CHUNK - FOOTER + d for d in (-1, 0, 1)),
    }
)


@pytest.fixture(params=["noise", "prose"])
def data(request: pytest.FixtureRequest) -> bytes:
    value = request.getfixturevalue(request.param)
    assert len(value) > LENGTHS[-1]
    return value


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_comes_back_through_memory_and_files(
    tmp_path: Path, key: RootKey, data: bytes, length: int, pad: bool
) -> None:
    plain = data[:length]
    sealed = seal_bytes(plain, key=key, pad=pad)
    assert open_bytes(sealed, key=key) == plain
    (tmp_path / "in").write_bytes(plain)
    result = seal_file(tmp_path / "in", tmp_path / "s", key=key, pad=pad)
    assert len(sealed) == result.stored_bytes == (tmp_path / "s").stat().st_size
    assert result.raw_bytes == length
    assert open_file(tmp_path / "s", tmp_path / "out", key=key) == result
    assert (tmp_path / "out").read_bytes() == plain
    assert scrub(tmp_path / "s", root=result.root).frames == result.frames
    assert inspect_file(tmp_path / "s").frames == result.frames


@pytest.mark.parametrize("length", [0, 1, PAGE, CHUNK, CHUNK + 1])
def test_stored_lengths_are_pages_and_padding_is_small(key: RootKey, length: int) -> None:
    data = bytes(range(256)) * (length // 256 + 1)
    for pad in (True, False):
        sealed = seal_bytes(data[:length], key=key, pad=pad, level=0)
        frames = len(sealed) - PAGE - 4160
        assert frames % PAGE == 0
        assert frames <= (length + 1000) * (1.125 if pad else 1) + 2 * PAGE


@pytest.mark.parametrize("length", [0, 5000, CHUNK + 1])
@pytest.mark.parametrize("level", [0, 1, 3, 19])
def test_every_level_opens(key: RootKey, prose: bytes, length: int, level: int) -> None:
    assert open_bytes(seal_bytes(prose[:length], key=key, level=level), key=key) == prose[:length]


def test_buffers_of_any_kind_are_taken(key: RootKey) -> None:
    numbers = memoryview(b"12345678" * 1000).cast("I")
    sealed = seal_bytes(numbers, key=key)
    for data in (sealed, bytearray(sealed), memoryview(sealed)):
        assert open_bytes(data, key=key) == b"12345678" * 1000
    with pytest.raises(TypeError):
        seal_bytes(numbers[::2], key=key)
    with pytest.raises(TypeError):
        seal_bytes("text", key=key)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [0, 1, 4095, 4096, 4097, 8255, 8256, 12351])
def test_every_prefix_of_a_sealed_file_is_damaged(key: RootKey, length: int) -> None:
    sealed = seal_bytes(b"", key=key, pad=False)
    assert len(sealed) == 12352
    with pytest.raises(DamagedError):
        open_bytes(sealed[:length], key=key)


def test_frames_of_another_file_are_damage(key: RootKey, noise: bytes) -> None:
    one, other = (seal_bytes(noise, key=key) for _ in range(2))
    mixed = one[: PAGE + FRAME] + other[PAGE + FRAME : PAGE + 2 * FRAME] + one[PAGE + 2 * FRAME :]
    with pytest.raises(DamagedError):
        open_bytes(mixed, key=key)
    swapped = (
        one[:PAGE]
        + one[PAGE + FRAME : PAGE + 2 * FRAME]
        + one[PAGE : PAGE + FRAME]
        + one[PAGE + 2 * FRAME :]
    )
    with pytest.raises(DamagedError, match="frame 0"):
        open_bytes(swapped, key=key)


# --- Several threads ---


def test_threads_work_side_by_side(
    tmp_path: Path, key: RootKey, noise: bytes, prose: bytes
) -> None:
    def work(number: int) -> None:
        data = (noise, prose)[number % 2][number:]
        mine = key if number % 3 else RootKey.generate()
        sealed = seal_bytes(data, key=mine)
        assert open_bytes(sealed, key=mine) == data
        with pytest.raises(WrongKeyError):
            open_bytes(sealed, key=RootKey.generate())
        path = tmp_path / str(number)
        path.write_bytes(data)
        result = seal_file(path, path.with_suffix(".s"), key=mine)
        assert open_file(path.with_suffix(".s"), path.with_suffix(".o"), key=mine) == result
        assert path.with_suffix(".o").read_bytes() == data

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(18)))


def test_progress_is_called_on_the_calling_thread(
    tmp_path: Path, key: RootKey, noise: bytes
) -> None:
    (tmp_path / "in").write_bytes(noise)
    threads = set()

    def progress(_read: int, _written: int) -> None:
        threads.add(threading.get_ident())

    seal_file(tmp_path / "in", tmp_path / "s", key=key, progress=progress)
    assert threads == {threading.get_ident()}


def test_racing_writers_of_one_output_leave_one_whole_file(
    tmp_path: Path, key: RootKey, noise: bytes
) -> None:
    (tmp_path / "in").write_bytes(noise)
    barrier = threading.Barrier(4)

    def work(_number: int) -> bool:
        barrier.wait()
        try:
            seal_file(tmp_path / "in", tmp_path / "s", key=key)
        except TargetExistsError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 1
    open_file(tmp_path / "s", tmp_path / "out", key=key)
    assert (tmp_path / "out").read_bytes() == noise
    assert len(list(tmp_path.iterdir())) == 3
