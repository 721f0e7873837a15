"""Both readers open the same slots with a password, and refuse alike where none opens."""

from __future__ import annotations

import functools
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom import Password, Repository, StrongroomError

from . import forge_repository as forge
from . import header_reference as ref
from . import repository_reference as repository
from . import whole_reference as reference
from .header_reference import Refused
from .judges import Objects, stored

PASSWORD = "correct horse"
CHEAPEST = struct.pack(">I B B H", 65536, 3, 1, 0)
HONEST = forge.lie()


@functools.cache
def slot(
    number: int,
    password: str = PASSWORD,
    *,
    root_key: bytes = forge.ROOT_KEY,
    kind: int = 1,
    params: bytes = CHEAPEST,
    version: int = 1,
    zero: int = 0,
    spoilt: bool = False,
) -> dict[str, bytes]:
    slot_id, salt = bytes([number]) * 16, random.Random(number).randbytes(32)
    ids = (forge.REPO_ID, slot_id)
    body = params + salt + bytes(80)
    if params == CHEAPEST:
        commit, kek = ref.password_keys(password, *ids, params=params, salt=salt)
        aad = ref.envelope_aad(ref.PASSWORD, *ids)
        wrapped = AESGCM(kek).encrypt(ref.NO_NONCE, root_key, aad)
        body = params + salt + commit + (bytes(48) if spoilt else wrapped)
    magic = bytes.fromhex("8953524B0D0A1A0A")
    content = repository.SLOT.pack(magic, version, kind, zero, len(body), slot_id, forge.REPO_ID, 1)
    content += body
    return {f"keys/{slot_id.hex()}": content + ref.sha256(content)}


def by_reference(objects: Objects) -> int:
    try:
        assert reference.unlock(objects, PASSWORD) == forge.ROOT_KEY
    except Refused as refusal:
        return refusal.code
    return 0


def by_product(objects: Objects, folder: Path) -> int:
    stored(objects, folder)
    try:
        Repository.open(folder / "repo", key=Password(PASSWORD), cache=folder / "cache").close()
    except StrongroomError as error:
        return error.exit_code
    return 0


GREEDY = struct.pack(">I B B H", 2**23, 3, 1, 0)


def bad() -> dict[str, bytes]:
    return {name: content[:-1] for name, content in slot(1).items()}


def moved() -> dict[str, bytes]:
    return {f"keys/{'77' * 16}": content for content in slot(1).values()}


CASES: dict[str, tuple[Callable[[], dict[str, bytes]], int]] = {
    "one": (lambda: slot(1), 0),
    "none": (dict, 12),
    "another password": (lambda: slot(1, "x"), 12),
    "the second": (lambda: slot(1, "x") | slot(2), 0),
    "damaged": (bad, 13),
    "damaged and good": (lambda: bad() | slot(2), 0),
    "greedy": (lambda: slot(1, params=GREEDY), 14),
    "greedy and good": (lambda: slot(1, params=GREEDY) | slot(2), 0),
    "greedy and damaged": (lambda: bad() | slot(2, params=GREEDY), 13),
    "unknown kind": (lambda: slot(1, kind=2), 12),
    "unknown kind and good": (lambda: slot(1, kind=9) | slot(2), 0),
    "unknown version": (lambda: slot(1, version=2), 14),
    "zero": (lambda: slot(1, zero=1), 13),
    "in another's place": (moved, 13),
    "spoilt": (lambda: slot(1, spoilt=True), 13),
    "another root key": (lambda: slot(1, root_key=bytes(32)), 13),
    "params zero": (lambda: slot(1, params=CHEAPEST[:7] + b"\1"), 13),
    "foreign names": (lambda: slot(1) | {"keys/README": b"", f"keys/{'AB' * 16}": b""}, 0),
    "nine, greedy": (
        lambda: {k: v for n in range(9) for k, v in slot(n, params=GREEDY).items()},
        14,
    ),
    "ten": (lambda: {k: v for n in range(10) for k, v in slot(n, kind=2 if n else 1).items()}, 14),
}


@pytest.fixture(scope="module", autouse=True)
def _stretched_once() -> Iterator[None]:
    """Argon2 is slow by design; here each password is stretched once for each salt."""
    with pytest.MonkeyPatch.context() as patch:
        cached = functools.cache(ref.password_keys)
        patch.setattr(ref, "password_keys", cached)
        patch.setattr(repository, "password_keys", cached)
        yield


@pytest.mark.parametrize("name", CASES)
def test_both_open_the_same_slots(name: str, tmp_path: Path) -> None:
    slots, code = CASES[name]
    objects = HONEST | slots()
    codes = (by_reference(objects), by_product(objects, tmp_path))
    assert codes == (code, code)
