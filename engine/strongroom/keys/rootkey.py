"""The owner's key: 32 random bytes that people see as 64 digits."""

from __future__ import annotations

import os
from typing import Final, NoReturn

from strongroom._core.secrets import equal
from strongroom.errors import InvalidKeyError

KEY_LEN: Final = 32
DIGIT_COUNT: Final = 2 * KEY_LEN
GROUP_LEN: Final = 4


class RootKey:
    """A 256-bit root key. Never printed by accident: repr() hides it and pickling is refused."""

    __slots__ = ("_secret",)
    __hash__ = None  # type: ignore[assignment]  # a key has no business in a set

    def __init__(self, secret: bytes) -> None:
        """secret: 32 bytes. Raises InvalidKeyError."""
        if len(secret) != KEY_LEN:
            raise InvalidKeyError(f"a key has {KEY_LEN} bytes, not {len(secret)}")
        self._secret = bytes(secret)

    @classmethod
    def generate(cls) -> RootKey:
        """A fresh key from the operating system's random generator."""
        return cls(os.urandom(KEY_LEN))

    @classmethod
    def from_digits(cls, digits: str) -> RootKey:
        """Read 64 hexadecimal digits; white space, dashes and case do not matter.

        Raises InvalidKeyError that says how many digits there are, or which is wrong and where.
        """
        kept = [c for c in digits if not c.isspace() and c not in "-\N{EN DASH}\N{EM DASH}"]
        for place, c in enumerate(kept, start=1):
            if c not in "0123456789abcdefABCDEF":
                group = (place - 1) // GROUP_LEN + 1
                raise InvalidKeyError(f"digit {place} of the key (group {group}) is not 0-9 or a-f")
        if len(kept) != DIGIT_COUNT:
            raise InvalidKeyError(f"a key has {DIGIT_COUNT} digits, this has {len(kept)}")
        return cls(bytes.fromhex("".join(kept)))

    def to_digits(self) -> str:
        """64 lower-case hexadecimal digits in 16 groups of 4, separated by spaces."""
        digits = self._secret.hex()
        return " ".join(digits[i : i + GROUP_LEN] for i in range(0, DIGIT_COUNT, GROUP_LEN))

    def to_bytes(self) -> bytes:
        """The 32 secret bytes."""
        return self._secret

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RootKey):
            return NotImplemented
        return equal(self._secret, other._secret)

    def __repr__(self) -> str:
        return "RootKey(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a RootKey is not pickled; use to_digits() where it has to be stored")
