"""Declare the C core to cffi; setup.py builds `ffibuilder` as strongroom._native.

STRONGROOM_EXTRA_CFLAGS and STRONGROOM_EXTRA_LDFLAGS, as a shell would split them, follow our own
arguments of the compiler and the linker: for builds with sanitizers.
"""

import json
import os
import shlex
import sys
import sysconfig
from pathlib import Path

from cffi import FFI

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from csrc.deps.errors import DepsError
from csrc.deps.native import ensure

CSRC = Path(__file__).resolve().parent
ROOT = CSRC.parent

CDEF_BEGINS = "/* [cdef begins: build_ffi.py reads the declarations from here] */"
CDEF_ENDS = "/* [cdef ends] */"

COMPILE_ARGS = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-O3",
    "-fvisibility=hidden",
    "-fstack-protector-strong",
    "-U_FORTIFY_SOURCE",  # some distributions define it already
    "-D_FORTIFY_SOURCE=2",
    "-pthread",
]
LINK_ARGS = ["-Wl,-z,relro,-z,now"]
EXTRA_COMPILE_ARGS = shlex.split(os.environ.get("STRONGROOM_EXTRA_CFLAGS", ""))
EXTRA_LINK_ARGS = shlex.split(os.environ.get("STRONGROOM_EXTRA_LDFLAGS", ""))


def declarations(header: str) -> str:
    """The part of strongroom.h between the two marker comments."""
    _, begins, rest = header.partition(CDEF_BEGINS)
    cdef, ends, _ = rest.partition(CDEF_ENDS)
    if not (begins and ends):
        raise ValueError("strongroom.h lacks a marker comment of the cdef")
    return cdef.replace("SRM_MUST_USE ", "")  # an attribute: cffi reads plain C


def core_files(pattern: str) -> list[str]:
    """Files of the core, relative to the root as setuptools wants them."""
    return sorted(str(path.relative_to(ROOT)) for path in CSRC.glob(pattern))


def builder() -> FFI:
    """The extension module: every C file of the core, linked as csrc/deps says."""
    try:
        native = ensure()
    except DepsError as error:
        sys.exit(f"error: {error}")
    for note in native.notes:
        print(f"warning: {note}", file=sys.stderr)
    ffi = FFI()
    ffi.cdef(declarations((CSRC / "include/strongroom.h").read_text()))
    ffi.set_source(
        "strongroom._native",
        '#include "strongroom.h"',
        sources=core_files("*/*.c"),
        depends=core_files("**/*.h"),
        include_dirs=["csrc/include", "csrc", *map(str, native.include_dirs)],
        define_macros=[("SRM_BUILD_NOTES", json.dumps("\n".join(native.notes)))],
        extra_compile_args=[*COMPILE_ARGS, *EXTRA_COMPILE_ARGS],
        extra_objects=[str(archive) for archive in native.archives],
        extra_link_args=[*LINK_ARGS, *native.link_args, *EXTRA_LINK_ARGS],
        py_limited_api=not sysconfig.get_config_var("Py_GIL_DISABLED"),
    )
    return ffi


ffibuilder = builder()
