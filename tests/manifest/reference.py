"""A second reader of manifests, written from FORMAT.md, section 10, alone. All in memory."""

from __future__ import annotations

CHUNK = 2**20 - 64


class BrokenError(Exception):
    """It breaks a rule."""


def check(*, rule: bool) -> None:
    if not rule:
        raise BrokenError


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def items(stored: bytes):
    check(rule=stored[:16] == b"srm-tree" + b"\0\1" + bytes(6))
    at = 16
    while at < len(stored):
        check(rule=at + 4 <= len(stored))
        length = number(stored[at + 1 : at + 4])
        check(rule=at + 4 + length <= len(stored))
        yield stored[at], stored[at + 4 : at + 4 + length]
        at += 4 + length


def entry(body: bytes) -> dict:
    check(rule=len(body) >= 88)
    lengths = [number(body[72:74]), number(body[74:76])]
    lengths += [number(body[at : at + 4]) for at in (76, 80, 84)]
    texts, at = [], 88
    for length in lengths:
        texts.append(body[at : at + length])
        at += length
    check(rule=at == len(body))
    found = {
        "type": body[0],
        "flags": body[1],
        "mode": number(body[4:8]),
        "uid": number(body[8:12]),
        "gid": number(body[12:16]),
        "mtime_ns": int.from_bytes(body[16:24], "big", signed=True),
        "ctime_ns": int.from_bytes(body[24:32], "big", signed=True),
        "ino": number(body[32:40]),
        "dev": number(body[40:48]),
        "nlink": number(body[48:56]),
        "size": number(body[56:64]),
        "rdev": number(body[64:72]),
    }
    found |= dict(zip(("user", "group", "path", "target"), texts[:4], strict=True))
    found["xattrs"] = xattrs(texts[4])
    check(rule=body[2:4] == bytes(2) and 1 <= found["type"] <= 7 and found["mode"] <= 0o7777)
    check(rule=found["flags"] <= (1 if found["type"] == 1 else 0))
    check(rule=found["size"] == 0 or found["type"] == 1)
    check(rule=found["rdev"] == 0 or found["type"] in {6, 7})
    check(rule=bool(found["target"]) == (found["type"] == 3))
    check(rule=not any(b"\0" in text for text in texts[:4]))
    check(rule=not {b"", b".", b".."} & set(found["path"].split(b"/")))
    return found


def xattrs(stored: bytes) -> tuple:
    found, at = [], 0
    while at < len(stored):
        name, value = number(stored[at : at + 2]), number(stored[at + 2 : at + 6])
        at += 6
        check(rule=at + name + value <= len(stored))
        found.append((stored[at : at + name], stored[at + name : at + name + value]))
        at += name + value
    names = [name for name, _ in found]
    check(rule=names == sorted(set(names)) and not any(not n or b"\0" in n for n in names))
    return tuple(found)


def read(stored: bytes) -> list[tuple[dict, bytes]]:
    """All entries with their chunk ids."""
    found: list[tuple[dict, list[bytes]]] = []
    ended = False
    for kind, body in items(stored):
        check(rule=not ended)
        if kind == 1:
            found.append((entry(body), []))
        elif kind == 2:
            check(rule=bool(found) and bool(body) and len(body) % 32 == 0)
            check(rule=not found[-1][1] or len(found[-1][1][-1]) == 4096 * 32)
            check(rule=len(body) <= 4096 * 32)
            found[-1][1].append(body)
        else:
            files = [one for one, _ in found if one["type"] == 1]
            total = sum(one["size"] for one in files) % 2**64
            counts = (len(found), len(files), total)
            check(rule=kind == 3 and body == b"".join(n.to_bytes(8, "big") for n in counts))
            ended = True
    check(rule=ended)
    folders, before = {b""}, None
    for one, ids in found:
        parts = one["path"].split(b"/")
        check(rule=before is None or parts > before)
        check(rule=b"/".join(parts[:-1]) in folders)
        before = parts
        if one["type"] == 2:
            folders.add(one["path"])
        check(rule=len(b"".join(ids)) == 32 * -(-one["size"] // CHUNK))
    return [(one, b"".join(ids)) for one, ids in found]
