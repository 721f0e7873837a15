"""Outputs that fail, and the promise that nothing half-written is left behind."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from program import Program
from strongroom import (
    RootKey,
    TargetError,
    TargetExistsError,
    UsageError,
    open_file,
    seal_bytes,
    seal_file,
)

KEY = ("--key-file", "my.key")
MIB = 2**20


@pytest.fixture
def film(tmp_path: Path, noise: bytes) -> Path:
    path = tmp_path / "film"
    path.write_bytes(noise * 3)
    return path


@pytest.fixture
def sealed(film: Path, key: RootKey) -> Path:
    path = film.with_name("film.sealed")
    path.write_bytes(seal_bytes(film.read_bytes(), key=key))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("verb", "source"), [("seal", "film"), ("open", "film.sealed")])
def test_a_full_disk_is_named_and_left_clean(
    program: Program, sealed: Path, small_disk: tuple[str, ...], verb: str, source: str
) -> None:
    run = program.under(*small_disk)(verb, *KEY, source, "-o", "small/out", code=1)
    assert run.err == (
        f"strongroom: error: {verb}ing {source}: writing failed: No space left on device\n"
        "strongroom: hint: free some room there, or choose another place\n"
    )
    assert sealed.with_name("small.left").read_text() == ""


def test_a_full_disk_keeps_what_force_would_have_replaced(
    program: Program, sealed: Path, small_disk: tuple[str, ...]
) -> None:
    script = 'echo precious > small/out; "$@"; code=$?; cat small/out; exit $code'
    inside = program.under("sh", "-c", script, "sh").under(*small_disk)
    run = inside("seal", *KEY, "--force", "film", "-o", "small/out", code=1)
    assert run.out == b"precious\n"


def test_a_full_disk_fails_the_files_that_do_not_fit(
    program: Program, sealed: Path, small_disk: tuple[str, ...]
) -> None:
    (sealed.parent / "in").mkdir()
    sealed.rename(sealed.parent / "in/b")
    (sealed.parent / "in/a").write_bytes(b"small")
    (sealed.parent / "in/c").write_bytes(b"small")
    run = program.under(*small_disk)("seal", *KEY, "in", "-o", "small", code=3)
    assert "sealing in/b: writing failed: No space left on device" in run.err
    left = sealed.with_name("small.left").read_text()
    assert left.split() == ["a.sealed", "c.sealed"]


def test_a_full_disk_leaves_no_key(program: Program, small_disk: tuple[str, ...]) -> None:
    script = 'head -c 5m /dev/zero > small/fill 2>&-; "$@"; code=$?; rm small/fill; exit $code'
    inside = program.under("sh", "-c", script, "sh").under(*small_disk)
    run = inside("keygen", "-o", "small/new.key", code=1)
    assert "writing the key to small/new.key: No space left on device" in run.err
    assert (program.folder / "small.left").read_text() == ""


@pytest.mark.parametrize(("verb", "source"), [("seal", "film"), ("open", "film.sealed")])
def test_a_device_that_is_full_is_named(
    program: Program, sealed: Path, verb: str, source: str
) -> None:
    run = program(verb, *KEY, source, "-o", "/dev/full", code=1)
    assert "writing failed: No space left on device" in run.err
    with Path("/dev/full").open("wb") as full:
        run = program(verb, *KEY, source, "-o", "-", code=1, stdout=full)
    assert "writing failed: No space left on device" in run.err


def test_words_that_cannot_be_written_are_an_error(program: Program, sealed: Path) -> None:
    for words in (["keygen"], ["info"], ["scrub", "--json", "film.sealed"], ["--help"]):
        with Path("/dev/full").open("wb") as full:
            run = program(*words, code=1, stdout=full)
        assert "writing to standard output: No space left on device" in run.err


def test_a_limit_on_file_sizes_is_named(program: Program, sealed: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, 2 * MIB))

    before = names(sealed.parent)
    run = program("seal", *KEY, "film", "-o", "out", code=1, preexec_fn=limit)
    assert "sealing film: writing failed: File too large" in run.err
    assert names(sealed.parent) == before


@pytest.mark.parametrize(("verb", "source"), [("seal", "film"), ("open", "film.sealed")])
def test_a_closed_pipe_is_named(program: Program, sealed: Path, verb: str, source: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        run = program(verb, *KEY, source, "-o", "-", code=1, stdout=writer)
    finally:
        os.close(writer)
    assert f"{verb}ing {source}: writing failed: Broken pipe" in run.err


def test_a_reader_that_leaves_ends_json_quietly(program: Program, sealed: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        run = program("scrub", "--json", "film.sealed", "-q", code=1, stdout=writer)
    finally:
        os.close(writer)
    assert run.err.count("\n") <= 1


@pytest.mark.parametrize("target", ["nowhere/out", "film.sealed/out", "loop", "x" * 300])
def test_targets_that_cannot_be_are_named(sealed: Path, key: RootKey, target: str) -> None:
    sealed.with_name("loop").symlink_to("loop")
    before = names(sealed.parent)
    with pytest.raises(TargetError, match=r"sealing .*film: "):
        seal_file(sealed.with_name("film"), sealed.parent / target, key=key)
    assert names(sealed.parent) == before


def test_a_folder_as_target_is_named(sealed: Path, key: RootKey, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for overwrite in (False, True):
        with pytest.raises(TargetError, match="there is a directory"):
            seal_file(sealed, tmp_path / "there", key=key, overwrite=overwrite)


def test_a_folder_without_permission_is_named(
    program: Program, sealed: Path, powerless: tuple[str, ...]
) -> None:
    (sealed.parent / "closed").mkdir(mode=0o500)
    run = program.under(*powerless)("seal", *KEY, "film", "-o", "closed/out", code=1)
    assert "closed/out: Permission denied" in run.err


def test_an_output_made_meanwhile_is_not_replaced(film: Path, key: RootKey) -> None:
    target = film.with_name("out")

    def another(_read: int, _written: int) -> None:
        target.write_bytes(b"another's")

    with pytest.raises(TargetExistsError, match="out exists"):
        seal_file(film, target, key=key, progress=another)
    assert target.read_bytes() == b"another's"
    assert names(film.parent) == ["film", "out"]


def test_an_output_made_meanwhile_is_replaced_when_asked(film: Path, key: RootKey) -> None:
    target = film.with_name("out")

    def another(_read: int, _written: int) -> None:
        target.write_bytes(b"another's")

    seal_file(film, target, key=key, overwrite=True, progress=another)
    assert target.stat().st_size > film.stat().st_size
    assert names(film.parent) == ["film", "out"]


def test_a_folder_that_disappears_is_named(film: Path, key: RootKey) -> None:
    folder = film.with_name("folder")
    folder.mkdir()
    with pytest.raises(TargetError, match="No such file or directory"):
        seal_file(film, folder / "out", key=key, progress=lambda _r, _w: _remove(folder))
    assert names(film.parent) == ["film"]


def _remove(folder: Path) -> None:
    if folder.exists():
        folder.rmdir()


@pytest.mark.parametrize("verb", ["seal", "open"])
@pytest.mark.parametrize(
    "raised", [ValueError("mine"), KeyboardInterrupt(), FileExistsError(17, "mine"), OSError("x")]
)
def test_what_a_progress_callback_raises_comes_out_and_leaves_nothing(
    sealed: Path, key: RootKey, verb: str, raised: BaseException
) -> None:
    def progress(_read: int, _written: int) -> None:
        raise raised

    before = names(sealed.parent)
    work, source = (seal_file, "film") if verb == "seal" else (open_file, "film.sealed")
    with pytest.raises(type(raised)) as caught:
        work(sealed.with_name(source), sealed.with_name("out"), key=key, progress=progress)
    assert caught.value is raised
    assert names(sealed.parent) == before


def test_progress_counts_up_to_the_whole(film: Path, key: RootKey) -> None:
    seen: list[tuple[int, int]] = []
    result = seal_file(
        film, film.with_name("s"), key=key, progress=lambda r, w: seen.append((r, w))
    )
    assert seen == sorted(seen)
    assert seen[-1] == (result.raw_bytes, result.stored_bytes)


# --- Killed at any moment ---


@pytest.mark.parametrize(("verb", "source"), [("seal", "endless"), ("open", "large.sealed")])
def test_kill_9_leaves_nothing_or_the_whole(
    program: Program, tmp_path: Path, key: RootKey, verb: str, source: str
) -> None:
    for name, size in (("endless", 2**36), ("large", 512 * MIB)):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, size)
    if verb == "open":
        seal_file(tmp_path / "large", tmp_path / "large.sealed", key=key, level=1)
    before = names(tmp_path)
    chance = random.Random(verb)
    unfinished = 0
    for _ in range(4):
        process = program.start(verb, *KEY, source, "-o", "out")
        time.sleep(chance.uniform(0.15, 0.6))
        process.kill()
        killed = process.wait() == -signal.SIGKILL
        if killed and not (tmp_path / "out").exists():
            unfinished += 1
        elif killed:  # so late that it had its name
            assert (tmp_path / "out").stat().st_size == 512 * MIB
        (tmp_path / "out").unlink(missing_ok=True)
        assert names(tmp_path) == before
    assert unfinished


def test_kill_9_keeps_the_output_that_force_replaces(program: Program, tmp_path: Path) -> None:
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 2**36)
    (tmp_path / "out").write_bytes(b"precious")
    process = program.start("seal", *KEY, "--level", "0", "--force", "large", "-o", "out")
    time.sleep(0.7)
    process.kill()
    process.wait()
    assert (tmp_path / "out").read_bytes() == b"precious"
    assert names(tmp_path) == ["large", "my.key", "out"]


# --- Without O_TMPFILE, and without /proc ---

WITHOUT_TMPFILE = """
import os, sys
del os.O_TMPFILE
from pathlib import Path
from strongroom import RootKey, TargetExistsError, open_file, seal_file
folder, key = Path(sys.argv[1]), RootKey(bytes(32))
seen = []
def look(read, written):
    seen.extend(os.listdir(folder))
