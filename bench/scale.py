"""python -m bench scale index | manifest | log: sizes that nobody has at hand, simulated.

Ids are random, files and folders only names: what grows is what is measured. Each piece prints its
time and the peak memory of its own process, which generates what it measures.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.processes import proc_field, put, say
from strongroom import RootKey
from strongroom._core import CHUNK_LEN, TYPE_DATA, TYPE_MANIFEST
from strongroom._core.index import LOCATION, ChunkIndex
from strongroom._core.marks import Marks
from strongroom.errors import StrongroomError
from strongroom.manifest.entry import FILE, FOLDER, Entry
from strongroom.manifest.writer import ManifestWriter
from strongroom.ops.repository import Repository
from strongroom.repository.config import Config, make_config, read_config
from strongroom.repository.create import create_repository
from strongroom.repository.entry import (
    CHECKPOINT_EVERY,
    SEGMENT,
    Checkpoint,
    Draft,
    make_checkpoint,
    make_entry,
)
from strongroom.repository.head import entry_name
from strongroom.repository.log import Log
from strongroom.repository.opened import OpenRepository
from strongroom.repository.private import NO_SESSION, Private
from strongroom.repository.snapshots import Snapshot
from strongroom.stores.local import LocalStore

FOLDER_FILES = 1000
CONTENT = b"the same in every file\n" * 4
SEGMENT_CHUNKS = 64
STORED_LEN = 1 << 19
UNNEEDED = 10
"""One in so many segments goes."""
LIVE_SEGMENTS = (0, 100_000, 1_100_000)
"""Of logs: the last is more than other entries can list."""
SEGMENT_LEN = 1 << 26
SNAPSHOTS = 300
_SNAPSHOT = Snapshot(
    id=bytes(16),
    root=bytes(32),
    time=0,
    host="host",
    user="user",
    tags=(),
    paths=(b"/home",),
    entries=0,
    files=0,
    bytes=0,
    new_bytes=0,
    errors=0,
)
_BLOCK = 1 << 20
_Value = TypeVar("_Value")


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    parser.add_argument("piece", choices=sorted(PIECES))
    parser.add_argument("--count", type=int, help="chunks, files or log entries")
    parser.add_argument("--dir", type=Path, help="where to work")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.dir) as folder:
        piece, usual = PIECES[asked.piece]
        piece(asked.count or usual, Path(folder))
    return 0


def _index(count: int, folder: Path) -> None:
    """Chunks put, saved as a table, opened, looked up, pruned."""
    table = folder / "table"
    before = _peak()
    with ChunkIndex() as index:
        segments = [secrets.token_bytes(16) for _ in range(max(1, count // SEGMENT_CHUNKS))]
        numbers = [index.number(segment) for segment in segments]

        def build() -> None:
            for ids in _ids(count):
                where = np.zeros(len(ids), LOCATION)
                where["segment"] = np.resize(numbers, len(ids))
                where["stored_length"], where["raw_length"] = STORED_LEN, CHUNK_LEN
                index.put(ids, where)

        _timed("index", "build", count, build)
        _timed("index", "save", count, lambda: index.save(table, b"note"))
    each = (_peak() - before) / count
    put("scale", "index bytes", count=count, memory_each=each)
    say(f"memory at the peak {each:.1f} bytes a chunk")
    say(f"table {table.stat().st_size / count:.1f} bytes a chunk")
    index = _timed("index", "open", count, lambda: ChunkIndex([table]))
    with index:
        ids = next(_ids(count))
        strangers = np.random.default_rng(2).integers(0, 256, (_BLOCK, 32), np.uint8)
        found = _timed("index", "look up a million", count, lambda: index.find(ids).all())
        missed = _timed("index", "miss a million", count, lambda: index.find(strangers).any())
        say(f"all that were put are found: {found}; any that were not: {missed}")
    _apart(_prune, table, count)


def _apart(work: Callable[..., None], *arguments: object) -> None:
    """Do it in a process of its own, so that its peak is its own."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"{work.__name__} failed")


