"""A reader of whole repositories, written from docs/FORMAT.md alone: from config to the files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import data_reference as data
from . import header_reference as ref
from . import reference as reading
from . import repository_reference as repository
from . import tree_reference
from .header_reference import (
    CHUNK,
    MANIFEST,
    PAGE,
    Damaged,
    Refused,
    Unsupported,
    WrongKey,
    require,
)
from .manifest_reference import FILE, Entry, read_manifest
from .repository_reference import Config

NAMES = re.compile(
    r"config|keys/[0-9a-f]{32}|segments/([0-9a-f]{2})/\1[0-9a-f]{30}|log/[0-9a-f]{16}"
)
MOST_SLOTS = 9


@dataclass(frozen=True)
class Snapshot:
    info: Mapping[str, object]
    entries: list[Entry]


@dataclass(frozen=True)
class Contents:
    """All that a repository holds."""

    snapshots: list[Snapshot]
    chunks: Mapping[bytes, bytes]

    def file(self, entry: Entry) -> bytes:
        return b"".join(self.chunks[one] for one in entry.chunks)


def objects_in(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in named.items() if NAMES.fullmatch(name)}


def unlock(objects: Mapping[str, bytes], password: str) -> bytes:
    """The root key."""
    config = config_of(objects)
    slots = [name for name in sorted(objects) if name[0] == "k" and NAMES.fullmatch(name)]
    require(len(slots) <= MOST_SLOTS, "too many slots", Unsupported)
    refusals = []
    for name in slots:
        try:
            root_key = repository.open_slot(objects[name], name, config, password)
        except Refused as refusal:
            refusals.append(refusal)
            continue
        try:
            repository.read_config(config.raw, root_key)
        except WrongKey:
            raise Damaged("a slot holds another key") from None
        return root_key
    known = (r for r in refusals if str(r) != "unknown kind")
    worst = {type(r) for r in known}
    raise next((kind for kind in (Damaged, Unsupported) if kind in worst), WrongKey)("no slot")


def config_of(objects: Mapping[str, bytes], root_key: bytes | None = None) -> Config:
    require("config" in objects, "there is no config")
    return repository.read_config(objects["config"], root_key)


def read(objects: Mapping[str, bytes], root_key: bytes) -> Contents:
    """Everything that the log names, checked to the last byte."""
    objects = {name: objects[name] for name in objects if NAMES.fullmatch(name)}
    config = config_of(objects, root_key)
    state = repository.fold(repository.read_log(objects, config, root_key))
    k_id = repository.subkey(root_key, config.repo_id, b"chunk-id")
    chunks: dict[bytes, bytes] = {}
    snapshots = []
    for segment_id, root, length, kind, _ in state.live.values():
        stored = segment(objects, segment_id, length)
        require(root_of(stored, kind) == root, "not the segment that the log names")
        require(stored[12] == kind, "another type than the log says")
        header = ref.parse_header(stored[:PAGE], kind)
        require(header.repo_id == config.repo_id, "a segment of another repository")
        if kind == MANIFEST:
            # Also those that no snapshot names.
            read_manifest(reading.open_sealed(stored, root_key=root_key, kind=MANIFEST))
        else:
            chunks.update(data.read_chunks(stored, root_key, k_id))
    for info in state.snapshots.values():
        manifest = segment(objects, info["id"], None)
        plain = reading.open_sealed(manifest, root_key=root_key, kind=MANIFEST)
        snapshots.append(Snapshot(info, read_manifest(plain)))
        check_snapshot(snapshots[-1], chunks)
    return Contents(snapshots, chunks)


def segment(objects: Mapping[str, bytes], segment_id: bytes, length: int | None) -> bytes:
    name = segment_id.hex()
    stored = objects.get(f"segments/{name[:2]}/{name}")
    require(stored is not None, f"segment {name} is missing")
    require(length in (None, len(stored)), "a segment's length is not the log's")
    return stored


def root_of(stored: bytes, kind: int) -> bytes:
    header = stored[:PAGE]
    frames = reading.split_frames(stored) if kind == MANIFEST else data.split(stored)[0]
    return tree_reference.root_of(header, frames)


def check_snapshot(snapshot: Snapshot, chunks: Mapping[bytes, bytes]) -> None:
    files = [entry for entry in snapshot.entries if entry.type == FILE]
    counts = (len(snapshot.entries), len(files), sum(file.size for file in files))
    info = snapshot.info
    require(counts == (info["entries"], info["files"], info["bytes"]), "not the log's counts")
    for file in files:
        for at, one in enumerate(file.chunks):
            require(one in chunks, "a chunk is missing")
            length = min(CHUNK, file.size - at * CHUNK)
            require(len(chunks[one]) == length, "a chunk is not as long as its file says")
