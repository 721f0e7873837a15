"""One calm line a step; what programs say goes to a log."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOG = ROOT / "build/setup.log"
NAME_LEN = 26
TAIL_LINES = 20


class SetupError(Exception):
    """Ends a run with exit status 1; the text is the last thing it prints."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name, and when the work is done, its seconds."""
    print(f"{name:<{NAME_LEN}}", end="", flush=True)
    begun = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - begun:7.1f} s", flush=True)


def say(name: str, text: str) -> None:
    """A line about something that takes no time."""
    print(f"{name:<{NAME_LEN}}  {text}", flush=True)


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> None:
    """Run from the root, output to the log. Raises SetupError with the end of it."""
    LOG.parent.mkdir(exist_ok=True)
    words = [str(word) for word in command]
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(words)}\n".encode())
        log.flush()
        begun = log.tell()
        try:
            done = subprocess.run(
                words,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        except OSError as error:
            raise SetupError(f"error: {words[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise SetupError(
            f"{_tail(begun)}\nerror: {words[0]} stopped with status {done.returncode};"
            f" all it said is in {LOG.relative_to(ROOT)}"
        )


def _tail(begun: int) -> str:
    with LOG.open("rb") as log:
        log.seek(begun)
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
