"""A few seconds of libFuzzer over what reads bytes that others made."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest
import zstandard

from c import toolchain
from c.toolchain import SANITIZED, STRICT, Compiler

HERE = Path(__file__).parent
RUNS = 20_000
SECONDS = 5
PATIENCE = 120  # a hang, not a measure of speed

FUZZED = Compiler("clang", (*STRICT, *SANITIZED, "-fsanitize=fuzzer-no-link"))

pytestmark = pytest.mark.xdist_group("fuzz")


def u24(value: int) -> bytes:
    return value.to_bytes(3, "big")


CHUNK = 2**20 - 64
OWNER = b"\x01\x00\x00\x70" + bytes(112)
PASSWORD = b"\x02\x00\x00\x78" + (65536).to_bytes(4, "big") + b"\x03\x01" + bytes(114)
PREFIX = b"\x00\x01\x00\x01\x01\x14\x01\x00" + bytes(144)  # version to header MAC

# The steps of fuzz_open.c.
LITERAL, ZEROS, REPEAT, TO_EDGE, HEAD, RAW, ZSTD, END, DIRECTORY, SPOIL = (
    bytes([step]) for step in range(10)
)

# One of each kind of thing that a target takes, so that short runs get deep.
SEEDS = {
    "fuzz_header": [
        PREFIX + OWNER,
        PREFIX + PASSWORD,
        PREFIX + OWNER + PASSWORD,
        PREFIX + OWNER + b"\x03\x00\x00\x01\x00",
    ],
    "fuzz_open": [
        END,
        RAW + u24(99) + END,
        ZSTD + u24(999) + END + DIRECTORY,
        RAW + u24(CHUNK - 1) + RAW + u24(7) + END,
        ZSTD + u24(CHUNK - 1) + ZSTD + u24(7) + END + DIRECTORY,
        ZSTD + u24(CHUNK - 1) + RAW + u24(CHUNK - 1) + END + ZEROS + u24(9000) + DIRECTORY,
        RAW + u24(CHUNK - 200) + END + TO_EDGE + b"\x14" + ZEROS + u24(1),
        ZSTD + u24(99) + END + TO_EDGE + b"\x3c" + DIRECTORY,
        RAW + u24(9) + END + SPOIL + u24(20) + b"\x01",
        ZSTD + u24(9) + END + DIRECTORY + SPOIL + u24(70) + b"\x01",
        HEAD + b"\x01\x01" + u24(20) + u24(4000) + LITERAL + b"\x05abcde" + END,
        REPEAT + u24(100) + b"\xff",
        # Whole chunks where no record begins: in the padding, in a compressed chunk, in a raw one.
        TO_EDGE + b"\x05" + RAW + u24(CHUNK - 1) + RAW + u24(9),
        HEAD + b"\x01\x01" + u24(CHUNK) + u24(CHUNK) + TO_EDGE + b"\x00" + RAW + u24(CHUNK - 1),
        RAW + u24(CHUNK - 100) + RAW + u24(CHUNK - 9) + RAW + u24(CHUNK - 1) + END,
    ],
    "fuzz_data": [
        b"\x00" + u24(99) + b"\x00",
        b"\x01" + 2 * (u24(99) + b"\x01") + b"\x00\x80\x01",
        b"\x02" + 3 * (u24(CHUNK - 1) + b"\x00") + b"\x00\x10\x01",
        b"\x02" + 3 * (u24(CHUNK // 2) + b"\x02"),
        b"\x01" + u24(CHUNK - 300) + b"\x00" + u24(20) + b"\x00",
        b"\xff\x00\x00srm-foot" + bytes(56),
        b"\xff\x00\x00srm-foot" + bytes(31) + b"\x01" + bytes(24),
    ],
    "fuzz_index": [
        b"\x00\x30\x00\x01",
        b"\x00\x20\x00\x00",
        b"\x00\x00\x1f\x01" + b"\x00\x00\x17\x02",
        b"\x00\x00\x2f\x01" + b"\x00\x20\x10\xff",
    ],
    "fuzz_zstd": [
        u24(length - 1) + zstandard.ZstdCompressor(level=level).compress(b"strongroom " * length)
        for level in (1, 19)
        for length in (11, 1100)
    ]
    + [u24(999) + bytes.fromhex("28b52ffd80 50 e8030000 431f00 7a")],
}


@cache
def has_fuzzer() -> bool:
    """Whether clang links libFuzzer; Debian has it in a package of its own."""
    source = "int LLVMFuzzerTestOneInput(const char *d, long n) { return d == 0 && n > 0; }"
    command = ["clang", "-fsanitize=fuzzer", "-x", "c", "-", "-o", "/dev/null"]
    done = subprocess.run(command, input=source.encode(), capture_output=True, check=False)
    return done.returncode == 0


def built(target: str) -> Path:
    toolchain.require("clang")
    if not has_fuzzer():
        toolchain.skip_unless_ci("clang has no libFuzzer here")
    return FUZZED.program(target, [HERE / f"{target}.c"], link=["-fsanitize=fuzzer"])


@pytest.mark.parametrize("target", SEEDS)
def test_fuzzing_finds_nothing(target: str, tmp_path: Path) -> None:
    seeds, found = tmp_path / "seeds", tmp_path / "found"
    seeds.mkdir()
    found.mkdir()
    for number, seed in enumerate(SEEDS[target]):
        (seeds / f"{number:02}").write_bytes(seed)
    limits = [f"-runs={RUNS}", f"-max_total_time={SECONDS}", "-timeout=20", "-rss_limit_mb=3072"]
    places = [f"-artifact_prefix={tmp_path}/", str(found), str(seeds)]
    done = toolchain.run(built(target), *limits, "-max_len=4096", *places, seconds=PATIENCE)
    crashes = {path.name: path.read_bytes().hex() for path in tmp_path.glob("*-*")}
    assert done.returncode == 0, f"{done.stderr[-6000:]}\ninputs: {crashes}"
    assert any(found.iterdir()), "fuzzing without coverage"


def test_fuzzing_finds_a_bug_that_is_there(tmp_path: Path) -> None:
    built("fuzz_zstd")
    source = tmp_path / "bad.c"
    source.write_text(
        "#include <stdint.h>\n#include <stddef.h>\n"
        "int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {\n"
        "    return len > 0 && data[0] == 'S' && data[len] != 0;\n}\n"
    )
    program = tmp_path / "bad"
    flags = [*SANITIZED, "-fsanitize=fuzzer"]
    subprocess.run(["clang", *flags, source, "-o", program], check=True)
    done = toolchain.run(
        program, "-runs=1000000", f"-artifact_prefix={tmp_path}/", seconds=PATIENCE
    )
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
