"""Inputs that cannot be read, change under the reader, or are odd."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from program import Program
from strongroom import (
    DamagedError,
    LimitError,
    RootKey,
    SourceError,
    StrongroomError,
    inspect_file,
    open_bytes,
    open_file,
    scrub,
    seal_bytes,
    seal_file,
)
from strongroom.ops.seal import seal_descriptor
from strongroom.ops.source import Source, open_source

MIB = 2**20
LARGE = 64 * MIB

Change = Callable[[Path], None]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, LARGE)
    return path


def cut(path: Path) -> None:
    os.truncate(path, 5 * MIB)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(1, 1))


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("change", [cut, grow, rewrite, empty])
def test_a_file_that_changes_before_it_is_read_is_named(
    large: Path, key: RootKey, change: Change
) -> None:
    """Opened, then changed, then read."""
    with open_source(large, doing="sealing it") as source, Path("/dev/null").open("wb") as null:
        change(large)
        with pytest.raises(SourceError, match="sealing it: it changed while it was read") as caught:
            seal_descriptor(source, null.fileno(), key=key, level=0, pad=True, doing="sealing it")
    assert caught.value.hint == "try again when nothing writes to it"


@pytest.mark.parametrize("change", [grow, rewrite])
def test_a_file_that_changes_after_it_was_read_is_named_and_leaves_nothing(
    large: Path, key: RootKey, change: Change
) -> None:
    def progress(read: int, _written: int) -> None:
        if read == LARGE:
            change(large)

    with pytest.raises(SourceError, match="changed while it was read"):
        seal_file(large, large.with_name("out"), key=key, level=0, progress=progress)
    assert names(large.parent) == ["large"]


@pytest.mark.parametrize("change", [cut, grow, rewrite])
def test_a_file_that_changes_half_way_is_named(
    tmp_path: Path, key: RootKey, change: Change
) -> None:
    """The output is a pipe that takes a little, so reading cannot be done before the change."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(8 * MIB))
    reader, writer = os.pipe()
    failures: list[StrongroomError] = []

    def work(source: Source) -> None:
        try:
            seal_descriptor(source, writer, key=key, level=0, pad=True, doing="sealing it")
        except StrongroomError as error:
            failures.append(error)
        finally:
            os.close(writer)

    with open_source(path, doing="sealing it") as source, os.fdopen(reader, "rb") as output:
        thread = threading.Thread(target=work, args=(source,))
        thread.start()
        output.read(MIB)
        change(path)
        output.read()
        thread.join()
    assert [type(failure) for failure in failures] == [SourceError]


def test_a_file_that_is_removed_meanwhile_is_still_read(large: Path, key: RootKey) -> None:
    with open_source(large, doing="sealing it") as source, Path("/dev/null").open("wb") as null:
        large.unlink()
        result = seal_descriptor(source, null.fileno(), key=key, level=3, pad=True, doing="x")
    assert result.raw_bytes == LARGE


@pytest.mark.parametrize("work", [inspect_file, scrub])
def test_missing_inputs_are_named(tmp_path: Path, work: Callable[[Path], object]) -> None:
    with pytest.raises(SourceError, match="gone: No such file or directory"):
        work(tmp_path / "gone")
    with pytest.raises(SourceError, match="it is a directory"):
        work(tmp_path)


@pytest.mark.parametrize("work", [seal_file, open_file])
def test_missing_inputs_make_no_output(
    tmp_path: Path, key: RootKey, work: Callable[..., object]
) -> None:
    for source, words in (("gone", "No such file"), ("folder", "is a directory")):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(SourceError, match=words):
            work(tmp_path / source, tmp_path / "out", key=key)
    assert names(tmp_path) == ["folder"]


def test_a_read_error_in_the_middle_is_named(tmp_path: Path, key: RootKey) -> None:
    """/proc/self/mem opens well and fails to be read at 0."""
    with pytest.raises(SourceError, match="reading failed: Input/output error"):
        seal_file("/proc/self/mem", tmp_path / "out", key=key)
    for work in (
        lambda: open_file("/proc/self/mem", tmp_path / "out", key=key),
        lambda: scrub("/proc/self/mem"),
    ):
        with pytest.raises(SourceError, match="reading failed"):
            work()
    assert names(tmp_path) == []


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path, key: RootKey, noise: bytes) -> None:
    os.mkfifo(tmp_path / "fifo")
    writer = threading.Thread(target=(tmp_path / "fifo").write_bytes, args=(noise,))
    writer.start()
    seal_file(tmp_path / "fifo", tmp_path / "s", key=key)
    writer.join()
    open_file(tmp_path / "s", tmp_path / "out", key=key)
    assert (tmp_path / "out").read_bytes() == noise


def test_a_sealed_file_that_shrinks_while_it_is_opened_is_damaged(
    tmp_path: Path, key: RootKey
) -> None:
    path = tmp_path / "s"
    path.write_bytes(seal_bytes(os.urandom(8 * MIB), key=key))
    with path.open("r+b") as file:
        file.truncate(6 * MIB)
    with pytest.raises(DamagedError, match="cut off"):
        open_file(path, tmp_path / "out", key=key)
    with pytest.raises(DamagedError):
        scrub(path)
    with pytest.raises(DamagedError):
        inspect_file(path)
    assert names(tmp_path) == ["s"]


def test_more_than_a_stream_can_hold_is_refused_at_once(tmp_path: Path, key: RootKey) -> None:
    huge = tmp_path / "huge"
    huge.touch()
    try:
        os.truncate(huge, 2**44 - 4096)
    except OSError:
        pytest.skip("this file system has no files of 16 TiB")
    with pytest.raises(LimitError, match="more than one sealed file can hold"):
        seal_file(huge, tmp_path / "out", key=key)
    assert names(tmp_path) == ["huge"]


def test_more_plaintext_than_the_limit_is_refused(key: RootKey) -> None:
    sealed = seal_bytes(bytes(5_000_000), key=key)
    assert len(sealed) < 50_000
    assert open_bytes(sealed, key=key, limit=5_000_000) == bytes(5_000_000)
    with pytest.raises(LimitError, match="5000000 bytes of plaintext are more than 4999999"):
        open_bytes(sealed, key=key, limit=4_999_999)


def test_three_sparse_gibibytes_come_back(tmp_path: Path, key: RootKey) -> None:
    """More than 32 bits can count, and more than one call to read or write takes."""
    size = 3 * 2**30 + 12345
    source, sealed = tmp_path / "in", tmp_path / "s"
    with source.open("wb") as file:
        for place in (0, 2**31 - 2, 3 * 2**30 - 2, size - 4):
            file.seek(place)
            file.write(b"mark")
    result = seal_file(source, sealed, key=key, level=1, pad=False)
    assert result.raw_bytes == size
    assert scrub(sealed, root=result.root).trusted
    os.mkfifo(tmp_path / "out")
    with ThreadPoolExecutor(1) as pool:
        equal = pool.submit(_equal, source, tmp_path / "out")
        assert open_file(sealed, tmp_path / "out", key=key) == result
        assert equal.result()


def _equal(left: Path, right: Path) -> bool:
    with left.open("rb") as one, right.open("rb") as other:
        while piece := other.read(MIB):
            if piece != one.read(len(piece)):
                return False
        return not one.read(1)


def test_input_is_read_through_links(program: Program, tmp_path: Path, key: RootKey) -> None:
    (tmp_path / "real").write_bytes(b"data")
    (tmp_path / "link").symlink_to("real")
    program("seal", "--key-file", "my.key", "link", "-o", "s")
    assert open_bytes((tmp_path / "s").read_bytes(), key=key) == b"data"
