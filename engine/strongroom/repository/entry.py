"""Log entries: what one commit added, signed, and sealed where it is private.

docs/FORMAT.md, section 9.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom._core import TYPE_DATA, TYPE_MANIFEST
from strongroom.errors import DamagedError, LimitError, UnsupportedError
from strongroom.keys.schedule import RepositoryKeys, expand, label, mac
from strongroom.repository.snapshots import Snapshot

ENTRY_LEN_MAX: Final = 2**26
"""Bytes: some million segments, 64 TiB, in one commit."""
KIND_ADD: Final = 1

_MAGIC = bytes.fromhex("8953524C0D0A1A0A")
_VERSION = 1
_HEAD = struct.Struct(">8sHBBIQQ32s32sII24s")
_SEGMENT = struct.Struct(">16s32sQB7s")
_MAC_LEN, _SIGNATURE_LEN = 32, 64
_END_LEN = _MAC_LEN + _SIGNATURE_LEN
_SEALED_MIN = 32 + 32 + 16
# Each key seals one message in its life, so the nonce may be constant.
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """A segment as the log names it."""

    id: bytes
    """16 bytes: its name in the store."""
    root: bytes
    """32 bytes, which name every stored byte of it."""
    length: int
    """Stored bytes."""
    type: int
    """TYPE_DATA or TYPE_MANIFEST."""


@dataclass(frozen=True, slots=True)
class Private:
    """What only those with the key read of an entry."""

    time: int
    """Nanoseconds since 1970."""
    writer: str
    """The host it was made on."""
    session: bytes
    """The session_id of its segments, 16 bytes."""
    snapshot: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry. Its signature was checked; `private` is None where there was no key."""

    seq: int
    base: int
    """The newest entry that its writer knew when it chose what to add; 0: none."""
    prev: bytes
    """The hash of the entry before, or of the config."""
    hash: bytes
    """SHA-256 of the whole object."""
    segments_stored: bytes = field(repr=False)
    """64 bytes a segment, as stored: objects only when asked for."""
    private: Private | None = None

    @property
    def segments(self) -> list[SegmentRef]:
        """What it added."""
        return [SegmentRef(*fields[:4]) for fields in _SEGMENT.iter_unpack(self.segments_stored)]


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be, without its place in the chain."""

    base: int
    segments: tuple[SegmentRef, ...]
    private: Private


def make_entry(
    draft: Draft, keys: RepositoryKeys, *, seq: int, prev: bytes, repo_id: bytes
) -> bytes:
    """The entry as stored, sealed under a key of its own even if made again for the same seq.

    Raises LimitError.
    """
    private = _private_to_map(draft.private)
    plain = cbor2.dumps(private, canonical=True)
    public = _HEAD.pack(
        _MAGIC,
        _VERSION,
        KIND_ADD,
        0,
        _SEALED_MIN + len(plain),
        seq,
        draft.base,
        repo_id,
        prev,
        len(draft.segments),
        0,
        bytes(24),
    ) + b"".join(_SEGMENT.pack(s.id, s.root, s.length, s.type, bytes(7)) for s in draft.segments)
    # A cloned machine may repeat its random numbers: what is sealed makes the salt, too.
    esalt = mac(secrets.token_bytes(32), public + plain)
    commitment, key = _sealing_keys(keys, seq, esalt)
    body = public + esalt + commitment + AESGCM(key).encrypt(_NONCE, plain, public)
    body += mac(_mac_key(keys), body)
    if len(body) + _SIGNATURE_LEN > ENTRY_LEN_MAX:
        raise LimitError(
            f"log entry {seq} would have {len(body)} bytes, which is too long",
            hint="back up in several runs, or name folders instead of many files",
        )
    return body + Ed25519PrivateKey.from_private_bytes(keys.sign).sign(body)


class EntryReader:
    """Takes entries apart, for one repository.

    keys: None reads the public part alone. Every method raises DamagedError, UnsupportedError.
    """

    def __init__(self, public_key: bytes, repo_id: bytes, keys: RepositoryKeys | None) -> None:
        self._public_key = Ed25519PublicKey.from_public_bytes(public_key)
        self._repo_id = repo_id
        self._keys = keys
        self._mac_key = None if keys is None else _mac_key(keys)

    def read(self, stored: bytes, *, seq: int, prev: bytes) -> LogEntry:
        """The entry that comes after the one whose hash is prev. Signature first."""
        doing = f"reading log entry {seq}"
        self._check_signature(stored, doing=doing)
        entry, sealed_at = self._parse(stored, doing=doing)
        if entry.seq != seq:
            raise DamagedError(f"{doing}: it is entry {entry.seq}")
        if entry.prev != prev:
            raise DamagedError(f"{doing}: it does not continue the one before")
        if self._keys is None:
            return entry
        private = self._open(stored, sealed_at, entry.seq, doing=doing)
        _check_snapshot(private.snapshot, entry, doing=doing)
        return LogEntry(
            entry.seq, entry.base, entry.prev, entry.hash, entry.segments_stored, private
        )

    def _check_signature(self, stored: bytes, *, doing: str) -> None:
        if len(stored) < _HEAD.size + _SEALED_MIN + _END_LEN or len(stored) > ENTRY_LEN_MAX:
            raise DamagedError(f"{doing}: an entry does not have {len(stored)} bytes")
        try:
            self._public_key.verify(stored[-_SIGNATURE_LEN:], stored[:-_SIGNATURE_LEN])
        except InvalidSignature:
            raise DamagedError(f"{doing}: its signature is wrong") from None

    def _parse(self, stored: bytes, *, doing: str) -> tuple[LogEntry, int]:
        """The public part, and where the sealed one begins."""
        (magic, version, kind, zero, sealed_len, seq, base, repo_id, prev, segments, tombstones) = (
            _HEAD.unpack_from(stored)[:11]
        )
        if magic != _MAGIC:
            raise DamagedError(f"{doing}: it is no log entry")
        if version != _VERSION or kind != KIND_ADD:
            raise UnsupportedError(f"{doing}: it has version {version}, kind {kind}")
        sealed_at = _HEAD.size + _SEGMENT.size * segments
        if (
            zero != 0
            or any(stored[_HEAD.size - 24 : _HEAD.size])
            or tombstones != 0
            or repo_id != self._repo_id
            or not base < seq
            or sealed_len < _SEALED_MIN
            or sealed_at + sealed_len + _END_LEN != len(stored)
        ):
            raise DamagedError(f"{doing}: its fields contradict each other")
        listed = stored[_HEAD.size : sealed_at]
        _check_segments(listed, doing=doing)
        return LogEntry(seq, base, prev, hashlib.sha256(stored).digest(), listed), sealed_at

    def _open(self, stored: bytes, sealed_at: int, seq: int, *, doing: str) -> Private:
        if self._keys is None or self._mac_key is None:
            raise DamagedError(f"{doing}: no key was given")
        authentic = mac(self._mac_key, stored[:-_END_LEN])
        if not hmac.compare_digest(authentic, stored[-_END_LEN:-_SIGNATURE_LEN]):
            raise DamagedError(f"{doing}: authentication failed")
        sealed = stored[sealed_at:-_END_LEN]
        esalt, committed = sealed[:32], sealed[32:64]
        commitment, key = _sealing_keys(self._keys, seq, esalt)
        if not hmac.compare_digest(commitment, committed):
            raise DamagedError(f"{doing}: authentication failed")
        try:
            plain = AESGCM(key).decrypt(_NONCE, sealed[64:], stored[:sealed_at])
        except InvalidTag:
            raise DamagedError(f"{doing}: authentication failed") from None
        return _private_from_map(_decode(plain, doing=doing), doing=doing)


def _sealing_keys(keys: RepositoryKeys, seq: int, esalt: bytes) -> tuple[bytes, bytes]:
    """(commitment, key)."""
    okm = expand(keys.log, label(b"entry", seq.to_bytes(8, "big"), esalt), 64)
    return okm[32:], okm[:32]


def _mac_key(keys: RepositoryKeys) -> bytes:
    return expand(keys.log, label(b"entry mac"), 32)


def _check_segments(listed: bytes, *, doing: str) -> None:
    names = set()
    for name, _, _, kind, zero in _SEGMENT.iter_unpack(listed):
        if kind not in (TYPE_DATA, TYPE_MANIFEST):
            raise UnsupportedError(f"{doing}: it adds a segment of type {kind}")
        if any(zero) or name in names:
            raise DamagedError(f"{doing}: its fields contradict each other")
        names.add(name)


def _check_snapshot(snapshot: Snapshot | None, entry: LogEntry, *, doing: str) -> None:
    """A snapshot's manifest is among what its entry added."""
    if snapshot is None:
        return
    wanted = (snapshot.id, snapshot.root, TYPE_MANIFEST)
    for name, root, _, kind, _ in _SEGMENT.iter_unpack(entry.segments_stored):
        if (name, root, kind) == wanted:
            return
    raise DamagedError(f"{doing}: its snapshot has no manifest among its segments")


