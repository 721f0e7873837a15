"""What this build of the core is."""

from __future__ import annotations

from typing import NamedTuple

from strongroom._core.failures import text_of
from strongroom._native import ffi, lib


class BuildInfo(NamedTuple):
    """What the core was built from and runs on."""

    openssl: str
    zstd: str
    blake3: str
    notes: tuple[str, ...]
    cpu_features: tuple[str, ...]


def build_info() -> BuildInfo:
    """Versions of the libraries in use, CPU features, and what is slower than it could be."""
    info = ffi.new("srm_build_info *")
    lib.srm_build_info_get(info)
    notes = text_of(info.notes)
    return BuildInfo(
        openssl=text_of(info.openssl_version),
        zstd=text_of(info.zstd_version),
        blake3=text_of(info.blake3_version),
        notes=tuple(line for line in notes.split("\n") if line),
        cpu_features=tuple(text_of(info.cpu_features).split()),
    )
