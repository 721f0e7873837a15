"""Every error Strongroom raises on purpose, with the exit code and hint that go with it."""

from typing import ClassVar


class StrongroomError(Exception):
    """Something failed. The message says what was being done, to what, and what happened."""

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str | None] = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint if hint is not None else self.default_hint


class SourceError(StrongroomError):
    """An input could not be read, or changed while it was read."""


class TargetError(StrongroomError):
    """An output could not be written."""


class TargetExistsError(TargetError):
    """An output is there already, and overwriting it was not asked for."""

    default_hint = "choose another name, or pass --force to replace it"


class UsageError(StrongroomError):
    """What was asked for makes no sense as asked."""

    exit_code = 2


class IncompleteError(StrongroomError):
    """The work was finished, but not for every file; each was named."""

    exit_code = 3


class NoRepositoryError(StrongroomError):
    """There is no repository at the place that was named."""

    exit_code = 10
    default_hint = "check the place that -r names; strongroom init makes a repository"


class ConflictError(StrongroomError):
    """Others changed the repository in a way that this work could not follow."""

    exit_code = 11
    default_hint = "try again when nobody else writes to the repository"


class ObjectExistsError(ConflictError):
    """The store has an object of that name already; objects are never overwritten."""


class WrongKeyError(StrongroomError):
    """The key or password does not open this (or its envelope was deliberately altered)."""

    exit_code = 12
    default_hint = "check that this is the key or password it was sealed with"


class InvalidKeyError(WrongKeyError):
    """What was given as a key cannot be one."""

    default_hint = "a key is 64 hexadecimal digits; spaces, dashes and case do not matter"


class DamagedError(StrongroomError):
    """Stored data is damaged, tampered with, truncated or missing."""

    exit_code = 13
    default_hint = "the copy is damaged or was altered; try another copy"


class ObjectMissingError(DamagedError):
    """An object that the repository needs is not in the store."""

    default_hint = "the copy is incomplete; try another copy"


class UnsupportedError(StrongroomError):
    """Stored data needs something this version does not know."""

    exit_code = 14
    default_hint = "it may have been made by a newer version of Strongroom"


class LimitError(StrongroomError):
    """A limit of the format, of the key derivation or of this machine is exceeded."""

    exit_code = 14


class RolledBackError(StrongroomError):
    """The repository is older than this machine saw it, or another one is in its place."""

    exit_code = 15
    default_hint = (
        'compare with "strongroom info -r" on another machine; --accept-rollback takes it as it is'
    )


class VaultRefusedError(StrongroomError):
    """The vault does not do it: a wrong token, too early, locked, or destroyed."""

    exit_code = 16
    default_hint = "the 64 digits open the repository all the same: pass --key-file"


class UnreachableError(StrongroomError):
    """A vault or store that is not on this machine did not answer."""

    exit_code = 17
    default_hint = "check the address and the network; nothing was changed here"


class CancelledError(StrongroomError):
    """The work was stopped before it was done."""

    exit_code = 130
