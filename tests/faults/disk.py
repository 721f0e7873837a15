"""What a power cut leaves: all that changes files is recorded, with every sync; of what was not
synced, contents by sectors and names alike, all, nothing, or any part is there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
NAMELESS = " (deleted)"
"""How the path of a file ends that has no name, or none any more."""


@dataclass(frozen=True)
class Call:
    """See fault.c."""

    kind: str
    offset: int
    path: str
    data: bytes


def recorded(path: Path, base: Path) -> Iterator[Call]:
    """All but the index of SQLite's log, which is memory that processes share."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        end = content.index(b"\n", at)
        kind, offset, count, name = content[at:end].decode().split("\t")
        at = end + 1 + int(count)
        if not name.endswith("-shm"):
            yield Call(kind, int(offset), below(name, base), content[end + 1 : at])


def below(path: str, base: Path) -> str:
    return str(Path(path).relative_to(base))


@dataclass
class Content:
    """A file's, whatever its names are: what is sure to stay, and what was done since."""

    sure: bytes = b""
    since: list[Call] = field(default_factory=list)
    is_folder: bool = False

    def came_back(self, chance: random.Random, share: float) -> bytes:
        content = bytearray(self.sure)
        for call in self.since:
            if call.kind == "truncate":
                if chance.random() < share:
                    content = content[: call.offset].ljust(call.offset, b"\0")
                continue
            for begin in range(0, len(call.data), SECTOR):
                if chance.random() < share:
                    piece, place = call.data[begin : begin + SECTOR], call.offset + begin
                    content = content.ljust(place, b"\0")
                    content[place : place + len(piece)] = piece
        return bytes(content)

    def sync(self) -> None:
        self.sure, self.since = self.came_back(random.Random(0), 1), []


@dataclass
class Disk:
    """Files by name: as a program sees them, and as they are sure to be after a power cut."""

    names: dict[str, Content]
    sure: dict[str, Content]

    @classmethod
    def of(cls, base: Path) -> Disk:
        """All that is below a folder is sure."""
        found = {str(path.relative_to(base)): path for path in base.rglob("*")}
        names = {
            name: Content(is_folder=True) if path.is_dir() else Content(path.read_bytes())
            for name, path in found.items()
        }
        return cls(names, dict(names))

    def do(self, call: Call, base: Path) -> None:
        names = self.names
        if call.kind in {"write", "truncate"}:
            names.setdefault(call.path, Content()).since.append(call)
        elif call.kind == "create":
            names.setdefault(call.path, Content())
        elif call.kind == "nameless":
            names[call.path] = Content()
        elif call.kind == "mkdir":
            names[call.path] = Content(is_folder=True)
        elif call.kind == "rename":
            names[call.path] = names.pop(below(call.data.decode(), base))
        elif call.kind == "link":
            names[call.path] = names[below(call.data.decode(), base)]
        elif call.kind in {"unlink", "rmdir"}:
            del names[call.path]
        elif call.path in names and not names[call.path].is_folder:
            names[call.path].sync()
        else:
            self._sync_names(call.path)

    def _sync_names(self, folder: str) -> None:
        def others(names: dict[str, Content], *, inside: bool) -> dict[str, Content]:
            return {n: c for n, c in names.items() if (str(Path(n).parent) == folder) == inside}

        self.sure = others(self.sure, inside=False) | others(self.names, inside=True)

    def came_back(self, seed: int, share: float) -> dict[str, bytes]:
        """What files there are then."""
        chance = random.Random(seed)
        names, folders = {}, {"."}
        for name in sorted(self.names.keys() | self.sure.keys()):
            content = (self.names if chance.random() < share else self.sure).get(name)
            if content is None or name.endswith(NAMELESS):
                continue
            if str(Path(name).parent) not in folders:
                continue  # its folder is gone, too
            if content.is_folder:
                folders.add(name)
            else:
                names[name] = content.came_back(chance, share)
        return names


def files(base: Path) -> dict[str, bytes]:
    found = (path for path in base.rglob("*") if path.is_file())
    return {str(path.relative_to(base)): path.read_bytes() for path in found}
