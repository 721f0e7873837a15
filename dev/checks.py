"""make test and make lint: install what only they need, then hand over to the tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dev import packages, services
from dev.console import ROOT, SetupError, run, say, step
from dev.setup import GIB, VENV, VENV_PYTHON, check_disk, everything, install_wheels, pyproject

TEST_LEN = GIB
WORKERS = 2
SANITIZE = "-fsanitize=address,undefined"


def test(arguments: Sequence[str]) -> int:
    """Run pytest, whose closing line is the last one printed; `arguments` go to it."""
    everything()
    _extras()
    _clang()
    _valgrind()
    services.unpack()
    os.chdir(ROOT)
    # Tests find the tools of the environment, clang-format for one, as an activated shell would.
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    command = [
        str(VENV_PYTHON),
        "-m",
        "pytest",
        "-n",
        str(WORKERS),
        "--dist",
        "loadgroup",
        *arguments,
    ]
    os.execve(VENV_PYTHON, command, os.environ | {"PATH": path})  # noqa: S606


def lint(_arguments: Sequence[str]) -> int:
    """Run the formatters and checkers; they change nothing."""
    everything()
    _extras()
    tools = VENV / "bin"
    typed = [name for name in pyproject()["tool"]["mypy"]["files"] if (ROOT / name).exists()]
    with step("ruff check"):
        run([tools / "ruff", "check"])
    with step("ruff format"):
        run([tools / "ruff", "format", "--check"])
    with step("mypy"):
        run([tools / "mypy", *typed])
    with step("clang-format"):
        run([tools / "clang-format", "--dry-run", "--Werror", *(ROOT / "csrc").rglob("*.[ch]")])
    return 0


def _extras() -> None:
    extras = pyproject()["project"]["optional-dependencies"]
    wanted = [each for name in ("hsm", "etcd", "test", "lint") for each in extras[name]]
    install_wheels("test and lint extras", wanted)


def _clang() -> None:
    """clang with its sanitizers: without it tests are skipped by name, but not in CI."""
    if _sanitizers_work():
        return
    try:
        check_disk(TEST_LEN)
        packages.install(packages.for_clang())
        packages.install(packages.for_clang())  # a first one may have had to fetch apt's lists
        if not _sanitizers_work():
            raise SetupError("error: clang is there, but cannot link its sanitizers")
    except SetupError as error:
        if os.environ.get("CI"):
            raise
        say("note", f"tests under clang will be skipped: {str(error).splitlines()[-1]}")


def _valgrind() -> None:
    """Likewise."""
    if _valgrind_works():
        return
    try:
        packages.install(packages.for_valgrind())
        if not _valgrind_works():
            raise SetupError("error: valgrind is there, but does not run")
    except SetupError as error:
        if os.environ.get("CI"):
            raise
        say("note", f"tests under valgrind will be skipped: {str(error).splitlines()[-1]}")


def _valgrind_works() -> bool:
    """Whether it runs anything: it needs the symbols of the C library."""
    command = ["valgrind", "-q", "true"]
    found = shutil.which("valgrind") is not None
    return found and subprocess.run(command, capture_output=True, check=False).returncode == 0


def _sanitizers_work() -> bool:
    """Whether clang compiles and links a program with its sanitizers."""
    if shutil.which("clang") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "program.c")
        program.write_text("int main(void) { return 0; }\n")
        command = ["clang", SANITIZE, str(program), "-o", str(program.with_suffix(""))]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
