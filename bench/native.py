"""The core's kernels as a library of loops, compiled when first needed; see kernels.c."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.corpora import MIB, text
from bench.processes import BUILD, ROOT
from csrc.build_ffi import COMPILE_ARGS, LINK_ARGS
from csrc.deps.native import ensure

SOURCES = (ROOT / "bench/kernels.c", *sorted(ROOT.glob("csrc/*/*.c")))
HEADERS = tuple(sorted(ROOT.glob("csrc/*/*.h")))
DEFAULT_LEN = 128 * MIB
TEXT_LEN = 8 * MIB


def library() -> Path:
    """The library, compiled if any of its parts changed. Raises CalledProcessError."""
    native = ensure()
    compile_ = [
        "cc",
        *COMPILE_ARGS,
        "-fPIC",
        *(f"-I{ROOT / folder}" for folder in ("csrc/include", "csrc")),
        *native.cflags(),
    ]
    link = ["cc", "-shared", *LINK_ARGS]
    parts = [path.read_bytes() for path in (*SOURCES, *HEADERS)]
    key = hashlib.sha256(b"\0".join([repr((compile_, link, native)).encode(), *parts])).hexdigest()
    target = BUILD / f"kernels-{key[:16]}.so"
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _make(target, compile_, link, native.libs())
    return target


def _make(target: Path, compile_: list[str], link: list[str], libs: list[str]) -> None:
    folder = BUILD / f"objects-{os.getpid()}"
    folder.mkdir()
    try:
        objects = [folder / f"{number}.o" for number in range(len(SOURCES))]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            commands = [
                [*compile_, "-c", str(source), "-o", str(out)]
                for source, out in zip(SOURCES, objects, strict=True)
            ]
            list(pool.map(_run, commands))
        unfinished = folder / "kernels.so"
        _run([*link, *map(str, objects), *libs, "-o", str(unfinished)])
        for old in BUILD.glob("kernels-*.so"):
            old.unlink()
        unfinished.replace(target)
    finally:
        shutil.rmtree(folder)


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)


class Kernels:
    """The kernels, with buffers of their own. One thread at a time, one object a process."""

    def __init__(self, length: int = DEFAULT_LEN, text_length: int = TEXT_LEN) -> None:
        """length: bytes of noise to walk through; text_length: of text, repeated four times."""
        self._lib = load(library())
        words = _text(text_length)
        if self._lib.bench_setup(length, words, len(words)) != 0:
            raise MemoryError("the kernels could not be set up")
        names = [self._lib.bench_name(i).decode() for i in range(self._lib.bench_count())]
        self._index = {name: number for number, name in enumerate(names)}

    @property
    def names(self) -> list[str]:
        """Every kernel there is."""
        return list(self._index)

    def bytes_of(self, name: str) -> int:
        """Bytes that one loop works on."""
        return int(self._lib.bench_bytes(self._index[name]))

    def seconds(self, name: str, loops: int) -> float:
        """How long that many loops take. Raises RuntimeError if the kernel failed."""
        taken = float(self._lib.bench_run(self._index[name], loops))
        if taken < 0:
            raise RuntimeError(f"kernel {name} failed")
        return taken


def load(path: Path) -> ctypes.CDLL:
    """The library's functions with their types."""
    lib = ctypes.CDLL(str(path))
    lib.bench_setup.argtypes = [ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    lib.bench_count.restype = ctypes.c_size_t
    lib.bench_name.argtypes = [ctypes.c_size_t]
    lib.bench_name.restype = ctypes.c_char_p
    lib.bench_bytes.argtypes = [ctypes.c_size_t]
    lib.bench_bytes.restype = ctypes.c_size_t
    lib.bench_run.argtypes = [ctypes.c_size_t, ctypes.c_uint64]
    lib.bench_run.restype = ctypes.c_double
    lib.bench_bare_file.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint]
    return lib


def _text(length: int) -> bytes:
    """Text, kept between processes: words take longer to draw than to compress."""
    kept = BUILD / f"text-{length}"
    if not kept.exists():
        drawn = kept.with_suffix(f".{os.getpid()}")
        drawn.write_bytes(b"".join(text(length)))
        drawn.replace(kept)
    return kept.read_bytes()
