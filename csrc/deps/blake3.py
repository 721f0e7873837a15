"""BLAKE3: the system's library, else upstream's C and assembler as a static archive."""

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
from csrc.deps.sources import Source, debian_files, file_sha256, first_of, tarball
from csrc.deps.toolchain import Compiler, compiler, run, system_package

MINIMUM = (1, 5)
TARBALL = "STRONGROOM_BLAKE3_TARBALL"

PORTABLE = ("blake3.c", "blake3_dispatch.c", "blake3_portable.c")
VECTOR = {
    "x86_64": tuple(f"blake3_{isa}_x86-64_unix.S" for isa in ("sse2", "sse41", "avx2", "avx512")),
    "aarch64": ("blake3_neon.c",),
}
NO_VECTOR = (
    "-DBLAKE3_NO_SSE2",
    "-DBLAKE3_NO_SSE41",
    "-DBLAKE3_NO_AVX2",
    "-DBLAKE3_NO_AVX512",
    "-DBLAKE3_USE_NEON=0",
)
FLAGS = ("-O3", "-fPIC", "-fvisibility=hidden", "-DNDEBUG")


def ensure() -> Library:
    """A BLAKE3 to link. Raises DepsError when there is none: we do not write our own hash."""
    given = os.environ.get(TARBALL)
    system = system_package("libblake3")
    if system is not None and system.at_least(*MINIMUM) and not given:
        return of_system("blake3", system)
    try:
        return _static(Path(given) if given else None)
    except DepsError as error:
        raise DepsError(
            f"no BLAKE3 to link:\n{error}\n"
            f"hint: name the tarball of a release of BLAKE3 (1.5 or later) in {TARBALL}"
        ) from error


def _static(given: Path | None) -> Library:
    cc = compiler()
    source: Source = debian_files("librust-blake3-dev")
    origin = "newest packaged"
    if given is not None:
        source = tarball(given)
        origin = file_sha256(given) if given.is_file() else "missing"
    recipe = "\n".join((origin, shlex.join(_flags(cc)), cc.identity))
    return of_cache("blake3", built("blake3", recipe, lambda out: _make(source, cc, out)))


def _flags(cc: Compiler) -> tuple[str, ...]:
    return FLAGS if cc.machine in VECTOR else (*FLAGS, *NO_VECTOR)


def _make(source: Source, cc: Compiler, out: Path) -> str:
    """Fetch and compile into `out`; return the version."""
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        unpacked = first_of([source], Path(scratch))
        tree = _c_sources(unpacked.folder)
        version = _version(tree)
        sources = (*PORTABLE, *VECTOR.get(cc.machine, ()))
        run([*cc.command, *_flags(cc), "-c", *sources], cwd=tree)
        (out / "lib").mkdir()
        objects = [f"{Path(each).stem}.o" for each in sources]
        run(["ar", "crs", out / "lib/libblake3.a", *objects], cwd=tree)
        (out / "include").mkdir()
        shutil.copy(tree / "blake3.h", out / "include")
        (out / "provenance").write_text(f"{unpacked.origin}\n")
        return version


def _c_sources(folder: Path) -> Path:
    """The folder of the C implementation, in a release tarball as in Debian's package."""
    found = sorted(folder.rglob("blake3_dispatch.c"))
    if not found:
        raise DepsError(f"no C sources of BLAKE3 in {folder.name}")
    return found[-1].parent


def _version(tree: Path) -> str:
    stated = re.search(r'BLAKE3_VERSION_STRING "([\d.]+)"', (tree / "blake3.h").read_text())
    if stated is None:
        raise DepsError("blake3.h states no version")
    version = stated[1]
    if tuple(int(part) for part in version.split(".")[:2]) < MINIMUM:
        raise DepsError(f"BLAKE3 {version} is older than 1.5")
    return version
