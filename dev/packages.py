"""The system's packages: which are missing, and how they get installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dev.console import SetupError, run, step

LOCK_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Need:
    """A package, and how to tell that it is there where dpkg does not know."""

    package: str
    serves_too: str = ""
    command: str = ""
    header: str = ""


def for_building() -> list[Need]:
    """What the C core and its environment are built with."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    needs = [
        Need("gcc", command="cc"),
        Need("libc6-dev", header="stdlib.h"),
        Need("libssl-dev", header="openssl/crypto.h"),
        Need("libzstd-dev", header="zstd.h"),
        Need("make", command="make"),
        Need("pkg-config", serves_too="pkgconf", command="pkg-config"),
    ]
    if not _openssl_is_recent():
        needs.append(Need("perl", command="perl"))
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        needs.append(Need(f"libpython{version}-dev"))
    if importlib.util.find_spec("ensurepip") is None:
        needs.append(Need(f"python{version}-venv"))
    return needs


def missing(needs: Sequence[Need]) -> list[str]:
    """The packages that are not there."""
    if shutil.which("dpkg-query") is None:
        return [need.package for need in needs if not _works(need)]
    there = _installed([name for need in needs for name in (need.package, need.serves_too) if name])
    return [need.package for need in needs if not {need.package, need.serves_too} & there]


def install(needs: Sequence[Need]) -> None:
    """Install what is missing, or stop and say in one line what to run."""
    names = missing(needs)
    if not names:
        return
    if shutil.which("apt-get") is None:
        raise SetupError(
            "error: these are missing (named as Debian names them),"
            f" install them and run again:\n{' '.join(names)}"
        )
    prefix = _as_root()
    if prefix is None:
        raise SetupError(
            "error: packages are missing, and this is neither root nor is there sudo without"
            f" a password; run this line as root, then the same again:\n{apt_line(names)}"
        )
    apt = [
        *prefix,
        *("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "--yes"),
        *("-o", f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}"),
    ]
    with step(f"packages ({len(names)} missing)"):
        with suppress(SetupError):  # one source that is down must not stop what the others have
            run([*apt, "update"])
        run([*apt, "install", "--no-install-recommends", *names])


def for_clang() -> list[Need]:
    """clang, and the package of its sanitizers once apt or dpkg can name it."""
    shown = _output(["dpkg-query", "--show", "--showformat=${Depends}", "clang"])
    version = re.search(r"clang-(\d+)", shown or _output(["apt-cache", "depends", "clang"]) or "")
    runtime = [Need(f"libclang-rt-{version[1]}-dev")] if version else []
    return [Need("clang", command="clang"), *runtime]


def for_valgrind() -> list[Need]:
    """What looks for memory that is read before it is written."""
    return [Need("valgrind", command="valgrind"), Need("libc6-dbg")]


def apt_line(names: Sequence[str]) -> str:
    """The one line that installs the packages."""
    sudo = "sudo " if shutil.which("sudo") else ""
    packages = shlex.join(names)
    return f"{sudo}apt-get update && {sudo}apt-get install --yes --no-install-recommends {packages}"


def _as_root() -> list[str] | None:
    """What to put before a command that root must run; None if that cannot be had unasked."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None or _output(["sudo", "-n", "true"]) is None:
        return None
    return ["sudo", "-n"]


def _installed(names: Sequence[str]) -> set[str]:
    shape = "${db:Status-Status} ${Package}\n"
    rows = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={shape}", *names],
        capture_output=True,
        text=True,
        check=False,  # names that dpkg never heard of make it fail, and are just missing
    ).stdout
    return {row.split()[1] for row in rows.splitlines() if row.startswith("installed ")}


def _openssl_is_recent() -> bool:
    """Whether the system's OpenSSL is one that csrc/deps links, so that none is built."""
    shape = "--showformat=${Version}\n"
    for library in ("libssl3t64", "libssl3"):
        version = re.match(r"(\d+)\.(\d+)", _output(["dpkg-query", "--show", shape, library]) or "")
        if version is not None:
            return (int(version[1]), int(version[2])) >= (3, 2)
    return False


def _works(need: Need) -> bool:
    if need.command:
        return shutil.which(need.command) is not None
    if need.header:
        probe = ["cc", "-E", "-x", "c", "-include", need.header, os.devnull]
        return _output(probe) is not None
    return False


def _output(command: Sequence[str]) -> str | None:
    """What a command says; None when it fails or does not exist."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
