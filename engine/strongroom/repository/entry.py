"""Log entries: what one commit changed, signed, and sealed where it is private.

docs/FORMAT.md, section 9.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.errors import LimitError
from strongroom.keys.schedule import RepositoryKeys, expand, label, mac
from strongroom.repository.private import Private, encode_private

ENTRY_LEN_MAX: Final = 2**26
"""Bytes: some million segments, 64 TiB, in one commit."""
CHECKPOINT_EVERY: Final = 256
CHECKPOINT_LEN_MAX: Final = 2**28
"""Bytes: some 4 million live segments, 256 TiB."""
KIND_ADD: Final = 1
KIND_PARTIAL: Final = 2
KIND_REMOVE: Final = 3
KIND_CHECKPOINT: Final = 4

MAGIC: Final = bytes.fromhex("8953524C0D0A1A0A")
VERSION: Final = 1
HEAD: Final = struct.Struct(">8sHBBIQQ32s32sIIIIQQ")
"""Magic, version, kind, zero, length of what is sealed, seq, base, repo_id, prev; numbers of
segments, tombstones and names gone, zero; of a checkpoint the seq of the one before, zero."""
SEGMENT: Final = struct.Struct(">16s32sQB7s")
TOMBSTONE: Final = struct.Struct(">16sQ")
MAC_LEN: Final = 32
SIGNATURE_LEN: Final = 64
END_LEN: Final = MAC_LEN + SIGNATURE_LEN
SEALED_MIN: Final = 32 + 32 + 16
# Each key seals one message in its life, so the nonce may be constant.
NONCE: Final = bytes(12)

_Place: TypeAlias = "tuple[int, int, bytes, bytes]"
_Counts: TypeAlias = "tuple[int, int, int, int, int, int]"


class SegmentRef(NamedTuple):
    """A segment as the log names it."""

    id: bytes
    """16 bytes: its name in the store."""
    root: bytes
    """32 bytes, which name every stored byte of it."""
    length: int
    """Stored bytes."""
    type: int
    """TYPE_DATA or TYPE_MANIFEST."""


class Checkpoint(NamedTuple):
    """All that a log amounts to up to an entry, as stored."""

    previous: tuple[int, bytes]
    """Seq and hash of the checkpoint before; 0 and zeros where this is the first."""
    segments: bytes
    """Those that are live, 64 bytes each, in the order they came; see segment_row."""
    tombstones: bytes
    """24 bytes each: a name, and the seq of the entry that removed it."""

    def __repr__(self) -> str:
        return f"Checkpoint(after entry {self.previous[0]})"


class LogEntry(NamedTuple):
    """One entry. Its signature was checked; `private` is None where there was no key."""

    seq: int
    kind: int
    base: int
    """The newest entry that its writer knew when it chose what to change; 0: none."""
    prev: bytes
    """The hash of the entry before, or of the config."""
    hash: bytes
    """SHA-256 of the whole object."""
    segments_stored: bytes = b""
    """64 bytes a segment, as stored: objects only when asked for."""
    tombstones: tuple[bytes, ...] = ()
    """Names that it removed, for good."""
    gone: tuple[bytes, ...] = ()
    """Names removed before, which the store has no more."""
    checkpoint: Checkpoint | None = None
    private: Private | None = None

    @property
    def segments(self) -> list[SegmentRef]:
        """What it added."""
        return list(segments_of(self.segments_stored))

    def __repr__(self) -> str:
        return f"LogEntry({self.seq}, kind {self.kind}, hash {self.hash.hex()})"


def len_max_at(seq: int) -> int:
    """The most bytes that an entry of that seq may have."""
    return ENTRY_LEN_MAX if seq % CHECKPOINT_EVERY else CHECKPOINT_LEN_MAX


def segments_of(stored: bytes) -> Iterator[SegmentRef]:
    """Of rows as an entry holds them."""
    return (SegmentRef(*fields[:4]) for fields in SEGMENT.iter_unpack(stored))


def segment_row(row: bytes, seq: int) -> bytes:
    """A segment that entry seq added, as checkpoints hold it."""
    return row[:57] + seq.to_bytes(7, "big")


def seq_of_row(row: bytes) -> int:
    """The entry that added a segment, from a checkpoint's row."""
    return int.from_bytes(row[57:64], "big")


