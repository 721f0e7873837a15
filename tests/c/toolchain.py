"""Compile C programs against the core, each file once for as long as it does not change."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CORE = tuple(sorted(ROOT.glob("csrc/*/*.c")))

STRICT = ("-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow")
STRICT += ("-Werror", "-pthread")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
# Names what failed, and ends the program for it, also where clang's defaults would not.
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}
# STRONGROOM_TEST_LONG=1: all programs under valgrind, and rounds by the hundred, for hours.
LONG = os.environ.get("STRONGROOM_TEST_LONG") == "1"


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler and the flags that all its objects are made with."""

    name: str
    flags: tuple[str, ...]

    def program(self, name: str, sources: Iterable[Path], *, link: Sequence[str] = ()) -> Path:
        """The program `name` made of these files and the core.

        `link` are further flags of its last step.
        """
        path = require(self.name)
        folder = BUILD / "ctests" / f"{self.name}-{_digest(*self.flags)[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            objects = [self._object(path, folder, source) for source in (*sources, *CORE)]
            command = [path, *self.flags, *link]
            libraries = [*_native("libs"), "-pthread"]
            key = _digest(*command, *libraries, *(item.name for item in objects))
            program = folder / f"{name}-{key[:16]}"
            if not program.exists():
                _make(program, [*command, *map(str, objects), *libraries])
        return program

    def _object(self, path: str, folder: Path, source: Path) -> Path:
        include = [f"-I{ROOT / 'csrc/include'}", f"-I{ROOT / 'csrc'}"]
        command = [path, *self.flags, *_native("cflags"), *include, "-c"]
        key = _digest(_version(path), *command, _headers(), str(source), source.read_text())
        target = folder / f"{source.stem}-{key[:16]}.o"
        if not target.exists():
            _make(target, [*command, str(source)])
        return target


def preloaded(source: Path) -> Path:
    """A library made of one file, to be loaded before all others."""
    path = require("gcc")
    command = [path, *STRICT, "-O1", "-fPIC", "-shared", str(source)]
    folder = BUILD / "ctests"
    folder.mkdir(parents=True, exist_ok=True)
    key = _digest(_version(path), *command, source.read_text())
    library = folder / f"{source.stem}-{key[:16]}.so"
    with _locked(folder / "lock"):
        if not library.exists():
            _make(library, command)
    return library


def require(compiler: str) -> str:
    """Its path. Without it the test is skipped, but fails in CI."""
    path = shutil.which(compiler)
    if path is None:
        skip_unless_ci(f"{compiler} is not installed")
    return str(path)


def skip_unless_ci(reason: str) -> None:
    """Leave out a test that this machine has no tools for."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def run(
    program: Path, *arguments: str | Path, seconds: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program with sanitizers set to end it; its output is text."""
    return subprocess.run(
        [program, *arguments],
        env={**os.environ, **SANITIZER_OPTIONS, **(env or {})},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )


def _make(target: Path, command: list[str]) -> None:
    """Run a compiler so that the target is there whole or not at all."""
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        done = subprocess.run(
            [*command, "-o", str(unfinished)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.fail(f"{' '.join(command)}\n{done.stderr}", pytrace=False)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Several test processes share the folder: one compiles, the others find it done."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _headers() -> str:
    headers = sorted([*ROOT.glob("csrc/*/*.h"), *ROOT.glob("tests/*/*.h")])
    return "".join(header.read_text() for header in headers)


@cache
def _version(compiler: str) -> str:
    return subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, check=True
    ).stdout


@cache
def _native(what: str) -> tuple[str, ...]:
    """What csrc/deps says to compile or link with, for a program.

    What hides symbols of archives is for the extension module: here it would hide malloc of
    clang's sanitizers from the C library.
    """
    command = [sys.executable, "-m", "csrc.deps.native", what]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(flag for flag in done.stdout.split() if "--exclude-libs" not in flag)
