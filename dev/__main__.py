"""python3 -m dev setup | test | lint | bench | bench-compare | clean: what the Makefile calls."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the reader of this message has an older one
    sys.exit("error: Python 3.11 or later is needed; name one: make PYTHON=python3.12 …")

from dev import bench, checks, clean, setup
from dev.console import SetupError

VERBS = {
    "setup": setup.main,
    "test": checks.test,
    "lint": checks.lint,
    "bench": bench.main,
    "bench-compare": bench.compare,
    "clean": clean.main,
}


def main(arguments: list[str]) -> int:
    """Run one verb; return the exit status."""
    if not arguments or arguments[0] not in VERBS:
        print(f"usage: python3 -m dev {'|'.join(VERBS)}", file=sys.stderr)
        return 2
    try:
        return VERBS[arguments[0]](arguments[1:])
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the next run goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
