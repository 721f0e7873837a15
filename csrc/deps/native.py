"""The one interface to the native libraries: `ensure()`.

python3 -m csrc.deps.native cflags|libs|about
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from csrc.deps import blake3, openssl
from csrc.deps.errors import DepsError
from csrc.deps.library import Library, of_system
from csrc.deps.toolchain import system_package


@dataclass(frozen=True, slots=True)
class Native:
    """All that the core is compiled and linked with."""

    include_dirs: tuple[Path, ...]
    archives: tuple[Path, ...]
    link_args: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: tuple[str, ...]

    def cflags(self) -> list[str]:
        """Arguments of the compiler."""
        return [f"-I{folder}" for folder in self.include_dirs]

    def libs(self) -> list[str]:
        """Arguments of the linker, to stand after the objects."""
        return [*map(str, self.archives), *self.link_args]


def ensure() -> Native:
    """Find or build the libraries; instant once built. Raises DepsError."""
    return _joined((openssl.ensure(), blake3.ensure(), _zstd()))


def _zstd() -> Library:
    package = system_package("libzstd")
    if package is None:
        return Library("zstd", "", link_args=("-lzstd",), provenance="the system's")
    return of_system("zstd", package)


def _joined(libraries: tuple[Library, ...]) -> Native:
    return Native(
        include_dirs=tuple(each for library in libraries for each in library.include_dirs),
        archives=tuple(each for library in libraries for each in library.archives),
        link_args=(
            *(each for library in libraries for each in library.link_args),
            "-Wl,--exclude-libs,ALL",
            "-pthread",
        ),
        notes=tuple(library.note for library in libraries if library.note),
        provenance=tuple(
            f"{library.name} {library.version}: {library.provenance}" for library in libraries
        ),
    )


def main(arguments: list[str]) -> int:
    """Print what a build outside setup.py needs."""
    try:
        native = ensure()
    except DepsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    match arguments:
        case ["cflags"]:
            print(" ".join(native.cflags()))
        case ["libs"]:
            print(" ".join(native.libs()))
        case ["about"]:
            print("\n".join((*native.provenance, *native.notes)))
        case _:
            print("usage: python3 -m csrc.deps.native cflags|libs|about", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
