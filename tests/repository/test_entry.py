"""Log entries: exact to the byte, signed, and sealed."""

from __future__ import annotations

import hashlib
import hmac

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from repository.support import CONFIG, KEYS, REPO_ID, a_draft, a_snapshot
from repository.test_snapshots import SNAPSHOTS
from strongroom import DamagedError, LimitError, RootKey, StrongroomError, UnsupportedError
from strongroom.keys.schedule import RepositoryKeys
from strongroom.repository import entry as entries
from strongroom.repository.entry import (
    KIND_ADD,
    KIND_PARTIAL,
    Draft,
    LogEntry,
    SegmentRef,
    make_entry,
)
from strongroom.repository.entry_reader import EntryReader
from strongroom.repository.private import Private

PREV = bytes(range(200, 232))
DRAFT = a_draft(1, base=5)
STORED = make_entry(DRAFT, KEYS, seq=7, prev=PREV, repo_id=REPO_ID)
READER = EntryReader(CONFIG.public_key, REPO_ID, KEYS)
PUBLIC_LEN = 128 + 2 * 64


def read(stored: bytes, *, seq: int = 7, prev: bytes = PREV) -> LogEntry:
    return READER.read(stored, seq=seq, prev=prev)


def signed(body: bytes) -> bytes:
    return body + Ed25519PrivateKey.from_private_bytes(KEYS.sign).sign(body)


def authentic(body: bytes) -> bytes:
    """What someone with the key could have written: public and sealed part as given."""
    key = entries.mac_key(KEYS)
    return signed(body + hmac.digest(key, body, "sha256"))


def sealing(plain: bytes) -> bytes:
    """An entry that holds plain, right in all else."""
    head = bytearray(STORED[:PUBLIC_LEN])
    head[12:16] = (80 + len(plain)).to_bytes(4, "big")
    esalt = bytes(32)
    commitment, key = entries.sealing_keys(KEYS, 7, esalt)
    sealed = AESGCM(key).encrypt(bytes(12), plain, bytes(head))
    return authentic(bytes(head) + esalt + commitment + sealed)


def test_an_entry_has_the_fields_of_the_format() -> None:
    sealed_len = int.from_bytes(STORED[12:16], "big")
    assert STORED[:12] == bytes.fromhex("8953524C0D0A1A0A 0001 01 00")
    assert len(STORED) == PUBLIC_LEN + sealed_len + 32 + 64
    assert STORED[16:32] == (7).to_bytes(8, "big") + (5).to_bytes(8, "big")
    assert STORED[32:96] == REPO_ID + PREV
    assert STORED[96:128] == (2).to_bytes(4, "big") + bytes(28)
    first = DRAFT.segments[0]
    length = first.length.to_bytes(8, "big")
    assert STORED[128:192] == first.id + first.root + length + b"\2" + bytes(7)


def test_what_was_committed_is_read() -> None:
    entry = read(STORED)
    assert (entry.seq, entry.base, entry.prev) == (7, 5, PREV)
    assert entry.hash == hashlib.sha256(STORED).digest()
    assert tuple(entry.segments) == DRAFT.segments
    assert entry.private == DRAFT.private


def test_without_a_key_the_public_part_is_read() -> None:
    entry = EntryReader(CONFIG.public_key, REPO_ID, None).read(STORED, seq=7, prev=PREV)
    assert entry.private is None
    assert read(STORED)._replace(private=None) == entry


SEGMENTS = st.builds(
    SegmentRef,
    id=st.binary(min_size=16, max_size=16),
    root=st.binary(min_size=32, max_size=32),
    length=st.integers(0, 2**64 - 1),
    type=st.sampled_from([2, 3]),
)


