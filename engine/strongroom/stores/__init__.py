"""Where objects are kept: one protocol, and a module for each kind of store."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from strongroom.errors import TargetError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Buffer

OBJECT_MAX: Final = 2**44
"""Bytes that get takes at most unless told otherwise."""

_NAME = re.compile(r"[0-9a-z]{1,64}(?:/[0-9a-z]{1,64}){0,3}", re.ASCII)
_PREFIX = re.compile(r"(?:[0-9a-z]{1,64}/){0,3}", re.ASCII)


class UnsyncedError(TargetError):
    """An object is there, whole, but a crash may still lose it."""

    default_hint = "it may be in the repository all the same: look again once the disk works"


class Store(Protocol):
    """Immutable objects under short names such as log/0000000000000001.

    A name is one to four parts of digits and lower-case letters, separated by slashes. What a
    store holds under other names is none of its objects. Every method takes any thread, and
    refuses hostile names with UsageError. SourceError: it could not be read; TargetError: it could
    not be written.
    """

    @property
    def url(self) -> str:
        """What a person types to name this store."""

    def get(self, name: str, *, limit: int = OBJECT_MAX) -> bytes:
        """All bytes of an object. Raises ObjectMissingError; DamagedError when it has more than
        limit bytes, before they are read."""

    def put(self, name: str, data: Buffer) -> None:
        """Make an object. Returns only once a crash cannot lose it, and no reader ever sees a
        part of it. Raises ObjectExistsError and leaves what is there; UnsyncedError."""

    def adopt(self, files: Sequence[tuple[Path, str]]) -> None:
        """Make objects out of local files that are whole and durable; the files are gone then.

        Returns only once a crash cannot lose them. Raises ObjectExistsError, before which some
        may have become objects.
        """

    def sync(self, name: str) -> None:
        """Return only once a crash cannot lose an object that is there, whoever made it, nor those
        that share all but the last part of its name. Raises UnsyncedError."""

    def list(self, prefix: str) -> Iterator[str]:
        """Names that begin with prefix, ascending. prefix is empty or ends with a slash."""

    def delete(self, name: str) -> None:
        """Take an object away, durably. Raises ObjectMissingError."""

    def length(self, name: str) -> int:
        """Bytes of an object. Raises ObjectMissingError."""

    def exists(self, name: str) -> bool:
        """Is there an object of that name?"""


def check_name(name: str) -> str:
    """name, if it may be an object's. Raises UsageError."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"{name!r} cannot be the name of an object")
    return name


def check_prefix(prefix: str) -> str:
    """prefix, if names of objects may begin with it. Raises UsageError."""
    if _PREFIX.fullmatch(prefix) is None:
        raise UsageError(f"{prefix!r} cannot be what names of objects begin with")
    return prefix


def is_part(name: str) -> bool:
    """May name be a part of an object's name?"""
    return "/" not in name and _NAME.fullmatch(name) is not None
