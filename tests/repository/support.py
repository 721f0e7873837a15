"""Repositories to try things on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import KdfParameters, ObjectExistsError, ObjectMissingError, Password, RootKey
from strongroom.repository.config import Config, make_config
from strongroom.repository.entry import Draft, SegmentRef
from strongroom.repository.private import Private
from strongroom.repository.snapshots import Snapshot
from strongroom.stores import OBJECT_MAX

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHEAPEST = KdfParameters(memory_kib=64 * 1024, passes=3, lanes=1)
ROOT = RootKey(bytes(range(100, 132)))
REPO_ID = bytes(range(32))
CONFIG = make_config(ROOT, REPO_ID)
KEYS = CONFIG.keys(ROOT, doing="testing")


class MemoryStore:
    """Objects in memory."""

    url = "memory"

    def __init__(self, config: Config | None = CONFIG) -> None:
        self.objects: dict[str, bytes] = {} if config is None else {"config": config.stored}

    def get(self, name: str, *, limit: int = OBJECT_MAX) -> bytes:
        if name not in self.objects:
            raise ObjectMissingError(f"{name} is missing")
        assert len(self.objects[name]) <= limit
        return self.objects[name]

    def put(self, name: str, data: Buffer) -> None:
        if name in self.objects:
            raise ObjectExistsError(f"{name} exists")
        self.objects[name] = bytes(data)

    def adopt(self, files: Sequence[tuple[Path, str]]) -> None:
        for path, name in files:
            self.put(name, path.read_bytes())
            path.unlink()

    def sync(self, name: str) -> None:
        self.get(name)

    def list(self, prefix: str) -> Iterator[str]:
        return iter(sorted(name for name in self.objects if name.startswith(prefix)))

    def delete(self, name: str) -> None:
        self.get(name)
        del self.objects[name]

    def length(self, name: str) -> int:
        return len(self.get(name))

    def exists(self, name: str) -> bool:
        return name in self.objects


def cheap(text: str) -> Password:
    """A password as cheap as the format allows."""
    return Password(text, kdf=CHEAPEST)


def a_snapshot(n: int = 1, **changes: object) -> Snapshot:
    """One of many, each with an id of its own."""
    noise = random.Random(n)
    fields: dict[str, object] = {
        "id": noise.randbytes(16),
        "root": noise.randbytes(32),
        "time": 1_700_000_000_000_000_000 + n,
        "host": "host",
        "user": "user",
        "tags": ("one", "two"),
        "paths": (b"/home", b"caf\xe9"),
        "entries": 10,
        "files": 5,
        "bytes": 2**40,
        "new_bytes": 7,
        "errors": 0,
    }
    return Snapshot(**fields | changes)


def a_draft(n: int = 1, *, base: int = 0, snapshot: bool = True) -> Draft:
    """What commit n would add."""
    noise = random.Random(n + 10**9)
    taken = a_snapshot(n)
    segments = [SegmentRef(noise.randbytes(16), noise.randbytes(32), 2**26 + n, 2)]
    if snapshot:
        segments.append(SegmentRef(taken.id, taken.root, 12416, 3))
    private = Private(1_700_000_000_000_000_000 + n, "host", bytes(16), taken if snapshot else None)
    return Draft(base, tuple(segments), private)
