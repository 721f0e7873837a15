"""Descriptors, names and folders as they are on bad days."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from program import PATIENCE, STRONGROOM, Program
from strongroom import RootKey, seal_bytes

KEY = ("--key-file", "my.key")


def shell(program: Program, line: str) -> tuple[int, str]:
    """strongroom within a line of sh, which can close descriptors."""
    path = f"{STRONGROOM.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=program.folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_a_closed_stderr_is_no_reason_to_fail(program: Program) -> None:
    (program.folder / "a").write_bytes(b"data")
    code, _ = shell(program, "strongroom seal --key-file my.key a -o b 2>&-")
    assert code == 0
    assert (program.folder / "b").exists()


def test_a_full_stderr_does_not_change_the_exit_code(program: Program, key: RootKey) -> None:
    (program.folder / "bad").write_bytes(seal_bytes(b"data", key=key)[:-1])
    code, _ = shell(program, "strongroom scrub bad 2>/dev/full")
    assert code == 13
    (program.folder / "my.key").chmod(0o644)  # a warning nobody hears
    (program.folder / "a").write_bytes(b"data")
    code, _ = shell(program, "strongroom seal --key-file my.key a -o b 2>/dev/full")
    assert code == 0


@pytest.mark.parametrize("verb", ["keygen", "info", "seal --json --key-file my.key my.key -o x"])
def test_a_closed_stdout_that_is_needed_is_an_error(program: Program, verb: str) -> None:
    code, said = shell(program, f"strongroom {verb} >&-")
    assert code == 1
    assert "standard output" in said


def test_a_socket_that_nobody_reads_does_not_keep_an_interrupted_run(program: Program) -> None:
    (program.folder / "a").write_bytes(os.urandom(8 << 20))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        run = program.start(
            "seal", *KEY, "a", "-o", "-", stdout=theirs.fileno(), stderr=subprocess.DEVNULL
        )
        time.sleep(1.5)  # it fills the socket and waits
        run.send_signal(2)
        assert run.wait(timeout=20) == 130


def test_a_nonblocking_standard_input_is_waited_for(program: Program, key: RootKey) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def feed() -> None:
        time.sleep(0.7)
        with open(writing, "wb") as pipe:  # noqa: PTH123  # a descriptor
            pipe.write(seal_bytes(b"data", key=key))

    feeder = threading.Thread(target=feed)
    feeder.start()
    run = program("scrub", "-", stdin=reading)
    feeder.join()
    os.close(reading)
    assert "consistent" in run.err


def test_a_current_folder_that_is_gone_is_named(program: Program) -> None:
    gone = "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')"
    gone += "; os.execvp(sys.argv[1], sys.argv[1:])"
    elsewhere = program.under(sys.executable, "-c", gone)
    run = elsewhere("init", "-r", "repo", "--key-file", program.folder / "my.key", code=1)
    assert "error: .: No such file or directory" in run.err


def test_a_file_named_dash_is_not_a_pipe(program: Program) -> None:
    (program.folder / "-").write_bytes(b"from the file")
    program("seal", *KEY, "./-", "-o", "x", data=b"from the pipe")
    assert program("open", *KEY, "x", "-o", "-").out == b"from the file"
    run = program("keygen", "-o", "./-", code=1)
    assert "exists" in run.err
    assert run.out == b""


@pytest.mark.parametrize("words", [["", "-o", "x"], ["my.key", "-o", ""]])
def test_an_empty_path_is_refused(program: Program, words: list[str]) -> None:
    assert "an empty path" in program("seal", *KEY, *words, code=2).err


def test_outputs_may_be_named_by_descriptor(program: Program, key: RootKey) -> None:
    (program.folder / "s").write_bytes(seal_bytes(b"twelve bytes", key=key))
    code, _ = shell(program, "strongroom open --key-file my.key s -o /dev/stdout | grep -q twelve")
    assert code == 0


def test_names_may_be_as_long_as_the_file_system_allows(program: Program) -> None:
    name = "日" * 85  # 255 bytes
    program("seal", *KEY, "my.key", "-o", name)
    program("seal", *KEY, "my.key", "-o", name, "--force")
    assert (program.folder / name).exists()


def test_a_secret_is_not_read_from_the_data(program: Program) -> None:
    for secret in ("--password-file", "--key-file"):
        run = program("seal", secret, "/dev/stdin", "-", "-o", "x", data=b"secret\ndata", code=2)
        assert "cannot both be standard input" in run.err
    named = program.with_env(STRONGROOM_PASSWORD_FILE="/dev/stdin")
    assert "cannot both" in named("seal", "-", "-o", "x", data=b"secret\ndata", code=2).err


@pytest.mark.parametrize("content", [b"\xff\xfe0\x001\x00", os.urandom(70_000)])
def test_a_key_file_that_holds_no_key_is_a_wrong_key(program: Program, content: bytes) -> None:
    (program.folder / "no.key").write_bytes(content)
    code = 12 if len(content) < 65536 else 2
    program("seal", "--key-file", "no.key", "my.key", "-o", "x", code=code)


def test_a_key_file_may_begin_with_a_byte_order_mark(program: Program, key: RootKey) -> None:
    (program.folder / "bom.key").write_bytes(b"\xef\xbb\xbf" + key.to_digits().encode() + b"\r\n")
    program("seal", "--key-file", "bom.key", "my.key", "-o", "x")


def test_a_descriptor_beyond_all_numbers_is_refused(program: Program) -> None:
    program("seal", "--password-fd", "4294967296", "my.key", "-o", "x", code=2)


def test_folders_may_be_nested_deeper_than_calls(program: Program) -> None:
    here = os.open(program.folder, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    try:
        run = program("seal", *KEY, "d", "-o", "out", code=1)
    finally:
        # Deeper than pytest could clean up itself.
        subprocess.run(["rm", "-rf", program.folder / "d"], check=True)
    assert "found no file" in run.err


def test_many_names_are_looked_up_quickly(program: Program) -> None:
    names = [f"n{number}.sealed" for number in range(6000)]
    begun = time.monotonic()
    program("scrub", *names, code=3)
    assert time.monotonic() - begun < 15  # comparing each with each took a minute


def test_interrupting_the_start_leaves_no_traceback(program: Program) -> None:
    for delay in (0.02, 0.05, 0.08, 0.11, 0.14):
        run = program.start("--help", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(delay)
        run.send_signal(2)
        said = run.communicate(timeout=20)[1].decode()
        # Before Python has begun, and while it starts itself, nobody can answer but Python.
        assert "strongroom/cli" not in said
        assert run.returncode in (0, 1, 130, -2)


def test_the_module_is_the_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "strongroom", "--version"], capture_output=True, check=True
    )
    assert done.stdout.startswith(b"strongroom ")