def _ids(count: int) -> Iterator[NDArray[np.uint8]]:
    """The same each time, some at once."""
    noise = np.random.default_rng(1)
    for at in range(0, count, _BLOCK):
        yield noise.integers(0, 256, (min(_BLOCK, count - at), 32), np.uint8)


def _prune(table: Path, count: int) -> None:
    """What a prune does with an index: chunks that snapshots need are marked, the needs of segments
    added up and looked at, segments dropped, the rest saved."""
    before = _peak()
    with ChunkIndex([table]) as index:
        marks = Marks(index)

        def mark() -> None:
            for ids in _ids(count):
                marks.mark(ids[: len(ids) * 9 // 10])

        def judge() -> int:
            return sum(int(marks.marked(ids).sum()) for ids in _ids(count))

        _timed("prune", "mark nine of ten", count, mark)
        used = _timed("prune", "add up", count, marks.tally)
        needed = _timed("prune", "judge all", count, judge)
        dropped = sorted(used)[::UNNEEDED]
        _timed("prune", "drop a tenth", count, lambda: index.drop_segments(dropped))
        _timed("prune", "save", count, lambda: index.save(table.with_name("pruned"), b"note"))
    each = (_peak() - before) / count
    put("scale", "prune bytes", count=count, memory_each=each)
    say(f"{needed:,} are needed, {sum(used.values()) / needed - STORED_LEN:.0f} bytes of head each")
    say(f"memory at the peak of pruning {each:.1f} bytes a chunk, the mapped table included")


def _entries(count: int, mtime: int) -> Iterator[Entry]:
    """Files in folders of a thousand."""
    for number in range(count):
        folder = b"%07d" % (number // FOLDER_FILES)
        if number % FOLDER_FILES == 0:
            yield Entry(folder, FOLDER, 0o755, 0, 0, mtime, mtime, 1, 1, 2, 0)
        path = folder + b"/%03d.jpg" % (number % FOLDER_FILES)
        yield Entry(path, FILE, 0o644, 0, 0, mtime, mtime, number, 1, 1, len(CONTENT))


def _manifest(count: int, folder: Path) -> None:
    """Two snapshots written, listed, compared; their last folder, whose contents alone are there,
    listed and restored."""
    last = b"%07d" % (max(0, count - 1) // FOLDER_FILES)
    store = LocalStore(folder / "repo")
    root = RootKey.generate()
    create_repository(store, root, doing="measuring")
    opened = OpenRepository(store, root, cache=folder / "cache", state=folder / "state")
    with Repository(opened) as repository:
        written = _timed("manifest", "write", count, lambda: _snapshot(opened, count, 1, last))
        _snapshot(opened, count, 2, last)
        older, newer = repository.snapshots()
        listed = _timed("manifest", "list", count, lambda: sum(1 for _ in newer.entries()))
        changed = _timed("manifest", "diff", count, lambda: sum(1 for _ in older.compare(newer)))
        out = folder / "out"
        restore = partial(repository.restore, newer, out, paths=[last], on_error=_fail)
        restored = _timed("manifest", "restore a folder", count, restore)
    say(f"{listed} entries, {changed} changes, {written / 2**20:.0f} MiB stored")
    say(f"{restored.files} files restored from the end of it")


def _fail(error: StrongroomError) -> None:
    raise error


def _snapshot(opened: OpenRepository, count: int, mtime: int, real: bytes) -> int:
    """Commit one, with contents for the files of the folder `real`; the manifest's stored bytes."""
    noise = random.Random(mtime)
    with opened.begin_session() as session, session.new_manifest() as target:
        _, ids = session.write.stream(CONTENT)
        own = ids
        writer = ManifestWriter(target)
        for entry in _entries(count, mtime):
            if entry.type == FOLDER:
                writer.add(entry)
            else:
                is_real = entry.path.startswith(real)
                writer.add(entry, own if is_real else noise.randbytes(len(own)))
        writer.finish()
        manifest = target.finish()
        snapshot = _SNAPSHOT._replace(
            id=manifest.id,
            root=manifest.root,
            time=time.time_ns(),
            entries=writer.entries,
            files=writer.files,
            bytes=writer.bytes,
        )
        opened.commit(session, snapshot, manifest)
    return manifest.length


def _log(count: int, folder: Path) -> None:
    """A log whose last checkpoint and what follows it are real; what lies before is not read. It
    is opened with so many live segments, of 64 MiB each if they are full."""
    root, repo_id = RootKey.generate(), secrets.token_bytes(32)
    config = make_config(root, repo_id)
    store = LocalStore(folder / "repo")
    store.put("config", config.stored)
    at = count - count % CHECKPOINT_EVERY
    (store.folder / "log").mkdir()
    for seq in range(1, at):
        (store.folder / entry_name(seq)).touch()
    for live in LIVE_SEGMENTS:
        _end_log(store, config, root, (at, count), live)
        _apart(_open_log, store.folder, root.to_bytes(), count, live)


def _end_log(
    store: LocalStore, config: Config, root: RootKey, places: tuple[int, int], live: int
) -> None:
    """The last checkpoint, and the entries after it."""
    keys, (at, count) = config.keys(root, doing="measuring"), places
    rows = [(secrets.token_bytes(16), secrets.token_bytes(32)) for _ in range(live + SNAPSHOTS)]
    snapshots = tuple(_SNAPSHOT._replace(id=id_, root=root_) for id_, root_ in rows[:SNAPSHOTS])
    types = [TYPE_MANIFEST] * SNAPSHOTS + [TYPE_DATA] * live
    packed = (
        SEGMENT.pack(*row, SEGMENT_LEN, type_, (1).to_bytes(7, "big"))
        for row, type_ in zip(rows, types, strict=True)
    )
    checkpoint = Checkpoint((0, bytes(32)), b"".join(packed), b"")
    private = Private(0, "", NO_SESSION, snapshots=snapshots)
    repo_id = config.repo_id
    stored = make_checkpoint(checkpoint, private, keys, seq=at, prev=bytes(32), repo_id=repo_id)
    (store.folder / entry_name(at)).write_bytes(stored)
    for seq in range(at + 1, count + 1):
        prev = hashlib.sha256(stored).digest()
        draft = Draft(seq - 1, (), Private(0, "host", NO_SESSION))
        stored = make_entry(draft, keys, seq=seq, prev=prev, repo_id=repo_id)
        (store.folder / entry_name(seq)).write_bytes(stored)


def _open_log(folder: Path, secret: bytes, count: int, live: int) -> None:
    store, root = LocalStore(folder), RootKey(secret)
    config = read_config(store, doing="measuring")
    log = Log(store, config, config.keys(root, doing="measuring"))
    _timed("log", f"open, {live:,} live", count, log.load)
    say(f"the newest is entry {log.head[0]}; {len(log.snapshots)} snapshots")


PIECES: dict[str, tuple[Callable[[int, Path], None], int]] = {
    "index": (_index, 100_000_000),
    "manifest": (_manifest, 10_000_000),
    "log": (_log, 1_000_000),
}


def _peak() -> int:
    """Bytes of this process, at most so far. What getrusage says counts from the parent on."""
    return int(proc_field("/proc/self/status", "VmHWM").split()[0]) * 1024


def _timed(piece: str, what: str, count: int, work: Callable[[], _Value]) -> _Value:
    begun = time.perf_counter()
    value = work()
    taken = time.perf_counter() - begun
    peak = _peak() / 2**20
    put("scale", f"{piece}: {what}", count=count, seconds=taken, peak_mib=peak)
    say(f"{piece}: {what:<20}{count:>12,}{taken:>10.2f} s   peak {peak:,.0f} MiB")
    return value
