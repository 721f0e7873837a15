"""What is read and refused, in the tests of the reference reader."""

from __future__ import annotations

import random
from typing import Any

import pytest

from . import header_reference as ref
from . import reference as reading
from .header_reference import CHUNK

KEY = bytes(range(32))
SK = bytes(range(64, 96))
BIG = random.Random(1).randbytes(3 * CHUNK + 5000)
SMALL = BIG[:4000]
TEXT = b"some text that a compressor makes short " * 80_000


def opened(data: bytes) -> bytes:
    return reading.open_sealed(data, root_key=KEY)


def refusal(data: bytes, **credential: Any) -> tuple[int, str]:
    with pytest.raises(ref.Refused) as caught:
        reading.open_sealed(data, **(credential or {"root_key": KEY}))
    return caught.value.code, str(caught.value)


def rejects(data: bytes, fault: str, code: int = 13) -> None:
    assert refusal(data) == (code, fault)
