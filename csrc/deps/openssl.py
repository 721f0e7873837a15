"""libcrypto: the system's when it is recent, else a trimmed static 3.5 LTS.

Vectorised AES-GCM (VAES, AVX-512) came with OpenSSL 3.2; before that the same
core seals at a quarter of the speed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from csrc.deps.cache import built
from csrc.deps.errors import DepsError
from csrc.deps.library import Library, of_cache, of_system
from csrc.deps.sources import (
    Release,
    Source,
    debian_source,
    file_sha256,
    first_of,
    tarball,
    upstream,
)
from csrc.deps.toolchain import Compiler, Package, compiler, run, system_package

FAST_SINCE = (3, 2)
TARBALL = "STRONGROOM_OPENSSL_TARBALL"
CHOICE = "STRONGROOM_OPENSSL"  # "system" or "static", for packagers and tests

RELEASE = Release(
    url="https://github.com/openssl/openssl/releases/download/openssl-3.5.7/openssl-3.5.7.tar.gz",
    sha256="a8c0d28a529ca480f9f36cf5792e2cd21984552a3c8e4aa11a24aa31aeac98e8",
)
UPSTREAM_VERSION = "3.5.*"

# no-bulk drops what is optional, the loading of the user's openssl.cnf included;
# AES-GCM, SHA-2, HMAC, HKDF, RAND and the assembler are never optional.
CONFIGURE = shlex.split(
    "--release --prefix=/usr --libdir=lib --openssldir=/nonexistent -fPIC -fvisibility=hidden"
    " no-bulk no-module no-apps no-tests no-docs no-deprecated no-http no-legacy no-mdc2"
    " no-rfc3779 no-scrypt no-slh-dsa no-sock no-thread-pool no-tls"
)


def ensure() -> Library:
    """A libcrypto to link. Raises DepsError when there is none at all."""
    system = system_package("libcrypto")
    given = os.environ.get(TARBALL)
    choice = os.environ.get(CHOICE) or ("static" if given else "fastest")
    if system is not None and choice != "static":
        if system.at_least(*FAST_SINCE):
            return of_system("openssl", system)
        if choice == "system":
            return _slow(system)
    try:
        return _static(Path(given) if given else None)
    except DepsError as error:
        if system is None or choice == "static":
            raise DepsError(_hint(str(error))) from error
        return _slow(system)


def _static(given: Path | None) -> Library:
    cc = compiler()
    sources: list[Source] = [
        upstream(RELEASE),
        debian_source("openssl", upstream_version=UPSTREAM_VERSION),
    ]
    origin = RELEASE.sha256
    if given is not None:
        sources = [tarball(given)]
        origin = file_sha256(given) if given.is_file() else "missing"
    recipe = "\n".join((origin, shlex.join(CONFIGURE), cc.identity))
    return of_cache("openssl", built("openssl", recipe, lambda out: _make(sources, cc, out)))


def _slow(system: Package) -> Library:
    note = (
        f"openssl: linked the system's {system.version};"
        " AES-GCM may run at a quarter of the speed it has with 3.5"
    )
    return of_system("openssl", system, note=note)


def _hint(reasons: str) -> str:
    return (
        f"no OpenSSL to link:\n{reasons}\n"
        f"hint: install libssl-dev, or name the tarball of an OpenSSL 3.5 release in {TARBALL}"
    )


def _make(sources: list[Source], cc: Compiler, out: Path) -> str:
    """Fetch, configure and compile into `out`; return the version."""
    if shutil.which("perl") is None:
        raise DepsError("perl, which OpenSSL's Configure is written in, is not on the PATH")
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        source = first_of(sources, Path(scratch))
        tree = source.folder
        run(["env", f"CC={shlex.join(cc.command)}", "perl", "./Configure", *CONFIGURE], cwd=tree)
        jobs = f"-j{os.cpu_count() or 1}"
        run(["make", jobs, "build_generated"], cwd=tree)
        run(["make", jobs, "libcrypto.a"], cwd=tree)
        _install(tree, out)
        (out / "provenance").write_text(f"{source.origin}\n")
        return _version(tree)


def _install(tree: Path, out: Path) -> None:
    headers = out / "include/openssl"
    headers.mkdir(parents=True)
    for header in (tree / "include/openssl").glob("*.h"):
        shutil.copy(header, headers)
    (out / "lib").mkdir()
    shutil.copy(tree / "libcrypto.a", out / "lib")
    shutil.copy(tree / "LICENSE.txt", out)


def _version(tree: Path) -> str:
    stated = dict(
        re.findall(r'^(\w+)="?(\w*)"?$', (tree / "VERSION.dat").read_text(), re.MULTILINE)
    )
    return f"{stated['MAJOR']}.{stated['MINOR']}.{stated['PATCH']}"
