"""A reader of config, slots and log, written from docs/FORMAT.md, sections 7 to 9, alone."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .header_reference import (
    NO_NONCE,
    PASSWORD,
    Damaged,
    Unsupported,
    WrongKey,
    check_parameters,
    envelope_aad,
    gcm_open,
    hkdf_expand,
    mac,
    password_keys,
    require,
    sha256,
)

CONFIG = struct.Struct(">8s H H I 32s 32s 32s 32s")
SLOT = struct.Struct(">8s H B B I 16s 32s Q")
ENTRY = struct.Struct(">8s H B B I Q Q 32s 32s I I I I Q Q")
SEGMENT = struct.Struct(">16s 32s Q B 7s")
TOMBSTONE = struct.Struct(">16s Q")
ADD, PARTIAL, REMOVE, CHECKPOINT = 1, 2, 3, 4
ENTRY_MAX, CHECKPOINT_MAX = 2**26, 2**28


def is_anything(_: object) -> bool:
    return True


def is_text(value: object) -> bool:
    return type(value) is str


def is_time(value: object) -> bool:
    return type(value) is int and -(2**63) < value < 2**63


def is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**64


def is_bytes(length: int | None = None) -> Callable[[object], bool]:
    return lambda value: type(value) is bytes and length in (None, len(value))


def is_array(item: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: type(value) is list and all(map(item, value))


def is_true(value: object) -> bool:
    return value is True


PRIVATE = {"time": is_time, "writer": is_text, "session": is_bytes(16)}
SNAPSHOT = {
    "id": is_bytes(16),
    "root": is_bytes(32),
    "time": is_time,
    "host": is_text,
    "user": is_text,
    "tags": is_array(is_text),
    "paths": is_array(is_bytes()),
    **dict.fromkeys(("entries", "files", "bytes", "new_bytes", "errors"), is_count),
    "partial": is_true,
}
RETAGGED = {"id": is_bytes(16), "tags": is_array(is_text)}


def subkey(root_key: bytes, repo_id: bytes, name: bytes) -> bytes:
    return hkdf_expand(mac(repo_id, root_key), b"strongroom/1 " + name + b"\0", 32)


@dataclass(frozen=True)
class Config:
    raw: bytes
    repo_id: bytes
    public_key: bytes


def read_config(raw: bytes, root_key: bytes | None = None) -> Config:
    require(44 <= len(raw) <= 4096 and raw[:8] == bytes.fromhex("895352430D0A1A0A"), "no config")
    require(sha256(raw[:-32]) == raw[-32:], "the digest is wrong")
    require(raw[8:12] == b"\0\1\0\1", "unknown version or suite", Unsupported)
    require(raw[12:16] == bytes(4) and len(raw) == 144, "the config is malformed")
    *_, repo_id, public_key, check, _ = CONFIG.unpack(raw)
    if root_key is not None:
        expected = mac(subkey(root_key, repo_id, b"check"), raw[:80])
        require(check == expected, "another key's repository", WrongKey)
        require(public_of(root_key, repo_id) == public_key, "another public key")
    return Config(raw, repo_id, public_key)


def public_of(root_key: bytes, repo_id: bytes) -> bytes:
    seed = subkey(root_key, repo_id, b"sign")
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def open_slot(raw: bytes, name: str, config: Config, password: str) -> bytes:
    require(104 <= len(raw) <= 4096, "no slot has this length")
    require(raw[:8] == bytes.fromhex("8953524B0D0A1A0A"), "no slot")
    require(sha256(raw[:-32]) == raw[-32:], "the digest is wrong")
    _, version, kind, zero, length, slot_id, repo_id, _ = SLOT.unpack_from(raw)
    require(version == 1, "unknown version", Unsupported)
    body = raw[72:-32]
    require(zero == 0 and length == len(body), "the slot is malformed")
    require(name == f"keys/{slot_id.hex()}" and repo_id == config.repo_id, "misplaced")
    require(kind == 1, "unknown kind", Unsupported)
    require(length == 120, "the slot is malformed")
    check_parameters(body)
    params, salt, commit, wrapped = body[:8], body[8:40], body[40:72], body[72:]
    expected, kek = password_keys(password, repo_id, slot_id, params=params, salt=salt)
    require(expected == commit, "wrong password", WrongKey)
    aad = envelope_aad(PASSWORD, repo_id, slot_id)
    return gcm_open(kek, NO_NONCE, wrapped, aad, what="the slot")


@dataclass(frozen=True)
class Entry:
    seq: int
    kind: int
    base: int
    segments: list[tuple[bytes, bytes, int, int, bytes]]
    tombstones: list[tuple[bytes, int]]
    gone: list[bytes]
    before: tuple[int, bytes]
    private: dict[str, object]
    hash: bytes
    prev: bytes


@dataclass
class State:
    """What a log amounts to."""

    live: dict[bytes, tuple[bytes, bytes, int, int, bytes]]
    removed: dict[bytes, int]
    snapshots: dict[bytes, dict]
    checkpoint: tuple[int, bytes]

    def apply(self, entry: Entry) -> None:
        if entry.kind == CHECKPOINT:
            # In the same order, too.
            summary = state_of(entry, checkpoint=entry.before)
            require(repr(self) == repr(summary), "not what there is")
            self.checkpoint = (entry.seq, entry.hash)
            return
        added = {segment[0]: segment for segment in entry.segments}
        require(not added.keys() & (self.live.keys() | self.removed.keys()), "comes again")
        for name, _ in entry.tombstones:
            self.live.pop(name, None)
            self.snapshots.pop(name, None)
            self.removed.setdefault(name, entry.seq)
        for name in entry.gone:
            self.removed.pop(name, None)
        origin = entry.seq.to_bytes(7, "big")
        self.live |= {name: (*segment[:4], origin) for name, segment in added.items()}
        if "snapshot" in entry.private:
            self.snapshots[entry.private["snapshot"]["id"]] = entry.private["snapshot"]
        for change in entry.private.get("retagged", []):
            if change["id"] in self.snapshots:
                self.snapshots[change["id"]] = {
                    **self.snapshots[change["id"]],
                    "tags": change["tags"],
                }


def state_of(entry: Entry, checkpoint: tuple[int, bytes]) -> State:
    live = {segment[0]: segment for segment in entry.segments}
    snapshots = {one["id"]: one for one in entry.private["snapshots"]}
    return State(live, dict(entry.tombstones), snapshots, checkpoint)


def read_log(objects: Mapping[str, bytes], config: Config, root_key: bytes) -> list[Entry]:
    last = newest(objects)
    prev, entries = sha256(config.raw), []
    for seq in range(1, last + 1):
        raw = objects.get(f"log/{seq:016x}")
        require(raw is not None, f"entry {seq} is missing")
        entries.append(read_entry(raw, seq, prev, config, root_key))
        prev = sha256(raw)
    fold(entries)
    return entries


def newest(objects: Mapping[str, bytes]) -> int:
    return max((int(name[4:], 16) for name in objects if name.startswith("log/")), default=0)


def fold(entries: Sequence[Entry]) -> State:
    state = State({}, {}, {}, (0, bytes(32)))
    for entry in entries:
        state.apply(entry)
    return state


def read_from_checkpoint(
    objects: Mapping[str, bytes], config: Config, root_key: bytes
) -> tuple[State, int]:
    """What there is, by the newest checkpoint and what follows; and where it was begun."""
    last = newest(objects)
    state, begun, prev = fold([]), 0, sha256(config.raw)
    for seq in range(last - last % 256, 0, -256):
        entry = read_entry(objects[f"log/{seq:016x}"], seq, None, config, root_key)
        if entry.kind == CHECKPOINT:
            state, begun, prev = state_of(entry, (entry.seq, entry.hash)), seq, entry.hash
            break
    for seq in range(begun + 1, last + 1):
        entry = read_entry(objects[f"log/{seq:016x}"], seq, prev, config, root_key)
        state.apply(entry)
        prev = entry.hash
    return state, begun


def read_entry(raw: bytes, seq: int, prev: bytes | None, config: Config, root_key: bytes) -> Entry:
    require(128 + 80 + 96 <= len(raw) <= CHECKPOINT_MAX, "no entry has this length")
    try:
        Ed25519PublicKey.from_public_bytes(config.public_key).verify(raw[-64:], raw[:-64])
    except InvalidSignature:
        require(False, "the signature is wrong")
    magic, version, kind, zero, sealed_len, *rest = ENTRY.unpack_from(raw)
    own_seq, base, repo_id, own_prev, number, dead, lost, zeros, before, more = rest
    require(magic == bytes.fromhex("8953524C0D0A1A0A"), "no log entry")
    require(version == 1 and 1 <= kind <= 4, "unknown version or kind", Unsupported)
    summary = kind == CHECKPOINT
    most = CHECKPOINT_MAX if summary and seq % 256 == 0 else ENTRY_MAX
    require(len(raw) <= most, "no entry of this kind has this length")
    require(zero == zeros == more == 0, "a zero field is not zero")
    require(before < seq if summary else before == 0, "a checkpoint before what is none")
    require(not (summary and lost), "names gone in a checkpoint")
    require(repo_id == config.repo_id and own_seq == seq and base < seq, "misplaced")
    require(prev in (None, own_prev), "the chain is broken")
    at = 128 + 32 * summary
    rows, names = at + 64 * number, (24 if summary else 16) * dead
    end = rows + names + 16 * lost
    require(sealed_len >= 80 and end + sealed_len + 96 == len(raw), "the lengths contradict")
    segments = [SEGMENT.unpack_from(raw, place) for place in range(at, rows, 64)]
    require(all(kind in (2, 3) for *_, kind, _ in segments), "unknown type", Unsupported)
    if summary:
        tombstones = list(TOMBSTONE.iter_unpack(raw[rows : rows + names]))
        origins = [int.from_bytes(origin, "big") for *_, origin in segments]
        origins += [removed for _, removed in tombstones]
        require(all(0 < origin < seq for origin in origins), "an origin that cannot be")
        require((before == 0) == (raw[128:160] == bytes(32)), "half a checkpoint before")
    else:
        tombstones = [(raw[place : place + 16], seq) for place in range(rows, rows + names, 16)]
        require(not any(any(zeros) for *_, zeros in segments), "a zero field is not zero")
    gone = [raw[place : place + 16] for place in range(rows + names, end, 16)]
    ids = [*(s[0] for s in segments), *(name for name, _ in tombstones), *gone]
    require(len(set(ids)) == len(ids), "an id comes twice")
    log_key = subkey(root_key, config.repo_id, b"log")
    mac_key = hkdf_expand(log_key, b"strongroom/1 entry mac\0", 32)
    require(mac(mac_key, raw[:-96]) == raw[-96:-64], "the MAC is wrong")
    plain = unseal(raw[end:-96], raw[:end], seq, log_key)
    private = private_of(plain, segments, kind)
    earlier = (before, raw[128:160] if summary else bytes(32))
    return Entry(
        seq, kind, base, segments, tombstones, gone, earlier, private, sha256(raw), own_prev
    )


def unseal(sealed: bytes, public: bytes, seq: int, log_key: bytes) -> bytes:
    info = b"strongroom/1 entry\0" + struct.pack(">Q", seq) + sealed[:32]
    okm = hkdf_expand(log_key, info, 64)
    require(okm[32:] == sealed[32:64], "the commitment is wrong")
    return gcm_open(okm[:32], NO_NONCE, sealed[64:], public, what="the sealed part")


def private_of(plain: bytes, segments: list[tuple], kind: int) -> dict:
    try:
        private = cbor2.loads(plain)
        canonical = cbor2.dumps(private, canonical=True)
    except Exception as error:
        raise Damaged(f"no CBOR: {error}") from None
    require(canonical == plain, "not canonical")
    optional = dict.fromkeys(("snapshot", "retagged", "snapshots"), is_anything)
    check_map(private, {**optional, **PRIVATE}, optional=optional.keys())
    snapshots = []
    if "snapshot" in private:
        snapshots.append(private["snapshot"])
    if "snapshots" in private:
        require(type(private["snapshots"]) is list, "no array")
        snapshots += private["snapshots"]
    for snapshot in snapshots:
        check_map(snapshot, SNAPSHOT, optional={"partial"})
    if "retagged" in private:
        require(type(private["retagged"]) is list and private["retagged"], "no array")
        for change in private["retagged"]:
            check_map(change, RETAGGED)
    require("snapshot" not in private or kind in (ADD, PARTIAL), "a snapshot in this kind")
    if "snapshot" in private:
        require(private["snapshot"].get("partial", False) == (kind == PARTIAL), "partial or not")
    require("retagged" not in private or kind == REMOVE, "tags in this kind")
    require(("snapshots" in private) == (kind == CHECKPOINT), "snapshots in this kind")
    manifests = [s[:2] for s in segments if s[3] == 3]
    for snapshot in snapshots:
        require((snapshot["id"], snapshot["root"]) in manifests, "no such manifest")
    require(len({s["id"] for s in snapshots}) == len(snapshots), "a snapshot comes twice")
    return private


def check_map(
    value: object, keys: Mapping[str, Callable], optional: Set[str] = frozenset()
) -> None:
    require(type(value) is dict, "no map")
    require(value.keys() <= keys.keys(), "unknown keys", Unsupported)
    require(keys.keys() - optional <= value.keys(), "keys are missing")
    require(all(keys[key](value[key]) for key in value), "a value of another type")
