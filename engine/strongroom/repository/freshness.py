"""Is a repository's log as new as what this machine saw before?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

from strongroom.errors import DamagedError, RolledBackError, StrongroomError
from strongroom.repository.config import Config
from strongroom.repository.log import Log
from strongroom.repository.notes import alone
from strongroom.repository.pins import Head, Pin, PinFolder
from strongroom.xdg import state_home

UNKNOWN: Final = "unknown"
"""Nothing newer was seen, because nothing was seen: it may be any state that once was."""
CONTINUED: Final = "continued"
"""It holds all that this machine saw before. Others may have seen more."""
ACCEPTED: Final = "accepted"
"""It does not, and that was said to be all right."""

_BARE: Final = (
    "the log is empty, but there are segments: a first backup was interrupted or runs now, or the "
    'log was lost; then "strongroom snapshots --salvage" shows what can be read without it'
)

# Whoever looks often need not write each time.
_SEEN_NS: Final = 3600 * 10**9


class Freshness(NamedTuple):
    """What can be said of how new a log is."""

    state: str
    """UNKNOWN, CONTINUED or ACCEPTED; never more than that."""
    seen: Head | None = None
    """What was known before."""
    seen_time: int | None = None
    """When that was seen: nanoseconds since 1970."""


class HeadKeeper:
    """Compares a repository with what is remembered of it, and remembers. One thread at a time.

    What cannot be read or written of this machine's own files is told in `warnings`, and never
    keeps anyone from their data.
    """

    def __init__(
        self,
        url: str,
        config: Config,
        *,
        state: Path | None = None,
        accept_rollback: bool = False,
        remembers: bool = True,
        doing: str,
    ) -> None:
        """state: the folder, if not the user's own. remembers: False only compares. Raises
        RolledBackError where another repository was."""
        self.freshness = Freshness(UNKNOWN)
        self.warnings: list[str] = []
        self._url = url
        self._config = config
        self._pins = PinFolder(state_home() if state is None else state)
        self._accept = accept_rollback
        self._doing = doing
        self._kept: Head | None = None
        self._writable = True
        self._pin = self._load()
        self._writable = self._writable and remembers
        self._check_place()

    @property
    def pin(self) -> Pin | None:
        """What was known when this was made."""
        return self._pin

    def check(self, log: Log) -> Freshness:
        """Hold a log that was read to its end against the pin. Raises RolledBackError, and
        DamagedError where the public key is another."""
        pin = self._pin
        if log.is_bare:
            self._warn(_BARE)
        if pin is None:
            return self.freshness
        if pin.public_key != self._config.public_key:
            raise DamagedError(
                f"{self._doing}: its public key is not the one that this machine knows, but "
                f"{self._config.public_key.hex()}",
                hint="its config was altered",
            )
        expected = pin.expected_at(self._url)
        state = CONTINUED
        if not log.holds(expected.seq, expected.hash):
            state = ACCEPTED
            if not self._accept:
                raise self._rolled_back(expected, Head(*log.head))
        self.freshness = Freshness(state, expected, pin.seen)
        return self.freshness

    def remember(self, log: Log, *, proven: bool) -> None:
        """Its head, once it was checked; call it again when the log has grown. proven: the config
        was held against the root key."""
        head = Head(*log.head)
        if head == self._kept or not self._writable:
            return
        try:
            with alone(self._pins.folder):
                before = self._load()
                if self._writable:
                    self._keep(self._next_pin(before, log, head, proven=proven), before)
        except StrongroomError as error:
            self._warn(f"{error}; a rollback of this repository may go unnoticed here")
            return
        self._kept = head

    def _next_pin(self, before: Pin | None, log: Log, head: Head, *, proven: bool) -> Pin | None:
        """None: what is kept is newer already."""
        now = time.time_ns()
        if before is None or before.public_key != self._config.public_key:
            config = self._config
            return Pin(config.repo_id, config.public_key, proven, head, self._url, now, {})
        pin = before._replace(proven=before.proven or proven)
        apart = {url: kept for url, kept in pin.apart.items() if url != self._url}
        if log.holds(pin.newest.seq, pin.newest.hash):
            return pin._replace(newest=head, url=self._url, seen=now, apart=apart)
        mine = pin.expected_at(self._url)
        if self.freshness.state != ACCEPTED and not log.holds(mine.seq, mine.hash):
            return None
        if pin.url == self._url:  # nowhere else is there anything newer
            return pin._replace(newest=head, seen=now, apart=apart)
        return pin._replace(apart={**apart, self._url: head})

    def _keep(self, pin: Pin | None, before: Pin | None) -> None:
        if pin is None:
            return
        if (
            before is None
            or pin.seen - before.seen > _SEEN_NS
            or pin != before._replace(seen=pin.seen)
        ):
            self._pins.keep(pin)
        if self._place() != pin.repo_id:
            self._pins.keep_place(self._url, pin.repo_id)

    def _load(self) -> Pin | None:
        try:
            return self._pins.pin(self._config.repo_id)
        except StrongroomError as error:
            # What is damaged is written anew; what cannot be read may still be of use to others.
            self._writable = isinstance(error, DamagedError)
            self._warn(f"{error}: what this machine saw of the repository is not known")
            return None

    def _place(self) -> bytes | None:
        try:
            return self._pins.repository_at(self._url)
        except StrongroomError as error:
            self._warn(str(error))
            return None

    def _check_place(self) -> None:
        last = self._place()
        if last is None or last == self._config.repo_id or self._accept:
            return
        try:
            known = self._pins.pin(last)
        except StrongroomError:
            known = None
        seen = "" if known is None else f", at {known.newest}"
        raise RolledBackError(
            f"{self._doing}: another repository is there than before: {last.hex()} was{seen}, "
            f"and {self._config.repo_id.hex()} is",
            hint="if you put it there, pass --accept-rollback once",
        )

    def _rolled_back(self, expected: Head, found: Head) -> RolledBackError:
        if found.seq < expected.seq:
            what = "older than what this machine saw"
        else:
            what = "not what this machine saw: its history was replaced"
        return RolledBackError(f"{self._doing}: it is {what}: {expected} then, {found} now")

    def _warn(self, words: str) -> None:
        if words not in self.warnings:
            self.warnings.append(words)


def remember_new(url: str, config: Config, *, state: Path | None = None) -> list[str]:
    """That a repository was made there just now. What could not be done, in words."""
    pins = PinFolder(state_home() if state is None else state)
    head = Head(0, config.digest)
    try:
        pins.keep(Pin(config.repo_id, config.public_key, True, head, url, time.time_ns(), {}))
        pins.keep_place(url, config.repo_id)
    except StrongroomError as error:
        return [str(error)]
    return []
