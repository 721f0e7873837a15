"""Log entries taken apart, whoever stored them. docs/FORMAT.md, section 9."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom._core import TYPE_DATA, TYPE_MANIFEST
from strongroom._core.secrets import equal, sha256
from strongroom.errors import DamagedError, UnsupportedError
from strongroom.keys.schedule import RepositoryKeys, mac
from strongroom.repository.entry import (
    CHECKPOINT_LEN_MAX,
    END_LEN,
    ENTRY_LEN_MAX,
    HEAD,
    KIND_ADD,
    KIND_CHECKPOINT,
    KIND_PARTIAL,
    KIND_REMOVE,
    MAGIC,
    NONCE,
    SEALED_MIN,
    SEGMENT,
    SIGNATURE_LEN,
    TOMBSTONE,
    VERSION,
    Checkpoint,
    LogEntry,
    len_max_at,
    mac_key,
    sealing_keys,
)
from strongroom.repository.private import Private, decode_private

ID_LEN: Final = 16
HASH_LEN: Final = 32


class EntryReader:
    """Takes entries apart, for one repository.

    keys: None reads the public part alone. Every method raises DamagedError, UnsupportedError.
    """

    def __init__(self, public_key: bytes, repo_id: bytes, keys: RepositoryKeys | None) -> None:
        self._public_key = Ed25519PublicKey.from_public_bytes(public_key)
        self._repo_id = repo_id
        self._keys = keys
        self._mac_key = None if keys is None else mac_key(keys)

    def read(self, stored: bytes, *, seq: int, prev: bytes | None) -> LogEntry:
        """The entry that comes after the one whose hash is prev. Signature first.

        prev None: whatever came before; then its place in the chain is for the caller to judge.
        """
        doing = f"reading log entry {seq}"
        self._check_signature(stored, doing=doing)
        entry, sealed_at = self._parse(stored, doing=doing)
        if entry.seq != seq:
            raise DamagedError(f"{doing}: it is entry {entry.seq}")
        if prev is not None and entry.prev != prev:
            raise DamagedError(f"{doing}: it does not continue the one before")
        if self._keys is None:
            return entry
        private = self._open(stored, sealed_at, entry.seq, doing=doing)
        _check_private(private, entry, doing=doing)
        return entry._replace(private=private)

    def _check_signature(self, stored: bytes, *, doing: str) -> None:
        if not HEAD.size + SEALED_MIN + END_LEN <= len(stored) <= CHECKPOINT_LEN_MAX:
            raise DamagedError(f"{doing}: an entry does not have {len(stored)} bytes")
        signed = memoryview(stored)[:-SIGNATURE_LEN]
        try:
            self._public_key.verify(stored[-SIGNATURE_LEN:], signed)
        except InvalidSignature:
            raise DamagedError(f"{doing}: its signature is wrong") from None

    def _parse(self, stored: bytes, *, doing: str) -> tuple[LogEntry, int]:
        """The public part, and where the sealed one begins."""
        magic, version, kind, zero, sealed_len, seq, base, repo_id, prev, *counts = (
            HEAD.unpack_from(stored)
        )
        if magic != MAGIC:
            raise DamagedError(f"{doing}: it is no log entry")
        if version != VERSION or not KIND_ADD <= kind <= KIND_CHECKPOINT:
            raise UnsupportedError(f"{doing}: it has version {version}, kind {kind}")
        segments, tombstones, gone, *zeros, before, more = counts
        is_checkpoint = kind == KIND_CHECKPOINT
        lists = [
            HASH_LEN if is_checkpoint else 0,
            SEGMENT.size * segments,
            (TOMBSTONE.size if is_checkpoint else ID_LEN) * tombstones,
            ID_LEN * gone,
        ]
        sealed_at = HEAD.size + sum(lists)
        if (
            any((zero, *zeros, more, before if not is_checkpoint else gone))
            or repo_id != self._repo_id
            or not base < seq
            or sealed_len < SEALED_MIN
            or len(stored) > (len_max_at(seq) if is_checkpoint else ENTRY_LEN_MAX)
            or sealed_at + sealed_len + END_LEN != len(stored)
        ):
            raise _contradiction(doing)
        entry = LogEntry(seq, kind, base, prev, sha256(stored))
        digest, rows, names, names_gone = _cut(stored, lists)
        if is_checkpoint:
            checkpoint = Checkpoint((before, digest), rows, names)
            if not _checkpoint_rows().is_consistent(checkpoint, seq, doing=doing):
                raise _contradiction(doing)
            return entry._replace(checkpoint=checkpoint), sealed_at
        _check_segments(rows, doing=doing)
        removed, lost = _ids(names), _ids(names_gone)
        listed = [*removed, *lost, *(row[0] for row in SEGMENT.iter_unpack(rows))]
        if len(set(listed)) != len(listed):
            raise _contradiction(doing)
        entry = entry._replace(segments_stored=rows, tombstones=removed, gone=lost)
        return entry, sealed_at

    def _open(self, stored: bytes, sealed_at: int, seq: int, *, doing: str) -> Private:
        if self._keys is None or self._mac_key is None:
            raise DamagedError(f"{doing}: no key was given")
        public, sealed = memoryview(stored)[:sealed_at], stored[sealed_at:-END_LEN]
        authentic = mac(self._mac_key, public, sealed)
        if not equal(authentic, stored[-END_LEN:-SIGNATURE_LEN]):
            raise DamagedError(f"{doing}: authentication failed")
        esalt, committed = sealed[:32], sealed[32:64]
        commitment, key = sealing_keys(self._keys, seq, esalt)
        if not equal(commitment, committed):
            raise DamagedError(f"{doing}: authentication failed")
        try:
            plain = AESGCM(key).decrypt(NONCE, sealed[64:], public)
        except InvalidTag:
            raise DamagedError(f"{doing}: authentication failed") from None
        return decode_private(plain, doing=doing)


def _checkpoint_rows() -> ModuleType:
    """Loaded with the first checkpoint, as numpy comes with it."""
    from strongroom.repository import checkpoint_rows

    return checkpoint_rows


def _contradiction(doing: str) -> DamagedError:
    return DamagedError(f"{doing}: its fields contradict each other")


def _cut(stored: bytes, lengths: list[int]) -> Iterator[bytes]:
    """The lists of the public part."""
    at = HEAD.size
    for length in lengths:
        yield stored[at : at + length]
        at += length


def _ids(names: bytes) -> tuple[bytes, ...]:
    return tuple(names[at : at + ID_LEN] for at in range(0, len(names), ID_LEN))


def _check_segments(rows: bytes, *, doing: str) -> None:
    for _, _, _, kind, zero in SEGMENT.iter_unpack(rows):
        if kind not in (TYPE_DATA, TYPE_MANIFEST):
            raise UnsupportedError(f"{doing}: it adds a segment of type {kind}")
        if any(zero):
            raise _contradiction(doing)


def _check_private(private: Private, entry: LogEntry, *, doing: str) -> None:
    """What is sealed in an entry is what its kind allows."""
    checkpoint = entry.checkpoint
    if (private.snapshots is None) != (checkpoint is None):
        raise _contradiction(doing)
    if private.retagged and entry.kind != KIND_REMOVE:
        raise _contradiction(doing)
    snapshots = list(private.snapshots or ())
    if private.snapshot is not None:
        allowed = {KIND_ADD: False, KIND_PARTIAL: True}.get(entry.kind)
        if private.snapshot.partial is not allowed:
            raise _contradiction(doing)
        snapshots.append(private.snapshot)
    stored = entry.segments_stored
    if checkpoint is not None:
        stored = _checkpoint_rows().manifest_rows(checkpoint)
    named = {row[:2] for row in SEGMENT.iter_unpack(stored) if row[3] == TYPE_MANIFEST}
    listed = [(snapshot.id, snapshot.root) for snapshot in snapshots]
    if not named.issuperset(listed):
        raise DamagedError(f"{doing}: its snapshot has no manifest among its segments")
    if len(set(listed)) != len(listed):
        raise _contradiction(doing)