seal_file(folder / "in", folder / "s", key=key, progress=look)
assert any(name.startswith(".") and name.endswith(".partial") for name in seen), seen
open_file(folder / "s", folder / "out", key=key)
assert (folder / "out").read_bytes() == (folder / "in").read_bytes()
def stop(read, written):
    (folder / "new").write_bytes(b"another's")
    if sys.argv[2] == "raise":
        raise KeyboardInterrupt
for overwrite in (False, True):
    try:
        seal_file(folder / "in", folder / "new", key=key, overwrite=overwrite, progress=stop)
    except (KeyboardInterrupt, TargetExistsError) as error:
        print(type(error).__name__)
print(*sorted(os.listdir(folder)))
print((folder / "new").stat().st_size)
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise", ["KeyboardInterrupt", "KeyboardInterrupt", "in new out s", "9"]),
        ("race", ["TargetExistsError", "in new out s", None]),
    ],
)
def test_without_nameless_files_a_neighbour_is_renamed(
    tmp_path: Path, how: str, said: list[str | None]
) -> None:
    (tmp_path / "in").write_bytes(b"data" * 10**6)
    run = [sys.executable, "-c", WITHOUT_TMPFILE, str(tmp_path), how]
    done = subprocess.run(run, capture_output=True, check=True, text=True)
    for line, expected in zip(done.stdout.splitlines(), said, strict=True):
        assert expected in (None, line)


