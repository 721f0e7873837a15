"""Faults at chosen steps of a backup or a restore."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final

from c.toolchain import ROOT, preloaded
from faults.library import ROOT as KEY
from faults.library import place
from program import Run

SOURCE: Final = Path(__file__).with_name("fault.c")


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the n-th call below a folder. See fault.c."""

    folder: Path
    n: int = 0
    what: str = "kill"
    errno: int = errno.EIO
    reads: bool = False
    trace: Path | None = None
    record: Path | None = None

    def env(self) -> dict[str, str]:
        env = {"FAULT": f"{self.n} {self.what} {self.errno} {self.folder}"}
        if self.trace is not None:
            env["FAULT_TRACE"] = str(self.trace)
        if self.record is not None:
            env["FAULT_RECORD"] = str(self.record)
        if self.reads:
            env["FAULT_READS"] = "1"
        return env


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    code: int
    told: dict[str, Any]

    @property
    def killed(self) -> bool:
        return self.code == -SIGKILL

    @property
    def done(self) -> bool:
        """It came to its end, whatever was reported on the way."""
        return self.code == 0 and "error" not in self.told and "traceback" not in self.told

    @property
    def errors(self) -> list[str]:
        """What was reported, and what was raised."""
        raised = [self.told["error"]] if "error" in self.told else []
        return self.told["errors"] + raised


@dataclass(frozen=True, slots=True)
class Step:
    """A call that changes, or reads, a file."""

    n: int
    kind: str
    path: str

    @property
    def at(self) -> tuple[str, str]:
        """Kind and place, without what is random."""
        return self.kind, place(self.path)


class Driver:
    """Runs backups and restores with faults. See driver.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def back_up(self, base: Path, fault: Fault | None = None) -> Outcome:
        return self._run(fault, do="back_up", base=base)

    def restore(
        self,
        base: Path,
        target: Path,
        fault: Fault | None = None,
        overwrite: str = "refuse",
        *,
        snapshot: str = "",
    ) -> Outcome:
        """snapshot: the newest if empty."""
        order = {"base": base, "target": target, "overwrite": overwrite, "snapshot": snapshot}
        return self._run(fault, do="restore", **order)

    def verify(self, base: Path) -> Outcome:
        return self._run(None, do="verify", base=base)

    def guess(self, base: Path, passwords: Sequence[str], fault: Fault | None = None) -> Outcome:
        return self._run(fault, do="guess", base=base, passwords=passwords)

    def program(
        self,
        base: Path,
        *words: str | Path,
        code: int | None = 0,
        keyed: bool = True,
        fault: Fault | None = None,
    ) -> Run:
        """The whole program, in the folder base, with the library's key and caches.

        code None: 0 or 13.
        """
        key = base / "key"
        if not key.exists():
            key.write_text(KEY.to_digits())
            key.chmod(0o600)
        env = {
            "STRONGROOM_REPOSITORY": str(base / "repository"),
            "XDG_CACHE_HOME": str(base / "caches"),
            "XDG_STATE_HOME": str(base / "states"),
        }
        given = words if words[0] == "scrub" or not keyed else (*words, "--key-file", key)
        told = self._run(fault, do="program", cwd=base, words=given, env=env).told
        found = Run(told["exit"], told["out"].encode(), told["err"])
        assert found.code in ({0, 13} if code is None else {code}), found
        assert "Traceback" not in found.err
        return found

    def nothing(self) -> Outcome:
        return self._run(None, do="nothing")

    def _run(self, fault: Fault | None, **order: Any) -> Outcome:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order["env"] = order.get("env", {}) | ({} if fault is None else fault.env())
        self._process.stdin.write(json.dumps(order, default=str) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the driver ended"
        told = json.loads(line)
        assert "traceback" not in told, told["traceback"]
        return Outcome(told.pop("code"), told)


@contextmanager
def driver() -> Iterator[Driver]:
    clean = {name: value for name, value in os.environ.items() if "STRONGROOM" not in name}
    paths = [str(ROOT / "tests"), str(ROOT), *sys.path]
    with subprocess.Popen(
        [sys.executable, "-m", "faults.driver"],
        env=clean | {"LD_PRELOAD": str(preloaded(SOURCE)), "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Driver(process)
        assert process.stdin is not None
        process.stdin.close()


def steps_of(trace: Path) -> list[Step]:
    """What a run with that trace did."""
    lines = trace.read_text(errors="surrogateescape").splitlines()
    return [Step(n, *line.split("\t", 1)) for n, line in enumerate(lines, start=1)]


def spread(steps: Sequence[Step], count: int, *, seed: int) -> list[Step]:
    """count of them, or more: the first of each kind and place, the last, and others at random."""
    chosen = {}
    for step in steps:
        chosen.setdefault(step.at, step)
    picked = {step.n for step in chosen.values()} | {steps[-1].n}
    others = [step.n for step in steps if step.n not in picked]
    more = random.Random(seed).sample(others, max(0, min(len(others), count - len(picked))))
    return [step for step in steps if step.n in picked.union(more)]


def summary(steps: Sequence[Step]) -> Counter[tuple[str, str]]:
    return Counter(step.at for step in steps)
