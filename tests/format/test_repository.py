"""The engine's repositories, read by the reference; and both refuse the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from repository.support import CONFIG, KEYS, ROOT, MemoryStore, a_draft, a_snapshot, cheap
from strongroom import StrongroomError
from strongroom.repository.config import parse_config
from strongroom.repository.log import Log
from strongroom.repository.slots import add_slot, read_slots

from . import repository_reference as reference
from .reference import Refused

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
        assert entry.segments == [(s.id, s.root, s.length, s.type) for s in draft.segments]
        assert entry.private["writer"] == "host"
        expected = a_snapshot(n).to_map() if n != 1 else None
        assert entry.private.get("snapshot") == expected


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
