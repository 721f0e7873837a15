"""The program: python -m strongroom, and what the `strongroom` command calls."""

import importlib
import os
import sys


def run() -> None:
    """Load the command line and run it. Loading takes long enough to be interrupted."""
    # numpy would start threads for algebra, which nothing here does: a fifth of loading it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        importlib.import_module("strongroom.cli").main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
