"""The C programs of this folder hold: as they are shipped, and with two compilers' sanitizers."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from . import toolchain
from .toolchain import ROOT, SANITIZED, STRICT, Compiler

HERE = Path(__file__).parent
PROGRAMS = sorted(path.stem for path in HERE.glob("test_*.c"))
SHARED = [HERE / f"{name}.c" for name in ("support", "passes", "spool", "repository")]
BESIDE = {
    "test_data": ["laid"],
    "test_data_sealed": ["laid"],
    "test_fetch": ["fetching"],
    "test_fetch_harm": ["fetching"],
    "test_session_ends": ["stage"],
    "test_session_files": ["stage"],
}
STAGES = ("input_read_at", "input_read_next", "frames_read", "compressor_try", "decompressor_run")
STAGES += ("packer_put", "frame_seal", "frame_open_apart", "parser_next")
STAGES += ("output_write_at", "output_write_next", "crew_leave")
LINK = {
    "test_codec": ["-Wl,--wrap=ZSTD_compress2"],
    "test_identical": ["-Wl,--wrap=random_hedged"],
    "test_memory": ["-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"],
    "test_session_ends": ["-Wl,--wrap=pread,--wrap=pwrite,--wrap=fsync"],
    "test_stages": [f"-Wl,--wrap={name}" for name in STAGES],
    "test_session_files": ["-Wl,--wrap=pread,--wrap=pwrite,--wrap=fsync,--wrap=syscall"],
}
RACED = ["test_threads", "test_stages", "test_faults", "test_job"]
RACED += ["test_index", "test_session_ends", "test_session_files"]
RACED += ["test_fetch", "test_fetch_harm", "test_verify"]
SECONDS = 7200 if toolchain.LONG else 300  # a hang, not a measure of speed

# ThreadSanitizer, and a ledger that ends the program when a nonce comes twice.
WATCHED = Compiler("gcc", (*STRICT, "-fsanitize=thread", "-g", "-O1", "-DSRM_NONCE_LEDGER"))
# Plain code: sanitizers and valgrind do not go together.
CHECKED = Compiler("gcc", (*STRICT, "-g", "-O1"))
RUN_SLOWLY = ["test_parts", "test_layout", "test_data_sealed", "test_landing", "test_job"]
VALGRIND = ("-q", "--error-exitcode=9", "--fair-sched=yes", "--max-threads=2000")  # of 200 streams
VALGRIND += (f"--suppressions={HERE / 'valgrind.supp'}",)
# Leaks are told but do not count: in a child of fork(), which is to be silent, whatever its
# parent's threads held is one.
VALGRIND += ("--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=none")
VALGRIND += ("--child-silent-after-fork=yes",)
LEAK = "definitely lost"

RACE = """
#include <pthread.h>
static int n;
static void *add(void *unused) { n++; return unused; }
int main(void) {
    pthread_t t;
    if (pthread_create(&t, 0, add, 0) != 0) return 0;
    n++;
    return pthread_join(t, 0);
}
"""

# One worker a flavour, so that its objects are not waited for by others.
GROUPS = [
    pytest.param(
        Compiler(name, flags),
        id=f"{name}-{flavour}",
        marks=pytest.mark.xdist_group(f"c-{name}-{flavour}"),
    )
    for name, flavour, flags in (
        ("gcc", "strict", (*STRICT, "-O2")),
        ("gcc", "sanitized", (*STRICT, *SANITIZED)),
        ("clang", "sanitized", (*STRICT, *SANITIZED)),
    )
]

UNWRITTEN = "char *volatile p = malloc(1); int is = p[0] == 7; free(p); if (is) abort(); return 0;"
BAD = {
    "a_read_past_the_end": "volatile size_t n = 4; char *p = calloc(n, 1); return p[n];",
    "a_leak": "void *volatile p = malloc(7); p = NULL; return p != NULL;",
    "a_shift_too_far": "volatile int by = 32; return 1 << by;",
    "an_overflow": "volatile int most = 2147483647; return most + 1;",
}


def sources(name: str) -> list[Path]:
    """A program, and what it shares with others."""
    return [*(HERE / f"{each}.c" for each in (name, *BESIDE.get(name, []))), *SHARED]


@pytest.mark.parametrize("compiler", GROUPS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_holds(compiler: Compiler, name: str) -> None:
    program = compiler.program(name, sources(name), link=LINK.get(name, []))
    done = toolchain.run(program, HERE.parent / "vectors", seconds=SECONDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("facts hold\n")


@pytest.mark.xdist_group("c-threads")
@pytest.mark.parametrize("name", RACED)
def test_threads_do_not_race_and_repeat_no_nonce(name: str) -> None:
    program = WATCHED.program(name, sources(name), link=LINK.get(name, []))
    done = toolchain.run(program, seconds=SECONDS)
    assert done.returncode == 0, done.stderr[-8000:]
    assert done.stdout.endswith("facts hold\n")


@pytest.mark.xdist_group("c-threads")
def test_a_race_is_noticed(tmp_path: Path) -> None:
    source, program = tmp_path / "race.c", tmp_path / "race"
    source.write_text(RACE)
    subprocess.run([toolchain.require("gcc"), *WATCHED.flags, source, "-o", program], check=True)
    done = toolchain.run(program, seconds=SECONDS)
    assert done.returncode != 0
    assert "data race" in done.stderr


def test_a_repeated_nonce_is_noticed() -> None:
    flags = (*STRICT, "-O2", "-DSRM_NONCE_LEDGER", "-DSRM_MUTATE_NONCE")
    program = Compiler("gcc", flags).program("test_segment", sources("test_segment"))
    done = toolchain.run(program, seconds=SECONDS)
    assert done.returncode == -signal.SIGABRT
    assert "a nonce was used twice" in done.stderr


@pytest.mark.parametrize("name", PROGRAMS if toolchain.LONG else RUN_SLOWLY)
def test_valgrind_finds_nothing(name: str) -> None:
    """Memory that is read before it is written is what sanitizers do not look for."""
    valgrind = toolchain.require("valgrind")
    program = CHECKED.program(name, sources(name), link=LINK.get(name, []))
    command = [*VALGRIND, program, HERE.parent / "vectors"]
    sparse = {"STRONGROOM_TEST_SPARSE": "1"}
    done = toolchain.run(Path(valgrind), *command, seconds=SECONDS, env=sparse)
    assert done.returncode == 0, done.stderr[-8000:]
    assert LEAK not in done.stderr, done.stderr[-8000:]
    assert done.stdout.endswith("facts hold\n")


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [(UNWRITTEN, 9, "uninitialised"), (BAD["a_leak"], 0, LEAK)],
    ids=["what was never written", "what is lost"],
)
def test_valgrind_catches(body: str, code: int, told: str, tmp_path: Path) -> None:
    valgrind = toolchain.require("valgrind")
    source, program = tmp_path / "bad.c", tmp_path / "bad"
    source.write_text(f"#include <stdlib.h>\nint main(void) {{ {body} }}\n")
    subprocess.run([toolchain.require("gcc"), "-g", source, "-o", program], check=True)
    done = toolchain.run(Path(valgrind), *VALGRIND, program, seconds=SECONDS)
    assert done.returncode == code
    assert told in done.stderr


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
