"""The program: python -m strongroom, and what the `strongroom` command calls."""

import gc
import importlib
import sys


def run() -> None:
    """Load the command line and run it. Loading takes long enough to be interrupted."""
    gc.disable()  # what is loaded stays: looking for garbage in it is a tenth of the time
    try:
        importlib.import_module("strongroom.cli").main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
