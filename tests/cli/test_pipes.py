"""Standard input and output: both ways, in constant memory, honest about the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey, open_bytes, seal_bytes, seal_file

KEY = ("--key-file", "my.key")
GIB = 2**30
CHUNK = 2**20 - 64
MEMORY_MAX_KIB = 200 * 1024

# Writes argv[1] bytes that do not compress; checks that the same come in.
SOURCE = """
import random, sys
block = random.Random(7).randbytes(2**20)
for i in range(int(sys.argv[1]) >> 20):
    sys.stdout.buffer.write(i.to_bytes(8, "big") + block[8:])
"""
SINK = """
import random, sys
block = random.Random(7).randbytes(2**20)
for i in range(int(sys.argv[1]) >> 20):
    assert sys.stdin.buffer.read(2**20) == i.to_bytes(8, "big") + block[8:], i
assert not sys.stdin.buffer.read(1)
"""


def test_pipes_work_both_ways(program: Program, noise: bytes) -> None:
    sealed = program("seal", *KEY, "-", "-o", "-", data=noise).out
    assert program("open", *KEY, "-", "-o", "-", data=sealed).out == noise


def test_a_pipe_and_a_file_work_together(program: Program, tmp_path: Path, prose: bytes) -> None:
    program("seal", *KEY, "-", "-o", "s", data=prose)
    assert program("open", *KEY, "s", "-o", "-").out == prose
    sealed = program("seal", *KEY, "my.key", "-o", "-").out
    program("open", *KEY, "-", "-o", "out", data=sealed)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "my.key").read_bytes()


def test_an_empty_pipe_is_an_empty_file(program: Program, key: RootKey) -> None:
    sealed = program("seal", *KEY, "-", "-o", "-").out
    assert open_bytes(sealed, key=key) == b""
    assert program("open", *KEY, "-", "-o", "-", data=sealed).out == b""


def test_json_goes_with_a_pipe_on_the_way_in_only(program: Program) -> None:
    (line,) = program("seal", *KEY, "-", "-o", "s", "--json", data=b"abc").lines
    assert (line["input"], line["output"], line["raw_bytes"]) == ("-", "s", 3)
    run = program("seal", *KEY, "my.key", "-o", "-", "--json", code=2)
    assert run.out == b""
    assert "--json and the data cannot both go to standard output" in run.err


def test_scrub_reads_a_pipe(program: Program, key: RootKey) -> None:
    sealed = seal_bytes(b"data", key=key)
    assert "-: consistent" in program("scrub", "-", data=sealed).err
    run = program("scrub", "-", data=sealed[:-1], code=13)
    assert "scrubbing standard input" in run.err


def test_reading_begins_where_standard_input_stands(
    program: Program, tmp_path: Path, key: RootKey
) -> None:
    (tmp_path / "in").write_bytes(b"line\nrest")
    with (tmp_path / "in").open("rb", buffering=0) as source:
        source.seek(5)
        sealed = program("seal", *KEY, "-", "-o", "-", stdin=source).out
    assert open_bytes(sealed, key=key) == b"rest"


@pytest.mark.parametrize("verb", ["seal", "open", "scrub"])
def test_a_closed_standard_input_is_an_error(program: Program, verb: str) -> None:
    words = ["scrub", "-"] if verb == "scrub" else [verb, *KEY, "-", "-o", "x"]
    run = program.under("sh", "-c", 'exec "$0" "$@" <&-')(*words, code=1)
    assert "standard input: reading failed: Bad file descriptor" in run.err


def test_a_closed_standard_output_is_an_error(program: Program) -> None:
    run = program.under("sh", "-c", 'exec "$0" "$@" >&-')("seal", *KEY, "my.key", "-o", "-", code=1)
    assert "strongroom: error: sealing my.key: writing failed: Bad file descriptor" in run.err


@pytest.mark.parametrize("cut", [0, 100, 4096, 5000, 2_000_000, -4161, -4160, -1])
def test_a_truncated_pipe_never_ends_with_0(
    program: Program, noise: bytes, key: RootKey, cut: int
) -> None:
    sealed = seal_bytes(noise, key=key)
    run = program("open", *KEY, "-", "-o", "-", data=sealed[:cut], code=13)
    assert noise.startswith(run.out)
    assert len(run.out) < len(noise) or cut < 0


def test_what_follows_the_end_is_damage(program: Program, key: RootKey) -> None:
    sealed = seal_bytes(b"data", key=key)
    run = program("open", *KEY, "-", "-o", "-", data=sealed + b"\0", code=13)
    assert "followed by other data" in run.err


def test_frames_go_out_as_each_verifies(program: Program, tmp_path: Path, key: RootKey) -> None:
    """A frame is known not to be the last with one byte more than a frame and a trailer."""
    block = os.urandom(8 * 2**20)
    sealed = seal_bytes(block, key=key)
    enough = 4096 + 2**20 + 4160 + 1
    process = program.start(
        "open", *KEY, "-", "-o", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        feeder = threading.Thread(target=process.stdin.write, args=(sealed[:enough],))
        feeder.start()
        begun = b""
        while len(begun) < CHUNK:
            begun += process.stdout.read(CHUNK)
        feeder.join()
        rest, _ = process.communicate(sealed[enough:], timeout=30)
    assert process.returncode == 0
    assert begun + rest == block


def test_a_gibibyte_goes_through_pipes_in_constant_memory(program: Program, tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    source = subprocess.Popen([sys.executable, "-c", SOURCE, str(GIB)], stdout=pipe)
    seal = program.measured(tmp_path / "seal.kib").start(
        "seal", *KEY, "--level", "0", "-", "-o", "-", stdin=source.stdout, stdout=pipe
    )
    open_ = program.measured(tmp_path / "open.kib").start(
        "open", *KEY, "-", "-o", "-", stdin=seal.stdout, stdout=pipe
    )
    sink = subprocess.Popen([sys.executable, "-c", SINK, str(GIB)], stdin=open_.stdout)
    for process in (source, seal, open_):
        assert process.stdout is not None
        process.stdout.close()
    assert [process.wait() for process in (source, seal, open_, sink)] == [0] * 4
    for verb in ("seal", "open"):
        assert int((tmp_path / f"{verb}.kib").read_text()) < MEMORY_MAX_KIB


def test_compressed_data_opens_in_constant_memory(
    program: Program, tmp_path: Path, key: RootKey
) -> None:
    (tmp_path / "zeros").touch()
    os.truncate(tmp_path / "zeros", GIB // 4)
    seal_file(tmp_path / "zeros", tmp_path / "s", key=key, pad=False)
    assert (tmp_path / "s").stat().st_size < GIB // 1000
    measured = program.measured(tmp_path / "open.kib")
    measured("open", *KEY, "s", "-o", "-", stdout=subprocess.DEVNULL)
    assert int((tmp_path / "open.kib").read_text()) < MEMORY_MAX_KIB
