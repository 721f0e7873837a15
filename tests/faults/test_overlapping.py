"""What is said to be done at the same time is: a call is held until the other one was begun."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import NamedTuple

import pytest

from c.toolchain import preloaded
from faults.library import ROOT, Library
from program import Program

SOURCE = Path(__file__).with_name("hold.c")
MIB = 2**20
PATIENCE_S = 20
NOT_MET = 70
"""How a run ends in which a call was held for longer."""


class Rule(NamedTuple):
    """The first call of a kind on what is below a path is held until another was begun. See
    hold.c."""

    held: str
    held_at: Path
    other: str
    other_at: Path


class Held(NamedTuple):
    """A library, and rules for the program on it."""

    library: Library
    rules: tuple[Rule, ...]

    def run(self, *words: str | Path, patience_s: int = PATIENCE_S, code: int = 0) -> None:
        """code 0: every rule must have come to hold a call."""
        base = self.library.base
        key, log = base / "key", base / "log"
        key.write_text(ROOT.to_digits())
        key.chmod(0o600)
        program = Program(base).with_env(
            LD_PRELOAD=str(preloaded(SOURCE)),
            HOLD="\n".join("\t".join(map(str, rule)) for rule in self.rules),
            HOLD_S=str(patience_s),
            HOLD_LOG=str(log),
            STRONGROOM_REPOSITORY=str(self.library.folder),
            XDG_CACHE_HOME=str(base / "caches"),
            XDG_STATE_HOME=str(base / "states"),
        )
        program(*words, "--key-file", key, code=code)
        met = sorted(map(int, log.read_text().split()))
        assert (met == list(range(len(self.rules)))) is (code == 0)


def put(library: Library, name: str, length: int) -> Path:
    path = library.tree / name
    path.write_bytes(random.Random(name).randbytes(length))
    return path


def put_folder(library: Library, name: str) -> Path:
    path = library.tree / name
    path.mkdir()
    (path / "file").write_bytes(b"some")
    return path


def test_the_walk_goes_on_while_files_are_read_and_they_while_it_does(library: Library) -> None:
    """A batch ends with each of the large files. Nothing of the first one is read before the walk
    has come to the third folder; and the walk gets no further before something is stored."""
    first = put(library, "1", 16 * MIB)
    put(library, "2", 0)
    os.truncate(library.tree / "2", 64 * MIB)
    third, fourth = put_folder(library, "3"), put_folder(library, "4")
    rules = (
        Rule("read", first, "list", third),
        Rule("list", fourth, "write", library.folder / "tmp"),
    )
    Held(library, rules).run("backup", "--threads", "1", library.tree)


@pytest.fixture
def two_files(library: Library) -> Held:
    """Nothing of the large one is read before something of it is stored, and nothing is stored
    before the next file is read, for which all of the large one is in somebody's hands."""
    first, second = put(library, "1", 9 * MIB), put(library, "2", MIB)
    rules = (
        Rule("read", first, "write", library.folder / "tmp"),
        Rule("write", library.folder / "tmp", "read", second),
    )
    return Held(library, rules)


def test_one_thread_reads_while_another_seals(two_files: Held) -> None:
    two_files.run("backup", "--threads", "2", two_files.library.tree)


def test_what_one_thread_does_alone_does_not_overlap(two_files: Held) -> None:
    words = ("backup", "--threads", "1", two_files.library.tree)
    two_files.run(*words, patience_s=1, code=NOT_MET)


def test_one_file_is_restored_by_several_threads(library: Library, tmp_path: Path) -> None:
    """No chunk of it is read before another one is, and none is written before another one is."""
    first = put(library, "1", 20 * MIB)
    library.back_up()
    (segment,) = (s for s in library.segments() if s.stat().st_size > 20 * MIB)
    target = tmp_path / "out"
    rules = (Rule("read", segment, "read", segment), Rule("write", target, "write", target))
    Held(library, rules).run("restore", "latest", "--target", target, "--threads", "2")
    assert (library.restored(target) / "1").read_bytes() == first.read_bytes()
