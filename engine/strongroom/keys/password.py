"""Passwords, and the cost of guessing them: Argon2id (RFC 9106)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from strongroom.errors import LimitError, StrongroomError, UnsupportedError, UsageError
from strongroom.keys.memory import available_memory

if TYPE_CHECKING:
    from typing import Self

_MIB = 1024


class _Cost(NamedTuple):
    memory_kib: int
    passes: int
    lanes: int


class KdfParameters(_Cost):
    """What one guess costs. The range is the format's; see docs/FORMAT.md, 4.2."""

    __slots__ = ()

    def __new__(cls, memory_kib: int = 256 * _MIB, passes: int = 4, lanes: int = 4) -> Self:
        """Raises UnsupportedError where one is out of range."""
        made = super().__new__(cls, memory_kib, passes, lanes)
        if not (64 * _MIB <= memory_kib <= 4096 * _MIB and 3 <= passes <= 16 and 1 <= lanes <= 16):
            raise UnsupportedError(f"key derivation parameters out of range: {made}", hint="")
        return made

    @classmethod
    def _make(cls, iterable: Iterable[int]) -> Self:  # type: ignore[override]  # of any tuple
        """What `_replace` goes through, too."""
        return cls(*iterable)

    def __str__(self) -> str:
        return f"{self.memory_kib} KiB, {self.passes} passes, {self.lanes} lanes"

    def check(self, *, allow_costly: bool) -> None:
        """Refuse what this machine cannot or should not spend, before memory is taken.

        Above 1 GiB or 8 passes only with allow_costly. Raises LimitError.
        """
        if not allow_costly and (self.memory_kib > 1024 * _MIB or self.passes > 8):
            raise LimitError(
                f"this password asks for an unusually costly key derivation ({self})",
                hint="pass --allow-kdf if you trust where this file comes from",
            )
        if self.memory_kib * 1024 > available_memory() // 2:
            raise LimitError(
                f"key derivation needs {self.memory_kib // 1024} MiB, "
                "more than half of the memory available",
                hint="free some memory, or open it on a larger machine",
            )


class Password:
    """A password, and what a guess at it shall cost when it seals something.

    The text is normalised to Unicode NFC, so that an é typed on one system unlocks on another.
    allow_costly: also open what asks for more than 1 GiB or 8 passes.
    """

    __slots__ = ("_secret", "allow_costly", "kdf")

    def __init__(
        self, text: str, *, kdf: KdfParameters | None = None, allow_costly: bool = False
    ) -> None:
        """Raises UsageError for an empty password or one that is not valid Unicode."""
        if not text:
            raise UsageError("the password is empty")
        try:
            self._secret = unicodedata.normalize("NFC", text).encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError("the password is not valid UTF-8") from None
        self.kdf = KdfParameters() if kdf is None else kdf
        self.allow_costly = allow_costly

    def to_text(self) -> str:
        """The password itself, normalised."""
        return self._secret.decode("utf-8")

    def stretch(self, salt: bytes, parameters: KdfParameters) -> bytes:
        """32 bytes from the password. Raises LimitError before memory is taken."""
        parameters.check(allow_costly=self.allow_costly)
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        try:
            kdf = Argon2id(
                salt=salt,
                length=32,
                iterations=parameters.passes,
                lanes=parameters.lanes,
                memory_cost=parameters.memory_kib,
            )
        except UnsupportedAlgorithm:
            raise StrongroomError(
                "deriving a key from the password: this build of cryptography has no Argon2id",
                hint="install cryptography from a wheel",
            ) from None
        return kdf.derive(self._secret)

    def __repr__(self) -> str:
        return "Password(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Password is not pickled")
