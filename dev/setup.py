"""make setup: from a bare machine to an importable strongroom, step by step.

Each step is skipped when its inputs have not changed since it last succeeded,
so that running it again is quick, and after an interruption goes on from there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from csrc.deps.cache import cache_root
from csrc.deps.errors import DepsError
from csrc.deps.native import Native, ensure
from dev import packages
from dev.console import LOG, ROOT, SetupError, run, say, step
from dev.stamps import Stamps, digest

VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin/python"
STAMPS = Stamps(VENV / ".stamps")

SOURCE_SUFFIXES = {".c", ".h", ".S", ".py"}

GIB = 1 << 30
BUILD_LEN = GIB  # packages 200 MB, sources and objects of OpenSSL 600 MB, environment 100 MB
PIP = (VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet")


def main(arguments: Sequence[str]) -> int:
    """Set up; `arguments` must be empty."""
    if arguments:
        raise SetupError("usage: make setup")
    everything()
    return 0


def everything() -> None:
    """All the steps, each only if it is due."""
    with _alone():
        if not _compiled():
            check_disk(BUILD_LEN)
        packages.install(packages.for_building())
        _environment()
        project = pyproject()["project"]
        install_wheels(
            "dependencies",
            [
                *pyproject()["build-system"]["requires"],
                *project["dependencies"],
                *project["optional-dependencies"]["vault"],
            ],
        )
        _core(_libraries())
        _byte_code()


def pyproject() -> dict[str, Any]:
    """pyproject.toml, parsed."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def install_wheels(name: str, requirements: Sequence[str]) -> None:
    """Install requirements into the environment, if they or it have changed."""
    inputs = digest(requirements)
    if STAMPS.holds(name, inputs):
        return
    with step(name), STAMPS.renew(name, inputs):
        run([*PIP, *requirements])


def check_disk(needed: int) -> None:
    """Stop unless the file systems of the project and of the cache have room."""
    free = min(shutil.disk_usage(_existing(folder)).free for folder in (ROOT, cache_root()))
    numbers = f"{needed / GIB:.1f} GiB needed, {free / GIB:.1f} GiB free"
    if free < needed:
        raise SetupError(f"error: not enough disk: {numbers}")
    say("disk", numbers)


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


@contextmanager
def _alone() -> Iterator[None]:
    """One set-up at a time in this folder."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environment() -> None:
    """.venv; one without its mark was left by an interrupted run and is made anew."""
    inputs = digest([sys.version, sys.base_prefix, str(VENV)])
    if STAMPS.holds("environment", inputs):
        return
    python = Path(sys.executable).resolve()  # not the one in an activated .venv
    with step("environment"):
        shutil.rmtree(VENV, ignore_errors=True)
        with STAMPS.renew("environment", inputs):
            run([python, "-m", "venv", VENV])


def _libraries() -> Native:
    """OpenSSL and BLAKE3, out of the cache or built into it."""
    with step("native libraries"):
        try:
            native = ensure()
        except DepsError as error:
            raise SetupError(f"error: {error}") from error
    if native.notes:
        os.environ["STRONGROOM_OPENSSL"] = "system"  # pip's build need not try again
    for note in native.notes:
        say("note", note)
    return native


def _core(native: Native) -> None:
    """The C core and the package itself, editable."""
    sources = [path for path in (ROOT / "csrc").rglob("*") if path.suffix in SOURCE_SUFFIXES]
    declared = pyproject()
    tables = repr((declared["project"], declared["tool"]["setuptools"]))
    inputs = digest([sys.version, repr(native), tables], [*sources, ROOT / "setup.py"])
    if _compiled() and STAMPS.holds("core", inputs):
        return
    with step("C core"), STAMPS.renew("core", inputs):
        for old in _compiled():
            old.unlink()
        run([*PIP, "--no-build-isolation", "--no-deps", "--editable", ROOT])
        run([VENV_PYTHON, "-c", "import strongroom._core"])


def _byte_code() -> None:
    """What pip does for a package that is not editable. Where PYTHONDONTWRITEBYTECODE is set,
    each start would compile all of it again."""
    run([VENV_PYTHON, "-m", "compileall", "-q", ROOT / "engine"])


def _compiled() -> list[Path]:
    return list((ROOT / "engine/strongroom").glob("_native*.so"))
