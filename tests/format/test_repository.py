"""The engine's repositories, read by the reference; and both refuse the same."""

from __future__ import annotations

import functools
import hashlib
import hmac
import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from repository.support import CONFIG, KEYS, ROOT, MemoryStore, a_draft, a_snapshot, cheap
from strongroom import StrongroomError
from strongroom._core import TYPE_DATA
from strongroom.repository import entry as entry_module
from strongroom.repository import entry_reader
from strongroom.repository.config import parse_config
from strongroom.repository.entry import (
    KIND_ADD,
    KIND_CHECKPOINT,
    KIND_PARTIAL,
    KIND_REMOVE,
    SEGMENT,
    Checkpoint,
    Draft,
    SegmentRef,
    mac_key,
    make_checkpoint,
    make_entry,
)
from strongroom.repository.log import Log
from strongroom.repository.private import Private, Retagged
from strongroom.repository.slots import add_slot, read_slots

from . import repository_reference as reference
from .header_reference import Refused

SECRET = ROOT.to_bytes()


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """A password, three commits."""
    store = MemoryStore()
    add_slot(store, CONFIG, ROOT, cheap("corr\u00e8ct horse"), created=1, doing="testing")
    log = Log(store, CONFIG, KEYS)
    for n in range(3):
        log.append(a_draft(n, base=n, snapshot=n != 1))
    return store


@pytest.fixture(scope="module")
def long_store() -> MemoryStore:
    """Entries of all kinds, a checkpoint among them and another at the end."""
    store = MemoryStore()
    fill(Log(store, CONFIG, KEYS), 512)
    return store


def fill(log: Log, count: int) -> None:
    """Every third commit adds part of a snapshot, every fourth changes what there is."""
    log.load()
    while log.head[0] < count:
        n = log.head[0]
        draft = a_draft(n, base=n)
        if n % 3 == 2:
            draft = partial(draft)
        if n % 4 == 3:
            draft = a_removal(log)
        log.append(draft)


def partial(draft: Draft) -> Draft:
    snapshot = draft.private.snapshot._replace(partial=True)
    return draft._replace(kind=KIND_PARTIAL, private=draft.private._replace(snapshot=snapshot))


def a_removal(log: Log) -> Draft:
    """Forgets the oldest snapshot, repacks, tags the newest, and names what is gone."""
    n, state = log.head[0], log.state
    oldest, *_, newest = [*state.snapshots, *state.snapshots]
    retagged = (Retagged(newest.id, ("kept", str(n))),)
    return Draft(
        base=n,
        segments=a_draft(n, snapshot=False).segments,
        private=Private(n, "host", bytes(16), retagged=retagged),
        kind=KIND_REMOVE,
        tombstones=(oldest.id, n.to_bytes(16)),
        gone=tuple(state.tombstones)[:1],
    )


def test_the_reference_reads_what_the_engine_wrote(store: MemoryStore) -> None:
    config = reference.read_config(store.get("config"), SECRET)
    assert (config.repo_id, config.public_key) == (CONFIG.repo_id, CONFIG.public_key)
    (name,) = store.list("keys/")
    password = "corre\u0300ct horse"
    assert reference.open_slot(store.get(name), name, config, password) == SECRET
    entries = reference.read_log(store.objects, config, SECRET)
    assert [entry.base for entry in entries] == [0, 1, 2]
    for n, entry in enumerate(entries):
        draft = a_draft(n, snapshot=n != 1)
        assert [row[:4] for row in entry.segments] == [
            (s.id, s.root, s.length, s.type) for s in draft.segments
        ]
        assert entry.private["writer"] == "host"
        expected = a_snapshot(n).to_map() if n != 1 else None
        assert entry.private.get("snapshot") == expected


def test_the_reference_reads_every_kind(long_store: MemoryStore) -> None:
    config = reference.read_config(long_store.get("config"), SECRET)
    entries = reference.read_log(long_store.objects, config, SECRET)
    assert [entry.seq for entry in entries if entry.kind == reference.CHECKPOINT] == [256, 512]
    assert {entry.kind for entry in entries} == {1, 2, 3, 4}
    state = reference.fold(entries)
    assert reference.read_from_checkpoint(long_store.objects, config, SECRET) == (state, 512)
    ours = Log(long_store, CONFIG, KEYS)
    ours.load()
    assert list(state.live) == [segment.id for segment in ours.segments()]
    assert state.removed == ours.state.tombstones
    assert list(state.snapshots.values()) == [s.to_map() for s in ours.snapshots]
    assert state.checkpoint == ours.state.checkpoint


def code(attempt: Callable[..., object], *words: object) -> int:
    """The exit code of a refusal; 0 for none."""
    try:
        attempt(*words)
    except StrongroomError as error:
        return error.exit_code
    except Refused as refusal:
        return refusal.code
    return 0


