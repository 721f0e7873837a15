"""What somebody with the keys writes against docs/FORMAT.md, both readers refuse, and alike.

The product judges by opening the repository and verifying all of it, data included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest

from strongroom import Finding, StrongroomError

from . import forge_repository as forge
from .forge import Record, patch, random_id, remac
from .forge_repository import item, lie
from .header_reference import CHUNK
from .judges import both, by_reference, opened, stored
from .manifest_reference import ENTRY, IDS, Entry


def entry(number: int, **change: Any) -> Callable[[list[Entry]], list[Entry]]:
    return lambda tree: [*tree[:number], replace(tree[number], **change), *tree[number + 1 :]]


def record(number: int, **change: Any) -> Callable[[list[Record]], list[Record]]:
    return lambda all_: [*all_[:number], replace(all_[number], **change), *all_[number + 1 :]]


def changed(**change: Any) -> Callable[[Any], Any]:
    return lambda value: replace(value, **change)


def at(offset: int, new: bytes) -> Callable[[bytes], bytes]:
    return lambda value: patch(value, offset % (len(value) + 1), new)


def body_at(number: int, offset: int, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Bytes of an item's body."""
    return lambda all_: [*all_[:number], patch(all_[number], 4 + offset, new), *all_[number + 1 :]]


def private(**change: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: value | change


def snapshot(**change: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: value | {"snapshot": value["snapshot"] | change}


def row(number: int, **change: Any) -> Callable[[list[tuple]], list[tuple]]:
    places = ("id", "root", "length", "type", "zero")

    def edit(rows: list[tuple]) -> list[tuple]:
        new = dict(zip(places, rows[number], strict=True)) | change
        return [*rows[:number], tuple(new.values()), *rows[number + 1 :]]

    return edit


def without(name: str) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda value: {key: content for key, content in value.items() if key != name}


def two_in_one(tree: list[Entry]) -> list[Entry]:
    ids, size = forge.big_file()
    return entry(1, chunks=ids, size=size)(tree)


def uneven_ids(items: list[bytes]) -> list[bytes]:
    ids, _ = forge.big_file()
    parts = [item(IDS, b"".join(ids[:1])), item(IDS, b"".join(ids[1:]))]
    return [*items[:2], *parts, *items[4:]]


WRONG_ID = random_id()
OTHER_SESSION = {"session_id": b"another 16 bytes"}
SEGMENTS = {f"segments/{name.hex()[:2]}/{name.hex()}" for name in (forge.DATA_ID,)}

ACCEPTED = {
    "honest": {},
    "foreign names": {"objects": lambda o: o | {"README": b"x", "log/notes": b"x"}},
    "upper case in the log": {"objects": lambda o: o | {"log/000000000000000A": b"x"}},
    "a log entry 0": {"objects": lambda o: o | {"log/0000000000000000": b"x"}},
    "a left-over segment": {"objects": lambda o: o | {f"segments/00/{'00' * 16}": b"x"}},
    "no snapshot": {"private": lambda p: {k: v for k, v in p.items() if k != "snapshot"}},
    "least time": {"private": private(time=-(2**63) + 1)},
    "most time": {"private": private(time=2**63 - 1)},
    "most new bytes": {"private": snapshot(new_bytes=2**64 - 1)},
    "more records of one chunk": {"records": lambda all_: [all_[0], *all_]},
    "sparse": {"tree": entry(1, flags=1)},
    "an empty manifest": {"tree": lambda _: []},
    "equal folder and file beginnings": {
        "tree": lambda t: [*t, replace(t[4], path=b"top d")],
    },
    "no padding": {"manifest_plan": {"pad": False}},
    "compressed manifest": {"manifest_plan": {"zstd": lambda _: True}},
    "early mtime": {"tree": entry(1, mtime=-(2**63))},
    "another session_id": {"data_plan": OTHER_SESSION},
    "a manifest's session_id": {"manifest_plan": OTHER_SESSION},
    "another session": {"private": private(session=b"another 16 bytes")},
    "two envelopes": {"data_plan": {"password": "x"}},
    "device": {"tree": entry(4, type=6, target=b"", rdev=2**64 - 1)},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_both_accept(name: str, tmp_path: Path) -> None:
    assert both(lie(**ACCEPTED[name]), tmp_path) == 0


REFUSED = {
    # config
    "config zero": ({"config": at(12, b"\1")}, 13),
    "config version": ({"config": at(8, b"\0\2")}, 14),
    "config suite": ({"config": at(10, b"\0\2")}, 14),
    "config id": ({"config": at(16, b"x")}, 12),
    "config public key": ({"config": at(48, b"x")}, 13),
    "config longer": ({"config": lambda c: c + b"x"}, 13),
    # data segments
    "id": ({"records": record(0, id=bytes(32))}, 13),
    "codec": ({"records": record(0, codec=2)}, 13),
    "raw length": ({"records": record(0, raw_len=5255)}, 13),
    "record zero": ({"records": record(0, zero_b=1)}, 13),
    "end zero": ({"records": record(3, zero_a=1)}, 13),
    "no records": ({"records": lambda all_: all_[3:]}, 13),
    "gap": ({"records": record(2, at=4000)}, 13),
    "more last_len": ({"layout": lambda s: (s[0], 2 * s[1])}, 13),
    "last_len no power of two": ({"layout": lambda s: (s[0], s[1] + 4096)}, 13),
    "another frame": ({"layout": lambda _: (2, 4096)}, 13),
    "directory offset": ({"directory": at(0, b"\0\0\0\1")}, 13),
    "directory length": ({"directory": at(4, b"\0\0\0\1")}, 13),
    "directory raw length": ({"directory": at(8, b"\0\0\0\1")}, 13),
    "directory codec": ({"directory": at(12, b"\0")}, 13),
    "directory zero": ({"directory": at(13, b"\1")}, 13),
    "directory id": ({"directory": at(16, b"x")}, 13),
    "directory short": ({"directory": lambda d: d[48:]}, 13),
    "footer count": ({"footer": changed(count=2)}, 13),
    "footer total": ({"footer": changed(raw_total=1)}, 13),
    "footer end": ({"footer": changed(records_end=0)}, 13),
    "footer directory": ({"footer": changed(directory_offset=0)}, 13),
    "footer bytes": ({"footer": changed(directory_bytes=0)}, 13),
    "footer zero": ({"footer": changed(zero=b"\1" * 16)}, 13),
    "footer magic": ({"footer": changed(magic=b"srm-feet")}, 13),
    "digests": ({"digests": lambda _: bytes(32)}, 13),
    "trailer root": ({"trailer": changed(root=bytes(32))}, 13),
    "trailer n": ({"trailer": changed(n=2)}, 13),
    "trailer total": ({"trailer": changed(total=4096)}, 13),
    "trailer header": ({"trailer": changed(header=bytes(4096))}, 13),
    "trailer zero": ({"trailer": changed(zero=b"\1" * 8)}, 13),
    "repo_id": ({"data_plan": {"repo_id": b"x" * 32}}, 13),
    "longer": ({"data_segment": lambda s: s + bytes(4096)}, 13),
    "header flags": (
        {"data_plan": {"header": lambda h: remac(patch(h, 15, b"\1"), forge.SK)}},
        14,
    ),
    # manifests
    "manifest magic": ({"manifest": at(0, b"x")}, 13),
    "manifest version": ({"manifest": at(9, b"\2")}, 14),
    "manifest zero": ({"manifest": at(15, b"\2")}, 13),
    "manifest empty": ({"manifest": lambda _: b""}, 13),
    "manifest cut": ({"manifest": lambda m: m[:-1]}, 13),
    "manifest longer": ({"manifest": lambda m: m + b"\0"}, 13),
    "no end": ({"items": lambda i: i[:-1]}, 13),
    "two ends": ({"items": lambda i: [*i, i[-1]]}, 13),
    "unknown item": ({"items": lambda i: [item(4, b""), *i]}, 13),
    "long end": ({"items": lambda i: [*i[:-1], item(3, i[-1][4:] + b"\0")]}, 13),
    "end's entries": ({"items": lambda i: [*i[:-1], patch(i[-1], 11, b"\7")]}, 13),
    "end's files": ({"items": lambda i: [*i[:-1], patch(i[-1], 19, b"\7")]}, 13),
    "end's sizes": ({"items": lambda i: [*i[:-1], patch(i[-1], 27, b"\7")]}, 13),
    "ids first": ({"items": lambda i: [i[2], *i]}, 13),
    "ids twice": ({"items": lambda i: [*i[:3], *i[2:]]}, 13),
    "ids missing": ({"items": lambda i: [*i[:2], *i[3:]]}, 13),
    "ids missing at the end": ({"tree": lambda t: t[:4], "items": lambda i: [*i[:-2], i[-1]]}, 13),
    "empty ids": ({"items": lambda i: [*i[:2], item(IDS, b""), *i[2:]]}, 13),
    "ids of a folder": ({"items": lambda i: [i[0], i[2], *i[1:]]}, 13),
    "cut id": ({"items": lambda i: [*i[:2], item(IDS, i[2][4:-1]), *i[3:]]}, 13),
    "uneven ids": ({"tree": two_in_one, "items": uneven_ids}, 13),
    "type 0": ({"tree": entry(4, type=0, target=b"")}, 13),
    "type 8": ({"tree": entry(4, type=8, target=b"")}, 13),
    "flag 2": ({"tree": entry(1, flags=2)}, 13),
    "flag of a folder": ({"tree": entry(0, flags=1)}, 13),
    "entry zero": ({"items": body_at(0, 2, b"\1")}, 13),
    "entry cut": ({"items": lambda i: [item(ENTRY, i[0][4:-1]), *i[1:]]}, 13),
    "entry longer": ({"items": lambda i: [item(ENTRY, i[0][4:] + b"x"), *i[1:]]}, 13),
    "mode": ({"tree": entry(0, mode=0o10000)}, 13),
    "size of a folder": ({"tree": entry(0, size=1)}, 13),
    "rdev of a file": ({"tree": entry(1, rdev=1)}, 13),
    "NUL in user": ({"tree": entry(1, user=b"a\0")}, 13),
    "NUL in group": ({"tree": entry(1, group=b"\0")}, 13),
    "NUL in path": ({"tree": entry(1, path=b"top/a\0")}, 13),
    "NUL in target": ({"tree": entry(4, target=b"a\0")}, 13),
    "no target": ({"tree": entry(4, target=b"")}, 13),
    "target of a file": ({"tree": entry(1, target=b"a")}, 13),
    "NUL in an attribute": ({"tree": entry(1, attributes={b"a\0": b""})}, 13),
    "nameless attribute": ({"tree": entry(1, attributes={b"": b""})}, 13),
    "attributes descend": ({"tree": entry(1, attributes={b"b": b"", b"a": b""})}, 13),
    "empty path": ({"tree": entry(0, path=b"")}, 13),
    "absolute path": ({"tree": entry(0, path=b"/top")}, 13),
    "path with slash at end": ({"tree": entry(1, path=b"top/a/")}, 13),
    "dot": ({"tree": entry(1, path=b"top/.")}, 13),
    "dots": ({"tree": entry(1, path=b"top/..")}, 13),
    "paths descend": ({"tree": entry(1, path=b"top/bb")}, 13),
    "path twice": ({"tree": entry(2, path=b"top/a")}, 13),
    "path in a file": ({"tree": entry(2, path=b"top/a/b")}, 13),
    "path in a link": ({"tree": lambda t: [*t, replace(t[1], path=b"top/d/e")]}, 13),
    "no folder": ({"tree": lambda t: t[1:]}, 13),
    "folder of the same beginning": (
        {"tree": lambda t: [replace(t[0], path=b"to"), *t[1:]]},
        13,
    ),
    "unknown chunk": ({"tree": entry(1, chunks=[WRONG_ID])}, 13),
    # log
    "kind": ({"public": at(10, b"\5")}, 14),
    "entry version": ({"public": at(9, b"\2")}, 14),
    "entry magic": ({"public": at(0, b"x")}, 13),
    "public zero": ({"public": at(11, b"\1")}, 13),
    "tombstones": ({"public": at(103, b"\1")}, 13),
    "more zeros": ({"public": at(127, b"\1")}, 13),
    "seq": ({"public": at(23, b"\2")}, 13),
    "base": ({"public": at(31, b"\1")}, 13),
    "entry's repo_id": ({"public": at(32, b"x")}, 13),
    "prev": ({"public": at(64, b"x")}, 13),
    "number": ({"public": at(99, b"\1")}, 13),
    "sealed length": ({"public": at(15, b"\x50")}, 13),
    "segment type": ({"segments": row(0, type=1)}, 14),
    "segment type 0": ({"segments": row(0, type=0)}, 14),
    "data called manifest": ({"segments": row(0, type=3)}, 13),
    "segment zero": ({"segments": row(0, zero=b"\1" * 7)}, 13),
    "segment length": ({"segments": row(0, length=8192)}, 13),
    "segment root": ({"segments": row(0, root=bytes(32))}, 13),
    "segment id": ({"segments": row(0, id=bytes(16))}, 13),
    "segment twice": ({"segments": lambda rows: [rows[0], *rows]}, 13),
    "no data segment": ({"segments": lambda rows: rows[1:]}, 13),
    "missing segment": ({"objects": without(next(iter(SEGMENTS)))}, 13),
    "gap in the log": ({"objects": lambda o: o | {"log/ffffffffffffffff": b""}}, 13),
    "no config": ({"objects": without("config")}, 13),
    "entries": ({"private": snapshot(entries=4)}, 13),
    "files": ({"private": snapshot(files=4)}, 13),
    "bytes": ({"private": snapshot(bytes=4)}, 13),
    "short session": ({"private": private(session=b"x")}, 13),
    "time as text": ({"private": private(time="now")}, 13),
    "time as a float": ({"private": private(time=1.0)}, 13),
    "time as a bool": ({"private": private(time=True)}, 13),
    "time too large": ({"private": private(time=2**63)}, 13),
    "time too small": ({"private": private(time=-(2**63))}, 13),
    "writer as bytes": ({"private": private(writer=b"w")}, 13),
    "unknown key": ({"private": private(other=1)}, 14),
    "unknown key of the snapshot": ({"private": snapshot(other=1)}, 14),
    "number as a key": ({"private": lambda p: p | {1: 1}}, 14),
    "no snapshot in it": ({"private": private(snapshot=None)}, 13),
    "missing key": ({"private": lambda p: {k: v for k, v in p.items() if k != "writer"}}, 13),
    "manifest id": ({"private": snapshot(id=forge.DATA_ID)}, 13),
    "manifest root": ({"private": snapshot(root=bytes(32))}, 13),
    "count below zero": ({"private": snapshot(errors=-1)}, 13),
    "count too large": ({"private": snapshot(errors=2**64)}, 13),
    "tags of bytes": ({"private": snapshot(tags=[b"x"])}, 13),
    "paths of text": ({"private": snapshot(paths=["x"])}, 13),
    "paths no array": ({"private": snapshot(paths=b"x")}, 13),
    "no CBOR": ({"cbor": lambda _: b"\xff"}, 13),
    "CBOR longer": ({"cbor": lambda c: c + b"\0"}, 13),
    "CBOR cut": ({"cbor": lambda c: c[:-1]}, 13),
    "CBOR tagged": ({"cbor": lambda c: b"\xd9\xd9\xf7" + c}, 13),
    "CBOR indefinite": ({"cbor": lambda c: b"\xbf" + c[1:] + b"\xff"}, 13),
    "CBOR long length": ({"cbor": lambda c: bytes([0xB8, c[0] & 31]) + c[1:]}, 13),
    "CBOR another order": (
        {"cbor": lambda c: cbor2.dumps(dict(reversed(cbor2.loads(c).items())))},
        13,
    ),
    "CBOR key twice": ({"cbor": lambda c: bytes([c[0] + 1]) + b"\x64time\1" + c[1:]}, 13),
    "CBOR of no map": ({"cbor": lambda _: b"\0"}, 13),
    "CBOR deep": ({"cbor": lambda _: b"\x81" * 5000 + b"\0"}, 13),
}


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(name: str, tmp_path: Path) -> None:
    lies, code = REFUSED[name]
    assert both(lie(**lies), tmp_path) == code


@pytest.mark.parametrize("size", [1, 5000, 5257, CHUNK])
def test_a_chunk_of_another_length_than_the_size_says_is_not_restored(
    size: int, tmp_path: Path
) -> None:
    objects = lie(tree=entry(1, size=size))
    assert by_reference(objects) == 13
    stored(objects, tmp_path)
    errors: list[StrongroomError] = []
    with opened(tmp_path) as repository:
        repository.restore("latest", tmp_path / "out", on_error=errors.append)
    assert 13 in {error.exit_code for error in errors}
    assert not (tmp_path / "out" / "top" / "a").exists()


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize("size", [1, 5000, 5257, CHUNK])
def test_verify_finds_a_chunk_of_another_length_than_the_size_says(
    size: int, data: bool, tmp_path: Path
) -> None:
    stored(lie(tree=entry(1, size=size)), tmp_path)
    found: list[Finding] = []
    with opened(tmp_path) as repository:
        result = repository.verify(data=data, on_damage=found.append)
    assert (result.damaged_files, result.damaged_segments) == (1, 0)
    assert [finding.path for finding in found] == [b"top/a"]
    assert "1 of its chunks is not as long as its size says" in str(found[0].error)
