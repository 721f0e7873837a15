"""The tests of the format and of faults, once more over a core with ASan and UBSan."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .overlay import FLAGS, IGNORED, LEFT_OUT, ROOT, TESTS, Overlay, build

SECONDS = 900  # a hang, not a measure of speed

pytestmark = pytest.mark.xdist_group("sanitized")

BAD = {
    "a_read_past_the_end": "volatile int n = 4; char *p = malloc(4); return p[n];",
    "a_use_after_free": "char *volatile p = malloc(4); free(p); return p[0];",
    "a_shift_too_far": "volatile int by = 32; return 1 << by;",
}

# Two hashes more than there are.
LIE = """
from strongroom._native import ffi, lib
leaves, root = ffi.new("uint8_t[]", 20 * 32), ffi.new("uint8_t[32]")
lib.srm_merkle_root(leaves, {count}, root)
print("unnoticed")
"""


@pytest.fixture(scope="session")
def overlay() -> Overlay:
    if shutil.which("gcc") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("gcc is not installed")
        pytest.skip("gcc is not installed")
    return build()


def python(overlay: Overlay, reports: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python over the sanitized core."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=overlay.environment(reports),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def written(reports: Path) -> str:
    """All that sanitizers reported in a run and its children."""
    return "".join(path.read_text() for path in reports.parent.glob(f"{reports.name}*"))


def test_the_sanitized_core_is_the_one_imported(overlay: Overlay, tmp_path: Path) -> None:
    code = "import strongroom._core, strongroom._native as n; print(n.__file__)"
    done = python(overlay, tmp_path / "report", "-c", code)
    assert done.stdout.strip() == str(overlay.core), done.stderr


def test_the_core_is_sanitized(overlay: Overlay) -> None:
    command = ["nm", "--dynamic", "--undefined-only", str(overlay.core)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    symbols = {line.split()[-1].split("@")[0] for line in done.stdout.splitlines()}
    assert "__asan_init" in symbols
    assert any(symbol.startswith("__ubsan_handle_") for symbol in symbols)


@pytest.mark.parametrize("fault", BAD)
def test_its_flags_catch(fault: str, tmp_path: Path) -> None:
    source, program = tmp_path / "bad.c", tmp_path / "bad"
    source.write_text(f"#include <stdlib.h>\nint main(void) {{ {BAD[fault]} }}\n")
    subprocess.run(["gcc", *FLAGS, source, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Sanitizer" in done.stderr or "runtime error" in done.stderr


def test_a_caller_that_lies_about_lengths_is_caught(overlay: Overlay, tmp_path: Path) -> None:
    reports = tmp_path / "report"
    honest = python(overlay, reports, "-c", LIE.format(count=20))
    assert (honest.returncode, honest.stdout, written(reports)) == (0, "unnoticed\n", "")
    lying = python(overlay, reports, "-c", LIE.format(count=22))
    assert (lying.returncode < 0, lying.stdout) == (True, "")
    assert "heap-buffer-overflow" in written(reports)


def test_format_and_faults_hold_over_the_sanitized_core(overlay: Overlay, tmp_path: Path) -> None:
    reports = tmp_path / "report"
    folders = [folder for folder in TESTS if (ROOT / folder).exists()]
    base = f"--basetemp={tmp_path / 'inner'}"
    left_out = [f"--deselect={test}" for test in LEFT_OUT]
    left_out += [f"--ignore={path}" for path in IGNORED]
    done = python(
        overlay, reports, "-m", "pytest", "-p", "no:cacheprovider", "-q", base, *left_out, *folders
    )
    assert done.returncode == 0, f"{done.stdout[-8000:]}{done.stderr[-2000:]}{written(reports)}"
    assert written(reports) == ""
    summary = done.stdout.splitlines()[-1]
    passed = re.search(r"(\d+) passed", summary)
    assert passed is not None
    assert int(passed[1]) > 0
    sys.stdout.write(f"{summary}\n")
