"""Programs that only tests and benchmarks need, unpacked into the cache: installed as packages they
would start daemons on the user's machine. They are this system's own release, so its libraries do.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from csrc.deps.apt import system_apt
from csrc.deps.cache import built
from csrc.deps.errors import DepsError
from csrc.deps.toolchain import run
from dev.console import SetupError, say, step

SHELF = "services"
SERVICES = {
    "etcd-server": ("etcd-server", "etcd-client"),
    "softhsm2": ("libsofthsm2", "softhsm2"),
}
"""Packages of each."""


def unpack() -> None:
    """Unpack those that are not there yet. Raises SetupError in CI; elsewhere whatever cannot be
    had is named, and its tests will be skipped."""
    for name in SERVICES:
        try:
            folder(name)
        except DepsError as error:
            reason = f"{name} cannot be had: {str(error).splitlines()[-1]}"
            if os.environ.get("CI"):
                raise SetupError(f"error: {reason}") from error
            say("note", f"tests with it will be skipped: {reason}")


def folder(name: str) -> Path:
    """What the packages of a service hold, as below /; fetched if it is not in the cache. Raises
    DepsError."""
    system = platform.freedesktop_os_release()
    recipe = repr((SERVICES[name], system["ID"], system.get("VERSION_ID"), platform.machine()))
    return built(name, recipe, partial(_fetch, name, SERVICES[name]), shelf=SHELF).folder


def program(name: str, pattern: str) -> Path:
    """The one file of a service that fits, as `usr/bin/etcd`. Raises DepsError."""
    found = sorted(folder(name).glob(pattern))
    if not found:
        raise DepsError(f"{name} has no {pattern}")
    return found[0]


def _fetch(name: str, packages: Sequence[str], out: Path) -> str:
    with step(name), system_apt() as apt:
        debs = [apt.download(package) for package in packages]
        for deb in debs:
            run(["dpkg-deb", "-x", deb, out])
    return debs[0].name.split("_")[1].replace("%3a", ":").replace("/", "-")
