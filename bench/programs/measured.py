"""FD COMMAND...: run a command; write its seconds and peak memory to a descriptor as JSON.

A process of its own, and a small one: what is started from a large one counts as large from the
beginning.
"""

import json
import os
import sys
import time


def main(report: int, command: list[str]) -> int:
    """Return the command's exit status."""
    os.set_inheritable(report, False)
    begun = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - begun
    figures = {"wall": wall, "user": usage.ru_utime, "system": usage.ru_stime}
    with open(report, "w") as out:
        json.dump({**figures, "peak_kib": usage.ru_maxrss}, out)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