def tombstone_row(name: bytes, seq: int) -> bytes:
    """A name and the entry that removed it, as checkpoints hold them."""
    return TOMBSTONE.pack(name, seq)


def tombstones_of(stored: bytes) -> Iterator[tuple[bytes, int]]:
    """Name and seq of each."""
    return TOMBSTONE.iter_unpack(stored)


class Draft(NamedTuple):
    """An entry to be, without its place in the chain."""

    base: int
    segments: tuple[SegmentRef, ...]
    private: Private
    kind: int = KIND_ADD
    tombstones: tuple[bytes, ...] = ()
    gone: tuple[bytes, ...] = ()


def make_entry(
    draft: Draft, keys: RepositoryKeys, *, seq: int, prev: bytes, repo_id: bytes
) -> bytes:
    """The entry as stored, sealed under a key of its own even if made again for the same seq.

    Raises LimitError.
    """
    rows = b"".join(SEGMENT.pack(s.id, s.root, s.length, s.type, bytes(7)) for s in draft.segments)
    names = b"".join(draft.tombstones) + b"".join(draft.gone)
    counts = (len(draft.segments), len(draft.tombstones), len(draft.gone), 0, 0, 0)
    place = (seq, draft.base, repo_id, prev)
    return _seal(draft.kind, place, counts, rows + names, draft.private, keys)


def make_checkpoint(
    checkpoint: Checkpoint,
    private: Private,
    keys: RepositoryKeys,
    *,
    seq: int,
    prev: bytes,
    repo_id: bytes,
) -> bytes:
    """A checkpoint as stored. Raises LimitError: there is too much to fit in one entry."""
    segments = len(checkpoint.segments) // SEGMENT.size
    tombstones = len(checkpoint.tombstones) // TOMBSTONE.size
    before, digest = checkpoint.previous
    counts = (segments, tombstones, 0, 0, before, 0)
    lists = digest + checkpoint.segments + checkpoint.tombstones
    place = (seq, seq - 1, repo_id, prev)
    return _seal(KIND_CHECKPOINT, place, counts, lists, private, keys)


def _seal(
    kind: int,
    place: _Place,
    counts: _Counts,
    lists: bytes,
    private: Private,
    keys: RepositoryKeys,
) -> bytes:
    plain = encode_private(private)
    sealed_len = SEALED_MIN + len(plain)
    length = HEAD.size + len(lists) + sealed_len + END_LEN
    if length > (CHECKPOINT_LEN_MAX if kind == KIND_CHECKPOINT else ENTRY_LEN_MAX):
        raise LimitError(
            f"log entry {place[0]} would have {length} bytes, which is too long",
            hint="back up in several runs, or name folders instead of many files",
        )
    body = bytearray(HEAD.pack(MAGIC, VERSION, kind, 0, sealed_len, *place, *counts))
    body += lists
    # A cloned machine may repeat its random numbers: what is sealed makes the salt, too.
    esalt = mac(os.urandom(32), body, plain)
    commitment, key = sealing_keys(keys, place[0], esalt)
    ciphertext = AESGCM(key).encrypt(NONCE, plain, body)
    body += esalt + commitment + ciphertext
    body += mac(mac_key(keys), body)
    body += Ed25519PrivateKey.from_private_bytes(keys.sign).sign(body)
    return bytes(body)


def sealing_keys(keys: RepositoryKeys, seq: int, esalt: bytes) -> tuple[bytes, bytes]:
    """(commitment, key) of one sealed part."""
    okm = expand(keys.log, label(b"entry", seq.to_bytes(8, "big"), esalt), 64)
    return okm[32:], okm[:32]


def mac_key(keys: RepositoryKeys) -> bytes:
    """Of all entries."""
    return expand(keys.log, label(b"entry mac"), 32)
