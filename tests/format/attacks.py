"""Files to attack, and three readers that must all refuse.

Every attack is put to the core, from memory and from a file, and to the reference reader: all
three refuse it with the same class, and no file appears.
"""

from __future__ import annotations

import random

import pytest

from strongroom import (
    Password,
    RootKey,
    StrongroomError,
    open_bytes,
    open_file,
)

from . import header_reference, reference
from .forge import forged
from .header_reference import CHUNK

SECRET = bytes(range(32))
KEY = RootKey(SECRET)
WORDS = "correct horse battery staple"
DAMAGED, WRONG_KEY, UNSUPPORTED = 13, 12, 14
FEW = b"few bytes"
MEDIA = random.Random(1).randbytes(2 * CHUNK + 5000)


def few(**lies: object) -> bytes:
    return forged(FEW, root_key=SECRET, **lies)


def media(**lies: object) -> bytes:
    return forged(MEDIA, root_key=SECRET, **lies)


def assert_refused(sealed: bytes, code: int, tmp_path, *, password: str | None = None) -> None:
    key = KEY if password is None else Password(password)
    secret = {"root_key": SECRET} if password is None else {"password": password}
    with pytest.raises(header_reference.Refused) as by_reference:
        reference.open_sealed(sealed, **secret)
    assert by_reference.value.code == code, by_reference.value
    with pytest.raises(StrongroomError) as from_memory:
        open_bytes(sealed, key=key)
    assert from_memory.value.exit_code == code, from_memory.value
    source, target = tmp_path / "hostile.sealed", tmp_path / "opened"
    source.write_bytes(sealed)
    with pytest.raises(StrongroomError) as from_file:
        open_file(source, target, key=key)
    assert from_file.value.exit_code == code, from_file.value
    assert list(tmp_path.iterdir()) == [source]
