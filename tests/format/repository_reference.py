"""A reader of config, slots and log, written from docs/FORMAT.md, sections 7 to 9, alone."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .reference import (
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
ENTRY = struct.Struct(">8s H B B I Q Q 32s 32s I I 24s")
SEGMENT = struct.Struct(">16s 32s Q B 7s")


def is_anything(_: object) -> bool:
    return True


def is_text(value: object) -> bool:
    return type(value) is str


def is_time(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**64


def is_bytes(length: int | None = None) -> Callable[[object], bool]:
    return lambda value: type(value) is bytes and length in (None, len(value))


def is_array(item: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: type(value) is list and all(map(item, value))


PRIVATE = {"time": is_time, "writer": is_text, "session": is_bytes(16)}
SNAPSHOT = {
    **{"id": is_bytes(16), "root": is_bytes(32), "time": is_time},
    **{"host": is_text, "user": is_text, "tags": is_array(is_text), "paths": is_array(is_bytes())},
    **dict.fromkeys(("entries", "files", "bytes", "new_bytes", "errors"), is_count),
}


def subkey(root_key: bytes, repo_id: bytes, name: bytes) -> bytes:
    return hkdf_expand(mac(repo_id, root_key), b"strongroom/1 " + name + b"\0", 32)


@dataclass(frozen=True)
class Config:
    raw: bytes
    repo_id: bytes
    public_key: bytes


def read_config(raw: bytes, root_key: bytes | None = None) -> Config:
    require(len(raw) >= 144 and raw[:8] == bytes.fromhex("895352430D0A1A0A"), "no config")
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
    base: int
    segments: list[tuple[bytes, bytes, int, int]]
    private: dict[str, object]


def read_log(objects: Mapping[str, bytes], config: Config, root_key: bytes) -> list[Entry]:
    last = max((int(name[4:], 16) for name in objects if name.startswith("log/")), default=0)
    prev, entries = sha256(config.raw), []
    for seq in range(1, last + 1):
        raw = objects.get(f"log/{seq:016x}")
        require(raw is not None, f"entry {seq} is missing")
        entries.append(read_entry(raw, seq, prev, config, root_key))
        prev = sha256(raw)
    return entries


def read_entry(raw: bytes, seq: int, prev: bytes, config: Config, root_key: bytes) -> Entry:
    require(128 + 80 + 96 <= len(raw) <= 2**26, "no entry has this length")
    try:
        Ed25519PublicKey.from_public_bytes(config.public_key).verify(raw[-64:], raw[:-64])
    except InvalidSignature:
        require(False, "the signature is wrong")
    magic, version, kind, zero, sealed_len, *rest = ENTRY.unpack_from(raw)
    own_seq, base, repo_id, own_prev, number, tombstones, zeros = rest
    require(magic == bytes.fromhex("8953524C0D0A1A0A"), "no log entry")
    require(version == 1 and kind == 1, "unknown version or kind", Unsupported)
    require(zero == tombstones == 0 and not any(zeros), "a zero field is not zero")
    require(repo_id == config.repo_id and own_seq == seq and base < seq, "misplaced")
    require(own_prev == prev, "the chain is broken")
    end = 128 + 64 * number
    require(sealed_len >= 80 and end + sealed_len + 96 == len(raw), "the lengths contradict")
    segments = [SEGMENT.unpack_from(raw, at) for at in range(128, end, 64)]
    require(all(kind in (2, 3) for *_, kind, _ in segments), "unknown type", Unsupported)
    require(not any(any(zeros) for *_, zeros in segments), "a zero field is not zero")
    require(len({s[0] for s in segments}) == number, "a segment comes twice")
    log_key = subkey(root_key, repo_id, b"log")
    mac_key = hkdf_expand(log_key, b"strongroom/1 entry mac\0", 32)
    require(mac(mac_key, raw[:-96]) == raw[-96:-64], "the MAC is wrong")
    plain = unseal(raw[end:-96], raw[:end], seq, log_key)
    return Entry(base, [s[:4] for s in segments], private_of(plain, segments))


def unseal(sealed: bytes, public: bytes, seq: int, log_key: bytes) -> bytes:
    info = b"strongroom/1 entry\0" + struct.pack(">Q", seq) + sealed[:32]
    okm = hkdf_expand(log_key, info, 64)
    require(okm[32:] == sealed[32:64], "the commitment is wrong")
    return gcm_open(okm[:32], NO_NONCE, sealed[64:], public, what="the sealed part")


def private_of(plain: bytes, segments: list[tuple[bytes, bytes, int, int, bytes]]) -> dict:
    try:
        private = cbor2.loads(plain)
        canonical = cbor2.dumps(private, canonical=True)
    except Exception as error:  # noqa: BLE001 - whatever the decoder says
        raise Damaged(f"no CBOR: {error}") from None
    require(canonical == plain, "not canonical")
    check_map(private, {"snapshot": is_anything, **PRIVATE}, optional={"snapshot"})
    if "snapshot" in private:
        snapshot = private["snapshot"]
        check_map(snapshot, SNAPSHOT)
        manifests = [s[:2] for s in segments if s[3] == 3]
        require((snapshot["id"], snapshot["root"]) in manifests, "no such manifest")
    return private


def check_map(value: object, keys: Mapping[str, Callable], optional: Set[str] = frozenset()) -> None:
    require(type(value) is dict and all(type(key) is str for key in value), "no map of texts")
    require(value.keys() <= keys.keys(), "unknown keys", Unsupported)
    require(keys.keys() - optional <= value.keys(), "keys are missing")
    require(all(keys[key](value[key]) for key in value), "a value of another type")
