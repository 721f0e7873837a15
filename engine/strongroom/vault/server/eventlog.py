"""The service's own log: a JSON object a line, on standard error, without secrets."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from typing import IO, Any


class EventLog:
    """Thread-safe."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._lock = threading.Lock()

    def say(self, event: str, **fields: Any) -> None:
        """Something happened."""
        self._put({"event": event, **fields})

    def alarm(self, words: str, **fields: Any) -> None:
        """Something an operator has to look at."""
        self._put({"event": "alarm", "words": words, **fields})

    def _put(self, fields: dict[str, Any]) -> None:
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields})
        with self._lock:
            # Nobody listening is no reason to stop.
            try:
                print(line, file=self._stream, flush=True)
            except (OSError, ValueError):
                return
