"""python -m bench scale index | manifest | log: sizes that nobody has at hand, simulated.

Ids are random, files and folders only names: what grows is what is measured. Each piece prints its
time and the peak memory of its own process, which generates what it measures.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from bench.processes import put, say
from strongroom import RootKey
from strongroom._core.index import LOCATION, ChunkIndex
from strongroom.manifest.entry import FILE, FOLDER, Entry
from strongroom.manifest.reader import ManifestReader
from strongroom.manifest.writer import ManifestWriter
from strongroom.ops.compare import compare
from strongroom.repository.config import make_config
from strongroom.repository.entry import Checkpoint, Draft, make_checkpoint, make_entry
from strongroom.repository.head import entry_name
from strongroom.repository.log import CHECKPOINT_EVERY, Log
from strongroom.repository.private import NO_SESSION, Private
from strongroom.stores.local import LocalStore

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
    """Chunks put, saved as a table, opened, looked up."""
    noise = np.random.default_rng(1)
    table = folder / "table"
    before = _peak()
    with ChunkIndex() as index:
        numbers = [index.number(secrets.token_bytes(16)) for _ in range(max(1, count // 64))]

        def build() -> None:
            for at in range(0, count, _BLOCK):
                size = min(_BLOCK, count - at)
                where = np.zeros(size, LOCATION)
                where["segment"] = np.resize(numbers, size)
                where["stored_length"] = 1 << 19
                index.put(noise.integers(0, 256, (size, 32), np.uint8), where)

        _timed("index", "build", count, build)
        _timed("index", "save", count, lambda: index.save(table, b"note"))
    put("scale", "index bytes", count=count, memory_each=(_peak() - before) / count)
    say(f"memory at the peak {(_peak() - before) / count:.1f} bytes a chunk")
    say(f"table {table.stat().st_size / count:.1f} bytes a chunk")
    index = _timed("index", "open", count, lambda: ChunkIndex([table]))
    with index:
        ids = np.random.default_rng(1).integers(0, 256, (min(_BLOCK, count), 32), np.uint8)
        strangers = noise.integers(0, 256, (_BLOCK, 32), np.uint8)
        found = _timed("index", "look up a million", count, lambda: index.find(ids).all())
        missed = _timed("index", "miss a million", count, lambda: index.find(strangers).any())
        say(f"all that were put are found: {found}; any that were not: {missed}")


def _entries(count: int, mtime: int) -> Iterator[Entry]:
    """Files in folders of a thousand."""
    for number in range(count):
        folder = b"%07d" % (number // 1000)
        if number % 1000 == 0:
            yield Entry(folder, FOLDER, 0o755, 0, 0, mtime, mtime, 1, 1, 2, 0)
        path = folder + b"/%03d.jpg" % (number % 1000)
        yield Entry(path, FILE, 0o644, 0, 0, mtime, mtime, number, 1, 1, 4096)


def _manifest(count: int, folder: Path) -> None:
    """A manifest written, listed, compared with another one."""
    paths = [folder / "old", folder / "new"]

    def write(path: Path, mtime: int) -> None:
        with path.open("wb") as file:
            writer = ManifestWriter(file)
            for entry in _entries(count, mtime):
                writer.add(entry, b"i" * 32 if entry.type == FILE else b"")
            writer.finish()

    _timed("manifest", "write", count, lambda: write(paths[0], 1))
    write(paths[1], 2)
    with paths[0].open("rb") as file:
        reader = ManifestReader(file, doing="listing")
        listed = _timed("manifest", "list", count, lambda: sum(1 for _ in reader))
    with paths[0].open("rb") as old, paths[1].open("rb") as new:
        changes = compare(old, new, doing="comparing")
        changed = _timed("manifest", "diff", count, lambda: sum(1 for _ in changes))
    say(f"{listed} entries, {changed} changes, {paths[0].stat().st_size / 2**20:.0f} MiB")


def _log(count: int, folder: Path) -> None:
    """A log whose last checkpoint and what follows it are real; what lies before is not read."""
    root, repo_id = RootKey.generate(), secrets.token_bytes(32)
    config = make_config(root, repo_id)
    keys = config.keys(root, doing="measuring")
    store = LocalStore(folder / "repo")
    store.put("config", config.stored)
    at = count - count % CHECKPOINT_EVERY
    private = Private(0, "", NO_SESSION, snapshots=())
    stored = make_checkpoint(
        Checkpoint((0, bytes(32)), b"", b""), private, keys, seq=at, prev=bytes(32), repo_id=repo_id
    )
    (store.folder / "log").mkdir()
    for seq in range(1, at):
        (store.folder / entry_name(seq)).touch()
    reader = Log(store, config, keys)
    (store.folder / entry_name(at)).write_bytes(stored)
    for seq in range(at + 1, count + 1):
        prev = _digest(stored)
        draft = Draft(seq - 1, (), Private(0, "host", NO_SESSION))
        stored = make_entry(draft, keys, seq=seq, prev=prev, repo_id=repo_id)
        (store.folder / entry_name(seq)).write_bytes(stored)
    _timed("log", "open", count, reader.load)
    say(f"the newest is entry {reader.head[0]}")


def _digest(stored: bytes) -> bytes:
    return hashlib.sha256(stored).digest()


PIECES: dict[str, tuple[Callable[[int, Path], None], int]] = {
    "index": (_index, 100_000_000),
    "manifest": (_manifest, 10_000_000),
    "log": (_log, 1_000_000),
}


def _peak() -> int:
    """Bytes of this process, at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _timed(piece: str, what: str, count: int, work: Callable[[], _Value]) -> _Value:
    begun = time.perf_counter()
    value = work()
    taken = time.perf_counter() - begun
    peak = _peak() / 2**20
    put("scale", f"{piece}: {what}", count=count, seconds=taken, peak_mib=peak)
    say(f"{piece}: {what:<20}{count:>12,}{taken:>10.2f} s   peak {peak:,.0f} MiB")
    return value
