"""The real program, run as people and scripts run it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeAlias

Word: TypeAlias = str | bytes | Path | int

STRONGROOM = Path(sys.executable).with_name("strongroom")
PATIENCE = 60.0
"""Seconds until a run counts as hung."""
CTRL_C = b"\x03"

# Becomes leader of a session whose terminal is argv[1], then turns into the program.
_ON_TERMINAL = """
import os, sys
os.close(os.open(sys.argv[1], os.O_RDWR))
os.execv(sys.argv[2], sys.argv[2:])
"""

# Runs argv[2:] and writes its peak resident memory, in KiB, to argv[1]. A process of its own: what
# is started from a large one, such as pytest, counts as large from the beginning.
_MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""

# Turns into the program argv[1], for which a new password costs what the format asks for at least.
_CHEAPLY = """
import sys
from strongroom.keys.password import KdfParameters
KdfParameters.__new__.__defaults__ = (64 * 1024, 3, 1)
del sys.argv[0]
from strongroom.__main__ import run
run()
"""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended, and all it said."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output, every line of it a JSON object."""
        objects = [json.loads(line) for line in self.out.splitlines()]
        assert all(isinstance(line, dict) for line in objects)
        return objects


class Running(subprocess.Popen[bytes]):
    """What was started. A test that fails does not wait for it: it might fill the disk."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not None:
            self.kill()
        super().__exit__(exc_type, value, traceback)


@dataclass(frozen=True, slots=True)
class Program:
    """strongroom in a folder, without the secrets that the developer's environment may hold."""

    folder: Path
    prefix: tuple[Word, ...] = ()
    """A program that runs it, such as setpriv."""
    env: Mapping[str, str | bytes] = field(default_factory=dict)

    def __call__(
        self, *words: Word, code: int = 0, data: bytes | None = None, **options: Any
    ) -> Run:
        """Run to the end and hold the exit code against `code`. Standard input is empty."""
        if data is None:
            options.setdefault("stdin", subprocess.DEVNULL)
        else:
            options["input"] = data
        options.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(),
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
            **options,
        )
        run = Run(done.returncode, done.stdout or b"", done.stderr.decode())
        assert run.code == code, run
        assert "Traceback" not in run.err
        return run

    def start(self, *words: Word, **options: Any) -> Running:
        """Start it; the caller waits."""
        return Running(self.command(*words), cwd=self.folder, env=self.environment(), **options)

    def command(self, *words: Word) -> list[str | bytes]:
        return [_word(word) for word in (*self.prefix, STRONGROOM, *words)]

    def environment(self) -> dict[bytes, bytes]:
        clean = {name: value for name, value in os.environb.items() if b"STRONGROOM" not in name}
        return clean | {os.fsencode(name): os.fsencode(value) for name, value in self.env.items()}

    def with_env(self, **env: str | bytes) -> Program:
        return Program(self.folder, self.prefix, {**self.env, **env})

    def under(self, *prefix: Word) -> Program:
        return Program(self.folder, (*prefix, *self.prefix), self.env)

    def cheaply(self) -> Program:
        """New passwords cost a tenth of a second instead of a whole one."""
        return self.under(sys.executable, "-c", _CHEAPLY)

    def measured(self, report: Path) -> Program:
        """It leaves its peak memory, KiB, in report."""
        return self.under(sys.executable, "-c", _MEASURED, report)

    def on_terminal(
        self,
        *words: Word,
        replies: Sequence[tuple[bytes, bytes]] = (),
        piped: Sequence[int] = (),
    ) -> Run:
        """Run on a pseudo-terminal of its own; err is what the terminal showed.

        replies: (words to wait for, what is then typed). piped: descriptors that are no terminal:
        0 is empty, what comes out of 1 is returned.
        """
        ours, theirs = pty.openpty()
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _ON_TERMINAL, os.ttyname(theirs), *self.command(*words)],
                cwd=self.folder,
                env={**self.environment(), b"TERM": b"xterm", b"COLUMNS": b"200"},
                stdin=subprocess.DEVNULL if 0 in piped else theirs,
                stdout=subprocess.PIPE if 1 in piped else theirs,
                stderr=theirs,
                start_new_session=True,
            )
            os.close(theirs)
            shown = _talk(ours, replies)
            out = b"" if process.stdout is None else process.stdout.read()
            return Run(process.wait(PATIENCE), out, shown.decode(errors="replace"))
        finally:
            os.close(ours)
            if process.stdout is not None:
                process.stdout.close()


def _talk(terminal: int, replies: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Read until nobody holds the other end, typing when asked."""
    shown, answered = b"", 0
    waiting, typed = list(replies), b""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            # Python notices a signal after a read if it came just before it: people press again.
            if typed == CTRL_C:
                os.write(terminal, CTRL_C)
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says EIO when the last holder has gone
            break
        if not piece:
            break
        shown += piece
        if waiting and waiting[0][0] in shown[answered:]:
            answered = len(shown)
            typed = waiting.pop(0)[1]
            os.write(terminal, typed)
    return shown


def _word(word: Word) -> str | bytes:
    return word if isinstance(word, str | bytes) else str(word)


@contextmanager
def unblocking_pipe() -> Iterator[tuple[BinaryIO, Future[bytes]]]:
    """A pipe that does not block who writes, as others who share it may want; and all that comes
    out of it, which nobody reads before something is in it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def read() -> bytes:
        with os.fdopen(reading, "rb") as ours:
            for _ in range(1000):
                if int.from_bytes(fcntl.ioctl(reading, termios.FIONREAD, bytes(4)), "little"):
                    break
                time.sleep(0.01)
            return ours.read()

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(read)
        with os.fdopen(writing, "wb") as theirs:
            yield theirs, found
