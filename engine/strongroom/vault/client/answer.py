"""Reading an answer that has to be short and in time, whatever answers."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Final

from strongroom.vault.wire import ANSWER_MAX

ANSWER_S: Final = 30
"""For all of it: who sends a byte now and then wins no time."""
_BYTES_MAX: Final = 2 * ANSWER_MAX
"""With its head."""


class _Bounded(io.RawIOBase):
    """What comes from a socket, up to a time and a number of bytes."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._until = time.monotonic() + ANSWER_S
        self._left = _BYTES_MAX

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What http.client asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        if self._left <= 0:
            raise http.client.HTTPException
        self._socket.settimeout(seconds)
        count = self._socket.recv_into(buffer)
        self._left -= count
        return count


def read_answer(connected: socket.socket) -> tuple[int, bytes]:
    """Status and body. Raises OSError; HTTPException for what no vault says."""
    answer = http.client.HTTPResponse(_Bounded(connected))  # type: ignore[arg-type]
    try:
        answer.begin()
        body = answer.read(ANSWER_MAX + 1)
    except http.client.RemoteDisconnected:
        raise
    except http.client.IncompleteRead:
        raise ConnectionResetError("the connection was cut") from None
    except (http.client.HTTPException, ValueError):
        raise http.client.HTTPException("what answers is no vault") from None
    if len(body) > ANSWER_MAX:
        raise http.client.HTTPException("what answers is no vault")
    if answer.length:
        raise ConnectionResetError("the connection was cut")
    return answer.status, body
