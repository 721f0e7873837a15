"""Connections of strangers: each must ask soon, and nobody has many."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

DEADLINE_S: Final = 10
"""From being connected to a request that is complete."""
PER_ADDRESS: Final = 32
"""Connections at once; a proxy in front is one address."""

_ASKING: Final = (h11.IDLE, h11.SEND_BODY)


def limited(*, deadline: float = DEADLINE_S, most: int = PER_ADDRESS) -> type[H11Protocol]:
    """A protocol whose connections, together, keep to these limits. For one request each."""
    open_from: Counter[str] = Counter()

    class Limited(H11Protocol):
        _host: str | None = None
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._host = self.client[0] if self.client else ""
            open_from[self._host] += 1
            if open_from[self._host] > most:
                transport.abort()
            else:
                self._timer = self.loop.call_later(deadline, self._late)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._timer is not None:
                self._timer.cancel()
            if self._host is not None:
                open_from[self._host] -= 1
                if not open_from[self._host]:
                    del open_from[self._host]
                self._host = None
            super().connection_lost(exc)

        def _late(self) -> None:
            if self.conn.their_state in _ASKING:
                self.transport.abort()

    return Limited