def digested(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def changes(stored: bytes, kept: int) -> list[bytes]:
    """Each byte of the beginning altered, and other lengths."""
    body = stored[:-kept]
    altered = [
        body[:at] + bytes([body[at] ^ bit]) + body[at + 1 :]
        for at in range(min(len(body), 300))
        for bit in (1, 0x80)
    ]
    return [*altered, body[:-1], body + b"\0", body[: len(body) // 2], b""]


def read_config(stored: bytes) -> object:
    return parse_config(stored, doing="x").keys(ROOT, doing="x")


def test_both_refuse_the_same_configs() -> None:
    for changed in changes(CONFIG.stored, 32):
        for stored in (changed, digested(changed)):
            theirs = code(reference.read_config, stored, SECRET)
            assert theirs == code(read_config, stored)
            assert theirs in (12, 13, 14)


def test_both_refuse_the_same_slots(store: MemoryStore) -> None:
    (name,) = store.list("keys/")
    good = store.get(name)
    config = reference.read_config(CONFIG.stored)
    for changed in changes(good[:96], 32):
        other = MemoryStore()
        other.objects[name] = stored = digested(changed + good[64:-32])
        bad = [error for _, error in read_slots(other, CONFIG, doing="x").bad]
        theirs = code(reference.open_slot, stored, name, config, "x")
        # What it does not know the engine lists and passes over.
        assert (bad[0].exit_code if bad else 14) == theirs


@pytest.mark.parametrize("seq", [12, 256], ids=["removal", "checkpoint"])
def test_both_refuse_the_same_of_every_kind(seq: int) -> None:
    """Bytes of the head, and of each list, altered and signed again, MAC included.

    One bit of each, the highest and the lowest by turns: what precedes a checkpoint is read again
    every time.
    """
    store = MemoryStore()
    fill(Log(store, CONFIG, KEYS), seq)
    name = f"log/{seq:016x}"
    good, refused = store.get(name), 0
    config = reference.read_config(CONFIG.stored)
    ends = len(good) - 96 - int.from_bytes(good[12:16], "big")
    for at in {*range(8, 32), *range(96, 164), 164 + 63, *range(ends - 20, ends)}:
        bit = 0x80 if at % 2 else 1
        body = good[:at] + bytes([good[at] ^ bit]) + good[at + 1 : -96]
        body += hmac.digest(mac_key(KEYS), body, "sha256")
        signed = body + Ed25519PrivateKey.from_private_bytes(KEYS.sign).sign(body)
        store.objects[name] = signed
        theirs = code(reference.read_log, store.objects, config, SECRET)
        assert theirs == code(load_whole, store), at
        refused += theirs in (13, 14)
    assert refused > 100


@pytest.mark.parametrize(
    ("seq", "segments", "kind", "expected"),
    [
        (256, 20, KIND_CHECKPOINT, 0),
        (256, 60, KIND_CHECKPOINT, 0),  # longer than other entries may be
        (256, 200, KIND_CHECKPOINT, 13),
        (257, 20, KIND_CHECKPOINT, 0),
        (257, 60, KIND_CHECKPOINT, 13),
        (256, 20, KIND_ADD, 0),
        (256, 60, KIND_ADD, 13),
    ],
)
def test_both_hold_entries_to_the_length_of_their_kind(
    seq: int, segments: int, kind: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = random.Random(1)
    refs = [SegmentRef(noise.randbytes(16), bytes(32), 4096, TYPE_DATA) for _ in range(segments)]
    private = Private(1, "host", bytes(16))
    where = {"seq": seq, "prev": bytes(32), "repo_id": CONFIG.repo_id}
    if kind == KIND_CHECKPOINT:
        rows = b"".join(
            SEGMENT.pack(s.id, s.root, s.length, s.type, bytes(6) + b"\1") for s in refs
        )
        summary = Checkpoint((0, bytes(32)), rows, b"")
        stored = make_checkpoint(summary, private._replace(snapshots=()), KEYS, **where)
    else:
        stored = make_entry(Draft(0, tuple(refs), private), KEYS, **where)
    for module, at in ((entry_module, "LEN_"), (entry_reader, "LEN_"), (reference, "")):
        monkeypatch.setattr(module, f"ENTRY_{at}MAX", 3000)
        monkeypatch.setattr(module, f"CHECKPOINT_{at}MAX", 6000)
    config = reference.read_config(CONFIG.stored)
    assert code(reference.read_entry, stored, seq, None, config, SECRET) == expected
    reader = entry_reader.EntryReader(CONFIG.public_key, CONFIG.repo_id, KEYS)
    assert code(functools.partial(reader.read, seq=seq, prev=None), stored) == expected


def load_whole(store: MemoryStore) -> None:
    Log(store, CONFIG, KEYS).load(whole=True)


def test_both_refuse_the_same_entries(store: MemoryStore) -> None:
    config = reference.read_config(CONFIG.stored)
    name = "log/0000000000000002"
    for changed in changes(store.get(name), 64):
        other = MemoryStore()
        signed = changed + Ed25519PrivateKey.from_private_bytes(KEYS.sign).sign(changed)
        other.objects = {**store.objects, name: signed}
        del other.objects["log/0000000000000003"]
        theirs = code(reference.read_log, other.objects, config, SECRET)
        assert theirs == code(Log(other, CONFIG, KEYS).load)
        assert theirs in (13, 14)
