"""Ctrl-C as a request to come to an end, and pressed again as an order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from strongroom.cli.console import Console


@contextmanager
def interruptible(console: Console) -> Iterator[threading.Event]:
    """What is set by the first Ctrl-C; the next one interrupts as ever. Main thread only."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield stop  # what nohup and the like ignore stays ignored
        return

    def asked(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stop.set()
        console.say("interrupted: storing what was read; once more stops at once")

    signal.signal(signal.SIGINT, asked)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