def test_without_proc_files_are_made_all_the_same(
    program: Program, sealed: Path, own_mounts: tuple[str, ...]
) -> None:
    blind = program.under(*own_mounts, 'mount -t tmpfs none /proc && exec "$0" "$@"')
    blind("seal", *KEY, "film", "-o", "s")
    blind("open", *KEY, "s", "-o", "out")
    blind("seal", *KEY, "film", "-o", "s", code=1)
    blind("seal", *KEY, "film", "-o", "s", "--force")
    cut = sealed.with_name("cut")
    cut.write_bytes(sealed.read_bytes()[:-1])
    blind("open", *KEY, "cut", "-o", "never", code=13)
    assert sealed.with_name("out").read_bytes() == sealed.with_name("film").read_bytes()
    assert names(sealed.parent) == ["cut", "film", "film.sealed", "my.key", "out", "s"]


def test_the_source_is_never_the_target(film: Path, key: RootKey) -> None:
    before = film.read_bytes()
    os.link(film, film.with_name("hard"))
    film.with_name("soft").symlink_to(film)
    for name in ("film", "hard", "soft"):
        for overwrite in (False, True):
            with pytest.raises(UsageError, match="same file"):
                seal_file(film, film.with_name(name), key=key, overwrite=overwrite)
    assert film.read_bytes() == before
