"""Trees that are hard to back up: odd names, deep folders, huge and strange files."""

from __future__ import annotations

import os
import random
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from c.toolchain import ROOT
from faults.injected import Driver
from faults.library import Library, assert_same, look
from program import PATIENCE
from strongroom import StrongroomError
from strongroom.manifest.entry import FIFO, FILE, FOLDER

MIB = 2**20
PEAK_MAX_KIB = 200 * 1024


def round_trip(library: Library, target: Path) -> Path:
    """Back up the tree twice, bring it back, and compare what can be compared; where it is."""
    expected = look(library.tree)
    first = library.back_up()
    assert_same(library.held(first), expected)
    assert library.back_up().new_bytes == 0
    library.restore(None, target)
    tree = library.restored(target)
    assert_same(look(tree), expected)
    return tree


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9",
        b"\xff\xfe\x80",
        b"line\nbreak\r\n",
        b"tab\tand\x1b[31mred\x7f",
        b"n" * 255,
        "\N{SNOWMAN}".encode() * 85,
        b" leading and trailing ",
        b"-rf",
        b"*?[a]{b}",
        b"\\back\\slash",
        b"...",
        b"con",
    ],
    ids=lambda name: repr(name)[:20],
)
def test_any_name_comes_back(library: Library, tmp_path: Path, name: bytes) -> None:
    top = os.fsencode(library.tree)
    os.mkdir(top + b"/folder")
    for path in (name, b"folder/" + name):
        with open(top + b"/" + path, "wb") as file:
            file.write(name)
    os.symlink(name, top + b"/folder/link")
    os.mkdir(top + b"/folder/" + name[:-1] + b"d")
    round_trip(library, tmp_path / "out")


def test_odd_names_are_shown_without_harm(library: Library, faulty: Driver) -> None:
    top = os.fsencode(library.tree)
    for name in (b"caf\xe9", b"line\nbreak", b"\x1b[31mred"):
        with open(top + b"/" + name, "wb") as file:
            file.write(name)
    faulty.program(library.base, "backup", library.tree)
    for words in (("ls", "latest"), ("ls", "latest", "--json")):
        run = faulty.program(library.base, *words)
        assert b"\x1b" not in run.out
    assert len(run.lines) >= 4


