"""What a store of vault rows does: rows by name, changed all at once or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

T = TypeVar("T")
Tell = Callable[[str], None]

PAGE: Final = 100
"""Rows; etcd takes up to 128 in a transaction."""


def unheard(_words: str) -> None:
    """A Tell to nobody."""


class StoreFailedError(Exception):
    """The store did not do it, or nobody knows whether it did: read again before going on."""


class WentBackError(StoreFailedError):
    """The store works, and is older than it was."""


class Transaction(Protocol):
    """What a body sees: a state that nobody else changes meanwhile, and its own changes in it."""

    @property
    def revision(self) -> int:
        """Of that state: it grows with every change of the store, and is never less than it was
        when the transaction began."""

    @property
    def origin(self) -> int:
        """Another one after the store was put back from a copy, where the store knows; else 0."""

    def get(self, name: str) -> bytes | None:
        """The newest committed row, or this transaction's own."""

    def put(self, name: str, row: bytes) -> None:
        """Replaces."""

    def delete(self, name: str) -> None:
        """If it is there."""

    def scan(self, prefix: str, start: str, limit: int) -> Iterator[tuple[str, bytes]]:
        """Rows whose name begins with prefix and is not below start, in order."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a store's members are."""

    members: int
    reachable: int
    """Of those that are configured, and know a leader."""
    size: int
    used: int
    """Bytes of the largest, and how many of them are rows."""
    full: bool = False
    """A quota is used up, and nothing is written."""


class Store(Protocol):
    """Thread-safe; several processes may have it open."""

    def transact(self, body: Callable[[Transaction], T]) -> tuple[T, int]:
        """Run body, and return what it does once its changes are durable, and the revision with
        which they are; that of the state it saw, where it changed nothing.

        body may be run again if others came first, so it changes nothing but the transaction.
        Its exceptions undo everything and pass through. Raises StoreFailedError.
        """

    def scrub(self) -> None:
        """Leave nothing of what was overwritten or deleted, as far as the store can."""

    def dump(self) -> Iterator[list[tuple[str, bytes]]]:
        """All rows as of one moment, up to PAGE at a time. Raises StoreFailedError."""

    def health(self) -> Health:
        """How it is, without waiting long. Never raises."""

    def close(self) -> None:
        """Once."""
