"""The owner's log at the vault: read whole, and checked."""

from __future__ import annotations

from typing import Final

from strongroom.errors import DamagedError
from strongroom.vault.client.endpoint import Endpoint
from strongroom.vault.client.pins import Pins
from strongroom.vault.messages import LogEntry, LogFrom
from strongroom.vault.wire import LOG_PAGE, NO_KEY

ENTRIES_MAX: Final = 1_000_000
"""Ten years of a recovery each ten minutes: a log that goes on is made up."""


def read_chain(endpoint: Endpoint, pins: Pins, *, doing: str) -> list[LogEntry]:
    """All entries, each linked to the one before, with what this machine saw among them.

    Raises DamagedError, CodeError, UnreachableError.
    """
    entries: list[LogEntry] = []
    head = NO_KEY
    size = LogEntry.LAYOUT.size
    while True:
        page = endpoint.call_raw("owner/log", LogFrom(len(entries) + 1))
        if len(page) % size:
            raise DamagedError(f"{doing}: the vault's log is cut")
        if not page:
            break
        if len(page) > LOG_PAGE * size or len(entries) >= ENTRIES_MAX:
            raise DamagedError(f"{doing}: the vault's log does not end")
        for at in range(0, len(page), size):
            entry = LogEntry.unpack(page[at : at + size])
            if entry.seq != len(entries) + 1 or entry.previous != head:
                raise DamagedError(
                    f"{doing}: entry {len(entries) + 1} of the vault's log is forged"
                )
            entries.append(entry)
            head = entry.hash
    _check_pinned(entries, pins, doing=doing)
    return entries


def _check_pinned(entries: list[LogEntry], pins: Pins, *, doing: str) -> None:
    if pins.log_seq == 0:
        return
    if len(entries) < pins.log_seq or entries[pins.log_seq - 1].hash.hex() != pins.log_head:
        raise DamagedError(
            f"{doing}: the vault's log is not the one this machine saw up to entry {pins.log_seq}",
            hint="the vault was set back, or rewritten; ask its operator",
        )
