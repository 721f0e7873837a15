"""The package with a sanitized core, in a folder that stands before the installed one."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "engine/strongroom"
FLAGS = ("-U_FORTIFY_SOURCE", "-O1", "-g", "-fno-omit-frame-pointer")
FLAGS += ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
TESTS = (
    "tests/format",
    "tests/faults",
    "tests/unit/test_chunk_index.py",
    "tests/unit/test_marks.py",
    "tests/unit/test_segments.py",
    "tests/unit/test_write_session.py",
)
LEFT_OUT = (
    # Sanitizers read their options from /proc.
    "tests/faults/test_outputs.py::test_without_proc_files_are_made_all_the_same",
    # Long for their size, not for what the core does in them.
    "tests/faults/test_inputs.py::test_three_sparse_gibibytes_come_back",
    "tests/format/test_core.py::test_a_directory_head_across_a_frame_boundary_is_read",
    "tests/unit/test_chunk_index.py::test_ten_million_chunks_fit_a_small_index",
)
# Of repositories, those that preload a library of their own, count memory, or take minutes here;
# the C programs go over the same code with sanitizers.
IGNORED = (
    *(
        f"tests/faults/test_{name}.py"
        for name in (
            "failing_calls",
            "full_disks",
            "guesses",
            "hostile_stores",
            "indexes",
            "kills",
            "overlapping",
            "power_cuts",
            "together",
            "trees",
        )
    ),
    "tests/format/test_lies.py",
    # Nothing of the core is in these.
    "tests/format/test_repository.py",
    "tests/format/test_slots.py",
)


@dataclass(frozen=True, slots=True)
class Overlay:
    """A folder for PYTHONPATH."""

    folder: Path

    @property
    def core(self) -> Path:
        """The sanitized extension module."""
        (found,) = (self.folder / "strongroom").glob("_native*.so")
        return found

    def environment(self, reports: Path) -> dict[str, str]:
        """For a process that imports it. Sanitizers write to files that begin so.

        Not to standard error: tests that run the program look at what it says there. Python and
        its libraries keep memory until the end, so leaks are the C tests' to find.
        """
        needed = subprocess.run(["ldd", self.core], capture_output=True, text=True, check=True)
        libasan = re.search(r"libasan\S* => (/\S+)", needed.stdout)
        if libasan is None:  # clang links its own into programs only
            raise RuntimeError("the sanitized core was not built with gcc")
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        common = f"abort_on_error=1:log_path={reports}"
        return kept | {
            "LD_PRELOAD": libasan[1],
            "PYTHONPATH": str(self.folder),
            "ASAN_OPTIONS": f"detect_leaks=0:malloc_context_size=8:quarantine_size_mb=32:{common}",
            "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:{common}",
        }


def build() -> Overlay:
    """Build it, unless it is there for the C files as they are. Safe for several at a time."""
    base = ROOT / "build/sanitized"
    base.mkdir(parents=True, exist_ok=True)
    with _locked(base / "lock"):
        overlay = Overlay(base / _key() / "overlay")
        package = overlay.folder / "strongroom"
        if not (overlay.folder.parent / "built").exists():
            _compile(overlay.folder)
            (overlay.folder.parent / "built").touch()
        _link_python(package)
    return overlay


def _compile(folder: Path) -> None:
    shutil.rmtree(folder.parent, ignore_errors=True)
    places = ["--build-lib", str(folder), "--build-temp", str(folder.parent / "objects")]
    flags = " ".join(FLAGS)
    environment = {"STRONGROOM_EXTRA_CFLAGS": flags, "STRONGROOM_EXTRA_LDFLAGS": flags}
    command = [sys.executable, "setup.py", "-q", "build_ext", *places]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the sanitized core does not build:\n{done.stdout}{done.stderr}")


def _link_python(package: Path) -> None:
    """Everything of the package but its own core, by links, so that it is never out of date."""
    for path in package.iterdir():
        if path.is_symlink():
            path.unlink()
    for path in PACKAGE.iterdir():
        if path.suffix != ".so" and path.name != "__pycache__":
            (package / path.name).symlink_to(path)


def _key() -> str:
    """One for each content of what goes into the build."""
    digest = hashlib.sha256("\0".join([sys.version, *FLAGS]).encode())
    for path in sorted([*ROOT.glob("csrc/**/*.[ch]"), *ROOT.glob("csrc/**/*.py")]):
        digest.update(f"{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
