"""The C programs of this folder hold, under two compilers, with and without sanitizers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import toolchain
from .toolchain import ROOT, SANITIZED, STRICT, Compiler

HERE = Path(__file__).parent
PROGRAMS = sorted(path.stem for path in HERE.glob("test_*.c"))
FLAVOURS = {"strict": (*STRICT, "-O2"), "sanitized": (*STRICT, *SANITIZED)}
LINK = {"test_memory": ["-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"]}
SECONDS = 300  # a hang, not a measure of speed

# One worker a flavour, so that its objects are not waited for by others.
GROUPS = [
    pytest.param(
        Compiler(name, flags),
        id=f"{name}-{flavour}",
        marks=pytest.mark.xdist_group(f"c-{name}-{flavour}"),
    )
    for name in ("gcc", "clang")
    for flavour, flags in FLAVOURS.items()
]

BAD = {
    "a_read_past_the_end": "volatile size_t n = 4; char *p = calloc(n, 1); return p[n];",
    "a_leak": "void *volatile p = malloc(7); p = NULL; return p != NULL;",
    "a_shift_too_far": "volatile int by = 32; return 1 << by;",
    "an_overflow": "volatile int most = 2147483647; return most + 1;",
}


@pytest.mark.parametrize("compiler", GROUPS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_holds(compiler: Compiler, name: str) -> None:
    sources = [HERE / f"{name}.c", HERE / "support.c"]
    program = compiler.program(name, sources, link=LINK.get(name, []))
    done = toolchain.run(program, HERE.parent / "vectors", seconds=SECONDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("facts hold\n")


@pytest.mark.parametrize("name", ["gcc", "clang"])
@pytest.mark.parametrize("fault", BAD)
def test_sanitizers_catch(name: str, fault: str, tmp_path: Path) -> None:
    compiler = toolchain.require(name)
    source, program = tmp_path / "bad.c", tmp_path / "bad"
    source.write_text(f"#include <stdlib.h>\nint main(void) {{ {BAD[fault]} }}\n")
    subprocess.run([compiler, *SANITIZED, source, "-o", program], check=True)
    done = toolchain.run(program, seconds=SECONDS)
    assert done.returncode != 0
    assert "Sanitizer" in done.stderr or "runtime error" in done.stderr


def test_a_fact_that_does_not_hold_fails_its_program(tmp_path: Path) -> None:
    source = tmp_path / "fails.c"
    source.write_text('#include "check.h"\nint main(void) { CHECK(1 > 2); return 0; }\n')
    flags = (*STRICT, f"-I{HERE}", f"-I{ROOT / 'csrc/include'}")
    program = tmp_path / "fails"
    subprocess.run([toolchain.require("gcc"), *flags, source, "-o", program], check=True)
    done = toolchain.run(program, seconds=SECONDS)
    assert (done.returncode, "does not hold: 1 > 2" in done.stderr) == (1, True)


def test_c_files_are_formatted() -> None:
    beside = Path(sys.executable).with_name("clang-format")
    found = str(beside) if beside.exists() else shutil.which("clang-format")
    if found is None:
        toolchain.skip_unless_ci("clang-format is not installed: see the lint extra")
    files = [path for folder in ("csrc", "tests") for path in (ROOT / folder).rglob("*.[ch]")]
    command = [str(found), "--dry-run", "-Werror", *map(str, sorted(files))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
