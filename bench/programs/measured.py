"""FD COMMAND...: run a command; write its seconds and peak memory to a descriptor as JSON.

A process of its own, and a small one: what is started from a large one counts as large from the
beginning. Seconds are those of the command and of all that it waited for. Peak memory is that of
its largest process, or, if more, the peaks added up of the processes that were found alive
together, looked at 50 times a second.
"""

import json
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LOOK_MS = 20


def main(report: int, command: list[str]) -> int:
    """Return the command's exit status."""
    os.set_inheritable(report, False)
    begun = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    together = _watch(process)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - begun
    figures = {"wall": wall, "user": usage.ru_utime, "system": usage.ru_stime}
    with open(report, "w") as out:
        json.dump({**figures, "peak_kib": max(usage.ru_maxrss, together)}, out)
    return os.waitstatus_to_exitcode(status)


def _watch(process: int) -> int:
    """Wait for the end; KiB of all that descends from it, at the worst moment seen."""
    worst = 0
    end = select.poll()
    ending = os.pidfd_open(process)
    end.register(ending, select.POLLIN)
    while not end.poll(LOOK_MS):
        worst = max(worst, sum(map(_peak_kib, _family(process))))
    os.close(ending)
    return worst


def _family(process: int) -> Iterator[int]:
    yield process
    with suppress(OSError):  # it has just ended
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _peak_kib(process: int) -> int:
    with suppress(OSError), Path(f"/proc/{process}/status").open() as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
