"""Every exit code of docs/ERRORS.md that these verbs can end with, and the voice of errors."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey, seal_bytes

KEY = ("--key-file", "my.key")


@pytest.fixture
def folder(tmp_path: Path, key: RootKey) -> Path:
    sealed = seal_bytes(b"data", key=key)
    newer = sealed[:9] + b"\2" + sealed[10:4064]
    (tmp_path / "good").write_bytes(sealed)
    (tmp_path / "other").write_bytes(seal_bytes(b"data", key=RootKey.generate()))
    (tmp_path / "damaged").write_bytes(sealed[:7000] + b"XX" + sealed[7002:])
    (tmp_path / "newer").write_bytes(newer + hashlib.sha256(newer).digest() + sealed[4096:])
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to("nowhere")
    return tmp_path


CODES = [
    (0, ["open", *KEY, "good", "-o", "out"]),
    (0, ["scrub", "good"]),
    (0, ["--help"]),
    (0, ["seal", "--help"]),
    (1, ["open", *KEY, "gone", "-o", "out"]),
    (1, ["open", *KEY, "good", "-o", "damaged"]),
    (1, ["open", *KEY, "good", "-o", "nowhere/out"]),
    (1, ["seal", *KEY, "good", "-o", "tree/../tree/link/x"]),
    (2, []),
    (2, ["unseal"]),
    (2, ["seal"]),
    (2, ["seal", *KEY, "good"]),
    (2, ["seal", *KEY, "good", "-o", "out", "--nonsense"]),
    (2, ["seal", *KEY, "good", "-o", "good"]),
    (2, ["scrub"]),
    (3, ["seal", *KEY, "tree", "-o", "out"]),
    (12, ["open", *KEY, "other", "-o", "out"]),
    (13, ["open", *KEY, "damaged", "-o", "out"]),
    (13, ["open", *KEY, "my.key", "-o", "out"]),
    (13, ["scrub", "damaged"]),
    (13, ["scrub", "my.key"]),
    (13, ["info", "my.key"]),
    (14, ["open", *KEY, "newer", "-o", "out"]),
    (14, ["scrub", "newer"]),
    (14, ["info", "newer"]),
]


@pytest.mark.parametrize(("code", "words"), CODES, ids=str)
def test_exit_codes_are_as_documented(
    program: Program, folder: Path, code: int, words: list[str]
) -> None:
    before = sorted(os.listdir(folder))  # noqa: PTH208
    run = program(*words, code=code)
    assert run.err.startswith("strongroom: error: ") or code == 0 or not words or "Usage" in run.err
    if code not in (0, 3):
        assert run.out == b""
        assert sorted(os.listdir(folder)) == before  # noqa: PTH208


OF_EACH_KIND = [(code, words) for code, words in CODES if words[-1:] in (["out"], ["damaged"])]


@pytest.mark.parametrize(("code", "words"), OF_EACH_KIND, ids=str)
def test_json_keeps_standard_output_clean_whatever_happens(
    program: Program, folder: Path, code: int, words: list[str]
) -> None:
    run = program(*words, "--json", "-v", code=code)
    assert all(run.lines)
    assert bool(run.lines) == (code in (0, 3))


def test_errors_say_what_was_done_to_what_and_what_next(program: Program, folder: Path) -> None:
    run = program("open", *KEY, "other", "-o", "out", code=12)
    assert run.err == (
        "strongroom: error: opening other: wrong key, or the envelope was altered\n"
        "strongroom: hint: check that this is the key or password it was sealed with\n"
    )
    run = program("open", *KEY, "damaged", "-o", "out", code=13)
    assert run.err == (
        "strongroom: error: opening damaged: frame 0: authentication failed\n"
        "strongroom: hint: the copy is damaged or was altered; try another copy\n"
    )
    run = program("seal", *KEY, "good", code=2)
    assert run.err == (
        "strongroom: error: Missing option '-o' / '--output'.\n"
        'strongroom: hint: see "strongroom seal --help"\n'
    )


def test_q_silences_all_but_errors(program: Program, folder: Path) -> None:
    assert program("scrub", "-q", "good").err == ""
    assert program("scrub", "-q", "damaged", code=13).err != ""


def test_v_says_more(program: Program, folder: Path) -> None:
    assert "out: root " in program("open", *KEY, "-v", "good", "-o", "out").err


@pytest.mark.parametrize("verb", ["keygen", "seal", "open", "scrub", "info"])
def test_help_shows_an_example(program: Program, verb: str) -> None:
    assert f"strongroom {verb} " in program(verb, "--help").out.decode().split("Options:")[0]


def test_help_lists_verbs_and_exit_codes(program: Program) -> None:
    words = " ".join(program("--help").out.decode().split())
    for word in ("keygen", "seal", "open", "scrub", "info", "130 interrupted"):
        assert word in words
    assert program("--version").out.startswith(b"strongroom 0.")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("re", {"repair", "restore", "rebuild-index"}),
        ("key ch", {"change-password", "check"}),
        ("restore --over", {"--overwrite"}),
        ("restore --overwrite ", {"never", "if-newer", "always"}),
        ("restore --target a/b", {"a/b"}),
        ("backup -r a", {"a"}),
        ("backup -r a --exclude x Pic", {"Pic"}),
        ("scrub -r ../v", {"../v"}),
        ("info -r v", {"v"}),
        ("repair --from-source P", {"P"}),
    ],
)
def test_verbs_options_and_files_complete(program: Program, typed: str, offered: set[str]) -> None:
    program = program.with_env(
        _STRONGROOM_COMPLETE="bash_complete",
        COMP_WORDS=f"strongroom {typed}",
        COMP_CWORD=str(len(typed.split(" "))),
    )
    lines = [line.split(",") for line in program().out.decode().splitlines()]
    assert {value for _, value in lines} == offered
    last = typed.rsplit(" ", maxsplit=1)[-1]
    assert {kind for kind, _ in lines} == {"file" if last in offered else "plain"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_be_told_to_complete(program: Program, shell: str) -> None:
    script = program.with_env(_STRONGROOM_COMPLETE=f"{shell}_source")().out
    assert b"strongroom" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, check=True)


# --- Interruptions ---


@pytest.mark.parametrize("verb", ["seal", "open"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_nothing_behind(
    program: Program, tmp_path: Path, key: RootKey, verb: str, number: int, code: int
) -> None:
    """The input is a pipe that nobody fills, so the work is certainly unfinished."""
    sealed = seal_bytes(os.urandom(2 * 2**20), key=key)
    process = program.start(
        verb, *KEY, "-", "-o", "out", stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdin is not None
        process.stdin.write(sealed[: 2**20])
        process.stdin.flush()
        _wait_until_read(process, tmp_path)
        begun = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert time.monotonic() - begun < 5
    assert process.returncode == code
    assert b"Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["my.key"]


def _wait_until_read(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Until the program has its output open, a file without a name below folder."""
    fds = Path(f"/proc/{process.pid}/fd")
    for _ in range(500):
        with contextlib.suppress(OSError):
            opened = [str(fd.readlink()) for fd in fds.iterdir()]
            if any(name.startswith(str(folder)) and "/#" in name for name in opened):
                return
        time.sleep(0.02)
    raise AssertionError("the output was never opened")


def test_what_nohup_ignores_stays_ignored(program: Program, tmp_path: Path) -> None:
    process = program.under("nohup").start(
        "seal",
        *(*KEY, "-", "-o", "out"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        _wait_until_read(process, tmp_path)
        process.send_signal(signal.SIGHUP)
        process.communicate(b"data", timeout=20)
    assert process.returncode == 0
    assert (tmp_path / "out").exists()


def test_a_batch_stops_at_an_interruption(program: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("1", "2", "3"):
        (tmp_path / "in" / name).touch()
        os.truncate(tmp_path / "in" / name, 2**33)
    process = program.start("seal", *KEY, "--level", "0", "in", "-o", "out", stderr=subprocess.PIPE)
    with process:
        _wait_until_read(process, tmp_path)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.strip() == b"strongroom: interrupted"
    assert list((tmp_path / "out").iterdir()) == []
