"""Measuring on a machine that others use too: when to begin, and what to measure again.

What the host of a virtual machine takes away cannot be waited for; it is only reported.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

PATIENCE = float(os.environ.get("BENCH_PATIENCE", "20"))
"""Seconds to wait for quiet before measuring in the noise; 0 neither waits nor tries again."""
PATIENCE_ALL = 30 * PATIENCE
"""Seconds lost to others after which there is neither waiting nor trying again."""
TRIES = 3 if PATIENCE > 0 else 1
SHARE_MAX = 0.05
"""Of all processors, that others may take while something is measured."""
GRAIN = 0.04
"""Seconds of processor time that the kernel's counters are off by."""
SAMPLE = 0.25

worst = 0.0
"""The largest share that others took of what this process measured."""
_spent = 0.0


def undisturbed(work: Callable[[], T], before: Callable[[], None] = lambda: None) -> T:
    """What work returns; see least_disturbed."""
    return least_disturbed(work, before)[1]


def least_disturbed(
    work: Callable[[], T], before: Callable[[], None] = lambda: None
) -> tuple[float, T]:
    """The share that others took of the processors, and what work returns, run when they are idle,
    and again if others took more than a twentieth meanwhile. After some tries the least disturbed
    one counts. before prepares each try, untimed."""
    global worst, _spent  # noqa: PLW0603
    tries: list[tuple[float, T]] = []
    for _ in range(TRIES if _spent < PATIENCE_ALL else 1):
        begun = time.monotonic()
        _wait_for_quiet()
        before()
        tries.append(_watched(work))
        if tries[-1][0] <= SHARE_MAX:
            break
        _spent += time.monotonic() - begun
    least = min(tries, key=lambda each: each[0])
    worst = max(worst, least[0])
    return least


def _watched(work: Callable[[], T]) -> tuple[float, T]:
    busy, own, begun = _busy(), _own(), time.perf_counter()
    result = work()
    taken = time.perf_counter() - begun
    others = _busy() - busy - (_own() - own)
    return max(0.0, others - GRAIN) / (taken * (os.cpu_count() or 1)), result


def _wait_for_quiet() -> None:
    end = time.monotonic() + (PATIENCE if _spent < PATIENCE_ALL else 0)
    while time.monotonic() < end:
        before = _busy()
        time.sleep(SAMPLE)
        if _busy() - before <= GRAIN:
            return


def stolen() -> float:
    """The share of all processors that the host gave to other guests since this was imported."""
    taken, elapsed = _counters().stolen - _BEGUN.stolen, time.monotonic() - _BEGUN.at
    return taken / (max(elapsed, 1e-9) * (os.cpu_count() or 1))


def _busy() -> float:
    return _counters().busy


class _Counters(NamedTuple):
    """Seconds of all processors since the system started."""

    at: float
    busy: float
    stolen: float


def _counters() -> _Counters:
    try:
        fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:9]
    except OSError:
        return _Counters(time.monotonic(), 0.0, 0.0)
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields)
    tick = os.sysconf("SC_CLK_TCK")
    return _Counters(time.monotonic(), (user + nice + system + irq + softirq) / tick, steal / tick)


_BEGUN = _counters()


def _own() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