def _decode(plain: bytes, *, doing: str) -> object:
    """CBOR that is exactly what the canonical writer makes of its value."""
    try:
        value: object = cbor2.loads(plain)
        canonical = cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError):
        canonical = None
    if canonical != plain:
        raise DamagedError(f"{doing}: what is sealed in it is malformed")
    return value


def _private_to_map(private: Private) -> dict[str, Any]:
    fields = {"time": private.time, "writer": private.writer, "session": private.session}
    if private.snapshot is not None:
        return fields | {"snapshot": private.snapshot.to_map()}
    return fields


def _private_from_map(found: object, *, doing: str) -> Private:
    if not isinstance(found, dict) or not {"time", "writer", "session"} <= found.keys():
        raise DamagedError(f"{doing}: what is sealed in it is malformed")
    if found.keys() - {"time", "writer", "session", "snapshot"}:
        raise UnsupportedError(f"{doing}: it has fields this version does not know")
    time, writer, session = found["time"], found["writer"], found["session"]
    fits = type(time) is int and isinstance(writer, str) and isinstance(session, bytes)
    if not fits or abs(time) >= 2**63 or len(session) != 16:
        raise DamagedError(f"{doing}: what is sealed in it is malformed")
    snapshot = None
    if "snapshot" in found:
        snapshot = Snapshot.from_map(found["snapshot"], doing=doing)
    return Private(time, writer, session, snapshot)