@given(
    segments=st.lists(SEGMENTS, unique_by=lambda s: s.id, max_size=5),
    snapshot=st.none() | SNAPSHOTS,
    seq=st.integers(1, 2**64 - 1),
    data=st.data(),
)
def test_any_entry_survives_being_stored(
    segments: list[SegmentRef], snapshot: object, seq: int, data: st.DataObject
) -> None:
    if snapshot is not None:
        segments = [s for s in segments if s.id != snapshot.id]
        segments.append(SegmentRef(snapshot.id, snapshot.root, 12416, 3))
    base = data.draw(st.integers(0, seq - 1))
    private = Private(data.draw(st.integers(-(2**62), 2**62)), "wörk", bytes(16), snapshot)
    kind = KIND_PARTIAL if snapshot is not None and snapshot.partial else KIND_ADD
    draft = Draft(base, tuple(segments), private, kind)
    stored = make_entry(draft, KEYS, seq=seq, prev=PREV, repo_id=REPO_ID)
    entry = read(stored, seq=seq)
    assert (entry.seq, entry.base, tuple(entry.segments), entry.private) == (
        seq,
        base,
        draft.segments,
        private,
    )


def test_two_attempts_never_share_a_key() -> None:
    again = make_entry(DRAFT, KEYS, seq=7, prev=PREV, repo_id=REPO_ID)
    assert again[:PUBLIC_LEN] == STORED[:PUBLIC_LEN]
    for start in (0, 32, 64):
        at = PUBLIC_LEN + start
        assert again[at : at + 32] != STORED[at : at + 32]


def test_random_numbers_that_repeat_make_no_key_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries.os, "urandom", bytes)
    later = DRAFT._replace(private=DRAFT.private._replace(time=DRAFT.private.time + 1))
    one, other = (
        make_entry(draft, KEYS, seq=7, prev=PREV, repo_id=REPO_ID) for draft in (DRAFT, later)
    )
    assert one[:PUBLIC_LEN] == other[:PUBLIC_LEN]
    assert one[PUBLIC_LEN : PUBLIC_LEN + 64] != other[PUBLIC_LEN : PUBLIC_LEN + 64]


def test_nothing_private_is_in_plain_sight() -> None:
    for word in (b"host", b"user", b"/home", b"caf\xe9", b"one"):
        assert word not in STORED


def test_every_byte_flipped_is_damage() -> None:
    for place in range(len(STORED)):
        flipped = STORED[:place] + bytes([STORED[place] ^ 0x40]) + STORED[place + 1 :]
        with pytest.raises(DamagedError):
            read(flipped)


def test_every_byte_altered_by_one_who_signs_but_lacks_the_key_is_refused() -> None:
    body = STORED[:-64]
    for place in range(len(body)):
        altered = body[:place] + bytes([body[place] ^ 0x40]) + body[place + 1 :]
        with pytest.raises(StrongroomError) as caught:
            read(signed(altered))
        assert caught.value.exit_code in (13, 14), place


def test_every_length_but_its_own_is_damage() -> None:
    for length in range(len(STORED)):
        with pytest.raises(DamagedError):
            read(STORED[:length])
        if length != len(STORED) - 64:
            with pytest.raises(DamagedError):
                read(signed(STORED[:length]))
    for more in (b"\0", bytes(99)):
        with pytest.raises(DamagedError):
            read(signed(STORED[:-64] + more))


def test_a_signature_by_another_key_is_damage() -> None:
    other = EntryReader(Ed25519PrivateKey.generate().public_key().public_bytes_raw(), REPO_ID, None)
    with pytest.raises(DamagedError, match="signature"):
        other.read(STORED, seq=7, prev=PREV)


def test_an_entry_of_another_repository_place_or_chain_is_damage() -> None:
    with pytest.raises(DamagedError, match="it is entry 7"):
        read(STORED, seq=8)
    with pytest.raises(DamagedError, match="does not continue"):
        read(STORED, prev=bytes(32))
    elsewhere = make_entry(DRAFT, KEYS, seq=7, prev=PREV, repo_id=bytes(32))
    with pytest.raises(DamagedError, match="contradict"):
        read(elsewhere)


def test_another_key_fails_authentication() -> None:
    others = RepositoryKeys(RootKey(bytes(32)), REPO_ID)
    reader = EntryReader(CONFIG.public_key, REPO_ID, others)
    with pytest.raises(DamagedError, match="authentication failed"):
        reader.read(STORED, seq=7, prev=PREV)


