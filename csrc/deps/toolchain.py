"""The compiler, pkg-config, and how they are run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from csrc.deps.errors import DepsError

TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Compiler:
    """The C compiler; `identity` changes whenever its code might."""

    command: tuple[str, ...]
    identity: str
    machine: str


@cache
def compiler() -> Compiler:
    """The compiler that CC names, else cc. Raises DepsError when there is none."""
    command = tuple(shlex.split(os.environ.get("CC") or "cc"))
    if shutil.which(command[0]) is None:
        raise DepsError(f"no C compiler: {command[0]} is not on the PATH")
    version = run([*command, "--version"]).splitlines()[0]
    target = run([*command, "-dumpmachine"]).strip()
    return Compiler(command, f"{shlex.join(command)}: {version}, {target}", target.split("-")[0])


def run(command: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """Output of a command. Raises DepsError with the end of what a failing one said."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise DepsError(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
        raise DepsError(f"{command[0]} failed with status {done.returncode}:\n{tail}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Package:
    """A library of the system, as pkg-config describes it."""

    version: str
    include_dirs: tuple[Path, ...]
    link_args: tuple[str, ...]

    def at_least(self, *minimum: int) -> bool:
        """Whether major, minor, … are `minimum` or later."""
        numbers = tuple(int(part) for part in self.version.split(".")[: len(minimum)])
        return numbers >= minimum


def system_package(name: str) -> Package | None:
    """The system's library `name`; None without it or without pkg-config."""
    tool = os.environ.get("PKG_CONFIG") or "pkg-config"
    try:
        version = run([tool, "--modversion", name]).strip()
        includes = shlex.split(run([tool, "--cflags-only-I", name]))
        libs = shlex.split(run([tool, "--libs", name]))
    except DepsError:
        return None
    return Package(version, tuple(Path(each[2:]) for each in includes), tuple(libs))