def make_deep(tree: Path, part: str, depth: int) -> None:
    """Folders in each other, and a file in the last one."""
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(part, dir_fd=fd)
        inner = os.open(part, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    file = os.open("file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd)
    os.write(file, b"at the bottom")
    os.close(file)
    os.close(fd)


def read_deep(tree: Path, part: str, depth: int) -> bytes:
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(depth):
        inner = os.open(part, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    file = os.open("file", os.O_RDONLY, dir_fd=fd)
    content = os.read(file, 100)
    os.close(file)
    os.close(fd)
    return content


@pytest.mark.parametrize(
    ("part", "depth"),
    [("d", 200), ("d" * 250, 16), ("d" * 200, 40), ("deep", 400)],
    ids=["200 levels", "4,000 characters", "8,000 characters", "400 levels"],
)
def test_deep_folders_come_back(library: Library, tmp_path: Path, part: str, depth: int) -> None:
    make_deep(library.tree, part, depth)
    snapshot = library.back_up()
    assert snapshot.entries > depth
    assert library.back_up().new_bytes == 0
    library.restore(None, tmp_path / "out")
    assert read_deep(library.restored(tmp_path / "out"), part, depth) == b"at the bottom"
    result, found = library.verify()
    assert found == []
    assert result.files == 2


# VmHWM, because ru_maxrss of what is started from a large process is large from the beginning.
WORK = """
import sys
from pathlib import Path
from faults.library import Library
library = Library(Path(sys.argv[1]), threads=None)
library.back_up()
library.back_up()
library.restore(None, Path(sys.argv[2]))
result, found = library.verify()
assert not found
status = dict(line.split(":", 1) for line in Path("/proc/self/status").open())
print(status["VmHWM"].split()[0], result.files)
"""


def measured(library: Library, target: Path) -> tuple[int, int]:
    """Peak memory in KiB of two backups, a restore and a verify; files that verify saw."""
    paths = [str(ROOT / "tests"), str(ROOT), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", WORK, library.base, target],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak, files = map(int, done.stdout.split())
    return peak, files


def test_a_hundred_thousand_files_in_one_folder_fit_in_memory(
    library: Library, tmp_path: Path
) -> None:
    count = 100_000
    fd = os.open(library.tree, os.O_RDONLY)
    for n in range(count):
        # Empty ones are as many entries, and no time of the disk's.
        os.close(os.open(f"{n:06}", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd))
    os.close(fd)
    peak, files = measured(library, tmp_path / "out")
    assert files == 2 * count
    assert len(os.listdir(library.restored(tmp_path / "out"))) == count
    assert peak < PEAK_MAX_KIB, peak


def test_a_file_that_claims_exbibytes_is_named_and_the_rest_saved(library: Library) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # few file systems allow it
        top = Path(folder)
        (top / "small").write_bytes(b"saved all the same")
        with (top / "huge").open("wb") as file:
            file.truncate(2**63 - 4096)
        errors: list[StrongroomError] = []
        snapshot = library.back_up(path=top, errors=errors)
        assert [str(error) for error in errors] == [f"reading {top}/huge: File too large"]
    assert (snapshot.files, snapshot.bytes) == (1, 18)


def test_a_huge_sparse_file_keeps_its_holes(library: Library, tmp_path: Path) -> None:
    """2 GiB, of which 3 MiB and a bit are there."""
    noise, size = random.Random(3).randbytes(MIB), 2048 * MIB + 12345
    with (library.tree / "sparse").open("wb") as file:
        for at in (0, 700 * MIB + 4096, size - 2 * MIB):
            file.seek(at)
            file.write(noise)
        file.truncate(size)
    if (library.tree / "sparse").stat().st_blocks * 512 > 16 * MIB:
        pytest.skip("no sparse files here")
    peak, _ = measured(library, tmp_path / "out")
    assert peak < PEAK_MAX_KIB, peak
    restored = library.restored(tmp_path / "out") / "sparse"
    status = restored.stat()
    assert status.st_size == size
    assert status.st_blocks * 512 <= 16 * MIB
    with restored.open("rb") as file:
        for at in (0, 700 * MIB + 4096, size - 2 * MIB):
            file.seek(at)
            assert file.read(MIB) == noise
        file.seek(300 * MIB)
        assert not any(file.read(MIB))
    assert sum(path.stat().st_size for path in library.segments()) < 8 * MIB


def test_hard_links_are_one_file_again(library: Library, tmp_path: Path) -> None:
    (library.tree / "a").write_bytes(b"one file" * 1000)
    (library.tree / "b").mkdir()
    for name in ("b/one", "b/two", "c"):
        os.link(library.tree / "a", library.tree / name)
    (library.tree / "alone").write_bytes(b"one file" * 1000)
    (library.tree / "nothing").touch()
    os.link(library.tree / "nothing", library.tree / "nothing 2")
    tree = round_trip(library, tmp_path / "out")
    inodes = {(tree / name).stat().st_ino for name in ("a", "b/one", "b/two", "c")}
    assert len(inodes) == 1
    assert (tree / "a").stat().st_nlink == 4
    assert (tree / "alone").stat().st_nlink == 1


def test_links_that_lead_in_circles_or_nowhere_come_back(library: Library, tmp_path: Path) -> None:
    tree = library.tree
    (tree / "loop").symlink_to("loop")
    (tree / "up").symlink_to("..")
    (tree / "one").symlink_to("two")
    (tree / "two").symlink_to("one")
    (tree / "nowhere").symlink_to("/does/not/exist")
    (tree / "long").symlink_to("x/" * 2000 + "y")
    (tree / "folder").mkdir()
    (tree / "folder/here").symlink_to(".")
    round_trip(library, tmp_path / "out")


def test_pipes_come_back_and_sockets_are_left_out(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(library.tree / "pipe", 0o640)
    os.utime(library.tree / "pipe", ns=(5, 1_400_000_000_000_000_007))
    monkeypatch.chdir(library.tree)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        snapshot = library.back_up()
    assert snapshot.errors == 0
    library.restore(None, tmp_path / "out")
    tree = library.restored(tmp_path / "out")
    status = (tree / "pipe").lstat()
    assert stat.S_ISFIFO(status.st_mode)
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, 1_400_000_000_000_000_007)
    assert os.listdir(tree) == ["pipe"]


def test_attributes_come_back(library: Library, tmp_path: Path) -> None:
    tree = library.tree
    times = (-1, 0, 1, 999_999_999, 1_700_000_000_123_456_789, 2**33 * 10**9 + 1)
    for number, mtime in enumerate(times):
        (tree / f"{number}").write_bytes(b"x")
        os.utime(tree / f"{number}", ns=(0, mtime))
    for mode in (0o000, 0o400, 0o777, 0o4755, 0o2755, 0o1644):
        (tree / f"mode {mode:o}").write_bytes(b"x")
        (tree / f"mode {mode:o}").chmod(mode)
    (tree / "sticky").mkdir()
    (tree / "sticky").chmod(0o3777)
    os.symlink("x", tree / "link")
    os.utime(tree / "link", ns=(0, 1_234_567_890_123_456_789), follow_symlinks=False)
    if os.geteuid() == 0:
        found = round_trip(library, tmp_path / "out")
        os.chown(tree / "0", 12345, 54321)
        os.chown(tree / "link", 12345, 54321, follow_symlinks=False)
        library.back_up()
        library.restore(None, tmp_path / "owned")
        found = library.restored(tmp_path / "owned")
        for name in ("0", "link"):
            status = (found / name).lstat()
            assert (status.st_uid, status.st_gid) == (12345, 54321)
    else:
        for path in tree.glob("mode *"):
            path.chmod(path.stat().st_mode | 0o400)
        round_trip(library, tmp_path / "out")


def test_extended_attributes_come_back(library: Library, tmp_path: Path) -> None:
    path = library.tree / "file"
    path.write_bytes(b"x")
    try:
        os.setxattr(path, "user.name", b"value\0\xff")
    except OSError:
        pytest.skip("no extended attributes here")
    os.setxattr(path, "user.empty", b"")
    os.setxattr(path, "user.long", b"v" * 2000)
    os.setxattr(library.tree, "user.top", b"1")
    tree = round_trip(library, tmp_path / "out")
    for name in ("user.name", "user.empty", "user.long"):
        assert os.getxattr(tree / "file", name) == os.getxattr(path, name)
    assert sorted(os.listxattr(tree / "file")) == sorted(os.listxattr(path))
    assert os.getxattr(tree, "user.top") == b"1"


def test_what_is_in_read_only_folders_comes_back(
    library: Library, tmp_path: Path, powerless: tuple[str, ...], faulty: Driver
) -> None:
    """Also for one whom modes concern, and once more on top of itself."""
    for name in ("closed/inner", "closed/second"):
        (library.tree / name).mkdir(parents=True)
        (library.tree / name / "file").write_bytes(b"within")
    for name in ("closed/inner", "closed"):
        (library.tree / name).chmod(0o555)
    expected = look(library.tree)
    library.back_up()
    for overwrite in ("refuse", "always", "if-newer"):
        as_somebody(powerless, library, tmp_path / "out", overwrite)
        assert_same(look(library.restored(tmp_path / "out")), expected)


RESTORE = """
import sys
from pathlib import Path
from faults.library import Library
from strongroom.ops.overwrite import Overwrite
Library(Path(sys.argv[1])).restore(None, Path(sys.argv[2]), overwrite=Overwrite(sys.argv[3]))
"""

BACK_UP = """
import sys
from pathlib import Path
from faults.library import Library
errors = []
snapshot = Library(Path(sys.argv[1])).back_up(errors=errors)
assert snapshot.errors == len(errors)
print(*sorted(map(str, errors)), sep="\\n")
"""


def as_somebody(prefix: tuple[str, ...], library: Library, *words: str | Path) -> str:
    """Restore, or without words back up, in a process for which modes count."""
    script = RESTORE if words else BACK_UP
    paths = [str(ROOT / "tests"), str(ROOT), *sys.path]
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script, library.base, *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("limit", [256, 128])
def test_a_restore_makes_do_with_few_descriptors(
    library: Library, tmp_path: Path, limit: int
) -> None:
    for number in range(2000):
        path = library.tree / str(number % 9) / str(number % 630) / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    library.back_up()
    as_somebody(("prlimit", f"--nofile={limit}"), library, tmp_path / "out", "refuse")
    assert_same(look(library.restored(tmp_path / "out")), look(library.tree))


def test_what_cannot_be_read_is_named_and_the_rest_saved(
    library: Library, powerless: tuple[str, ...]
) -> None:
    for name in ("good", "secret"):
        (library.tree / name).write_bytes(name.encode())
    for name in ("closed", "blind"):
        (library.tree / name).mkdir()
        (library.tree / name / "file").write_bytes(b"within")
    (library.tree / "secret").chmod(0)
    (library.tree / "closed").chmod(0)
    (library.tree / "blind").chmod(0o444)
    told = as_somebody(powerless, library).splitlines()
    top, denied = library.tree.resolve(), "Permission denied"
    assert told == [
        f"reading {top}/blind/file: {denied}",
        f"reading {top}/closed: {denied}",
        f"reading {top}/secret: {denied}",
    ]
    held = library.held(library.snapshots()[-1])
    assert held.keys() == {b"good", b"closed", b"blind"}
    (library.tree / "secret").chmod(0o600)
    (library.tree / "closed").chmod(0o700)
    (library.tree / "blind").chmod(0o700)
    assert_same(library.held(library.back_up()), look(library.tree))


def test_a_repository_that_is_read_only_can_be_restored_from(
    library: Library, tmp_path: Path, powerless: tuple[str, ...]
) -> None:
    (library.tree / "file").write_bytes(b"content")
    library.back_up()
    expected = look(library.tree)
    for folder, _, _ in os.walk(library.folder):
        Path(folder).chmod(0o555)
    library.cache.chmod(0o555)
    as_somebody(powerless, library, tmp_path / "out", "refuse")
    assert_same(look(library.restored(tmp_path / "out")), expected)
    with pytest.raises(AssertionError, match=r"TargetError.*Permission denied"):
        as_somebody(powerless, library)
    for folder, _, _ in os.walk(library.folder):
        Path(folder).chmod(0o755)
    assert library.scrub() == []


def test_files_that_change_while_they_are_read_are_named(library: Library) -> None:
    """Kept as they were read, or not at all; the next backup has them right."""
    path = library.tree / "log"
    path.write_bytes(random.Random(1).randbytes(30 * MIB))
    writer = subprocess.Popen(
        [sys.executable, "-c", "import sys\nwhile 1: open(sys.argv[1], 'ab').write(b'x')", path]
    )
    try:
        while path.stat().st_size == 30 * MIB:
            pass
        errors: list[StrongroomError] = []
        snapshot = library.back_up(errors=errors)
    finally:
        writer.kill()
        writer.wait()
    assert [str(error) for error in errors] == [f"reading {path}: it changed while it was read"]
    assert snapshot.errors == 1
    held = library.held(snapshot)
    assert path.read_bytes().startswith(held[b"log"].data[: 30 * MIB])
    again = library.back_up()
    assert_same(library.held(again), look(library.tree))


def test_every_type_of_entry_is_told(library: Library, tmp_path: Path, faulty: Driver) -> None:
    (library.tree / "file").write_bytes(b"x")
    (library.tree / "folder").mkdir()
    os.mkfifo(library.tree / "pipe")
    faulty.program(library.base, "backup", library.tree)
    with library.open() as repository:
        types = {
            entry.path.rpartition(b"/")[2]: entry.type for entry in repository.snapshot().entries()
        }
    assert (types[b"file"], types[b"folder"], types[b"pipe"]) == (FILE, FOLDER, FIFO)
