"""Where generations of keys may lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Source(Protocol):
    """Generations of keys of one vault: each has one that seals and one that authenticates.

    Thread-safe. All raise SourceError while they cannot reach their keys.
    """

    @property
    def vault_id(self) -> bytes:
        """16 bytes."""

    @property
    def hardware(self) -> bool:
        """Whether no key can be copied out of it."""

    def describe(self) -> str:
        """Where the keys are, for the operator."""

    def generations(self) -> frozenset[int]:
        """Those that are whole, looked up anew."""

    def check(self, generation: int) -> None:
        """Raise SourceError unless these keys can be used now."""

    def create(self, generation: int) -> None:
        """New keys, durable; those that are there already stay. Raises TargetError."""

    def destroy_before(self, generation: int) -> None:
        """Destroy older ones. Raises TargetError."""

    def mac(self, generation: int, data: bytes) -> bytes:
        """HMAC-SHA256, 32 bytes."""

    def seal(self, generation: int, record_id: bytes, secret: bytes, context: bytes) -> bytes:
        """AES-256-GCM: id 16 of the record whose own key it is, else zeros; nonce 12, encrypted
        secret, tag 16. A record_id of zeros never gets a key of its own."""

    def unseal(self, generation: int, sealed: bytes, context: bytes) -> bytes:
        """Raises DamagedError."""

    def forget(self, record_id: bytes) -> None:
        """Destroy the record's own keys, if it has any."""

    def records(self) -> Iterable[bytes]:
        """The ids of all that have keys of their own."""
