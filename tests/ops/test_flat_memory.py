"""Memory does not grow with the number of files."""

from __future__ import annotations

import os
import stat
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import numpy as np

from strongroom._core import Watch
from strongroom._core.session import FILE_RESULT
from strongroom.manifest.entry import FILE, FOLDER, Entry, encode
from strongroom.manifest.merge import Earlier
from strongroom.manifest.reader import ManifestReader
from strongroom.manifest.writer import END, END_HEAD, START, ManifestWriter
from strongroom.ops.gather import Changed, Gatherer
from strongroom.ops.record import Recorder
from strongroom.ops.recording import Recording
from strongroom.ops.restore_options import Reports, RestoreOptions
from strongroom.ops.restore_tree import restore_tree

MIB = 1 << 20


class Forgetful:
    """Takes files in and chunks out, and keeps nothing."""

    def has_all(self, _):
        return True

    def start_files(self, paths):
        results = FILE_RESULT.zeros(len(paths))
        results.array["id_count"], results.array["size"] = 1, 9
        results.array["first_id"] = np.arange(len(paths))
        ids = bytes(32 * len(paths))

        class Reading:
            def watch(self, _):
                return results, ids

            def close(self):
                pass

        return Reading()

    def write(self, data):
        pass


def found(count: int, names: int = 1) -> Iterator[tuple]:
    """As many files in folders of a thousand; names: that each of them has, one after another."""
    own = os.lstat(__file__)
    fields = {name: getattr(own, name) for name in dir(own) if name.startswith("st_")}
    folder = os.lstat(os.path.dirname(__file__))  # noqa: PTH120
    for number in range(count):
        top = b"%04d" % (number // 1000)
        if number % 1000 == 0:
            yield top, b"", b".", folder
        status = SimpleNamespace(**{**fields, "st_ino": number // names, "st_nlink": names})
        yield b"%b/%03d" % (top, number % 1000), b"", b".", status


def peak_of(work) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def record(count: int, names: int = 1) -> None:
    store = Forgetful()
    writer = ManifestWriter(store)
    recorder = Recorder()
    gatherer = Gatherer(earlier=Earlier(), chunks=store, recorder=recorder, changed=Changed())
    recording = Recording(
        sink=store, manifest=writer, recorder=recorder, report=print, watch=Watch()
    )
    for batch in gatherer.batches(found(count, names)):
        recording.take(batch)
    recording.finish()
    assert writer.files == count


def test_a_backup_of_many_files():
    assert peak_of(lambda: record(60_000)) < 14 * MIB


def test_a_backup_of_many_files_of_two_names():
    assert peak_of(lambda: record(30_000, 2)) < 9 * MIB


class Made:
    """A manifest that is made as it is read: many folders, or files of two names."""

    def __init__(self, count: int, type_: int = FOLDER) -> None:
        self._type = type_
        self._pieces = self._make(count)
        self._rest = b""

    def _make(self, count: int) -> Iterator[bytes]:
        yield START
        for number in range(count):
            yield encode(Entry(b"%08d" % number, self._type, 0o755, 0, 0, 0, 0, number // 2, 0, 2))
        yield END.pack(END_HEAD, count, count if self._type == FILE else 0, 0)

    def read(self, size: int) -> bytes:
        pieces, have = [self._rest], len(self._rest)
        while have < size and (piece := next(self._pieces, b"")):
            pieces.append(piece)
            have += len(piece)
        joined = b"".join(pieces)
        self._rest = joined[size:]
        return joined[:size]

    def close(self) -> None:
        pass


def restore(count: int, type_: int = FOLDER) -> None:
    counts = restore_tree(
        lambda: closing(Made(count, type_)),
        "/nowhere/at/all",
        chunks=Forgetful(),
        reports=Reports(print, print),
        options=RestoreOptions(dry_run=True),
    )
    assert counts.entries == count


def test_a_restore_of_many_folders():
    assert peak_of(lambda: restore(60_000)) < 8 * MIB


def test_a_restore_of_many_files_of_two_names():
    assert peak_of(lambda: restore(30_000, FILE)) < 2.5 * MIB


def test_a_merge_with_many_entries():
    def merge(count: int) -> None:
        earlier = Earlier(Made(count))
        for number in range(0, count, 3):
            assert earlier.find(b"%08d" % number) is not None

    assert peak_of(lambda: merge(60_000)) < 8 * MIB


def test_what_these_tests_make_is_sound():
    assert len(list(ManifestReader(Made(100), doing="testing"))) == 100
    assert stat.S_ISREG(next(s for p, _, _, s in found(1) if b"/" in p).st_mode)