def test_a_newer_version_kind_or_type_is_unsupported() -> None:
    for place, value in ((9, 2), (10, 5), (10, 0), (128 + 56, 1), (128 + 56, 4)):
        altered = STORED[:place] + bytes([value]) + STORED[place + 1 : -96]
        with pytest.raises(UnsupportedError):
            read(authentic(altered))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (11, b"\1"),
        (12, b"\xff\xff\xff\xff"),
        (12, b"\0\0\0\0"),
        (24, (7).to_bytes(8, "big")),
        (24, b"\xff" * 8),
        (96, b"\xff\xff\xff\xff"),
        (96, b"\0\0\0\1"),
        (100, b"\0\0\0\1"),
        (100, b"\xff\xff\xff\xff"),
        (104, b"\1"),
        (127, b"\1"),
        (128 + 57, b"\1"),
        (128 + 63, b"\1"),
    ],
)
def test_fields_that_contradict_are_damage(place: int, value: bytes) -> None:
    altered = STORED[:place] + value + STORED[place + len(value) : -96]
    with pytest.raises(DamagedError):
        read(authentic(altered))


def test_a_segment_added_twice_is_damage() -> None:
    twice = DRAFT._replace(segments=(*DRAFT.segments, DRAFT.segments[0]))
    stored = make_entry(twice, KEYS, seq=7, prev=PREV, repo_id=REPO_ID)
    with pytest.raises(DamagedError):
        read(stored)


@pytest.mark.parametrize("change", ["absent", "type", "root"])
def test_a_snapshot_without_its_manifest_is_damage(change: str) -> None:
    data, manifest = DRAFT.segments
    segments = {
        "absent": (data,),
        "type": (data, manifest._replace(type=2)),
        "root": (data, manifest._replace(root=bytes(32))),
    }[change]
    stored = make_entry(DRAFT._replace(segments=segments), KEYS, seq=7, prev=PREV, repo_id=REPO_ID)
    with pytest.raises(DamagedError, match="no manifest"):
        read(stored)


def private_map() -> dict[str, object]:
    return {"time": 1, "writer": "host", "session": bytes(16)}


def test_a_sealed_part_made_by_hand_is_read() -> None:
    entry = read(sealing(cbor2.dumps(private_map(), canonical=True)))
    assert entry.private == Private(1, "host", bytes(16))


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"\xff",
        b"\x81" * 5000,
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xd8\x1d\x00",
        b"\xd8\x1c\x81\xd8\x1d\x00",
        cbor2.dumps(private_map(), canonical=True) + b"\0",
        cbor2.dumps(private_map(), canonical=True)[:-1],
        cbor2.dumps(dict(sorted(private_map().items(), key=lambda i: -len(i[0])))),
        cbor2.dumps([private_map()], canonical=True),
        *[cbor2.dumps(private_map() | change, canonical=True) for change in (
            {"time": True},
            {"time": 2**63},
            {"time": -(2**63)},
            {"time": 1.0},
            {"time": None},
            {"writer": b"host"},
            {"session": bytes(15)},
            {"session": "0" * 16},
            {"snapshot": None},
            {"snapshot": {}},
        )],
        *[cbor2.dumps({k: v for k, v in private_map().items() if k != name}, canonical=True)
          for name in private_map()],
    ],
)  # fmt: skip
def test_a_malformed_sealed_part_is_damage(plain: bytes) -> None:
    with pytest.raises(DamagedError):
        read(sealing(plain))


def test_unknown_fields_in_the_sealed_part_are_unsupported() -> None:
    for extra in ({"parent": 1}, {1: 2}):
        with pytest.raises(UnsupportedError):
            read(sealing(cbor2.dumps(private_map() | extra, canonical=True)))


@given(st.binary(max_size=200))
def test_no_sealed_bytes_do_anything_but_fail(plain: bytes) -> None:
    with pytest.raises(StrongroomError):
        read(sealing(plain))


def test_an_entry_that_would_be_too_long_is_refused() -> None:
    snapshot = a_snapshot(1, paths=(bytes(2**26),))
    private = DRAFT.private._replace(snapshot=snapshot)
    with pytest.raises(LimitError, match="too long"):
        make_entry(DRAFT._replace(private=private), KEYS, seq=7, prev=PREV, repo_id=REPO_ID)


def test_secrets_are_not_shown() -> None:
    assert "segments_stored" not in repr(read(STORED))
