"""Checks that take more than one run: each goes on where the last one ended."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from pathlib import Path

import pytest

from strongroom import (
    CancelledError,
    Finding,
    Repository,
    RepositoryScrub,
    RootKey,
    UsageError,
    VerifyResult,
    scrub_repository,
)
from strongroom._core import CHUNK_LEN
from strongroom.ops import scrub_segments
from strongroom.repository.names import segment_name
from strongroom.repository.opened import OpenRepository
from strongroom.stores.local import LocalStore

KEY = RootKey(bytes(range(32)))
COUNT = 10


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of ten data segments, each with a chunk in one frame, and its directory in the
    next."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    with Repository.create("repo", key=KEY, state="state", cache="cache") as repository:
        for number in range(COUNT):
            grow(repository, number)
    return tmp_path


def grow(repository: Repository, number: int) -> None:
    Path("src", str(number)).write_bytes(random.Random(number).randbytes(CHUNK_LEN))
    repository.backup("src")


def verify(subset: float, found: list[Finding] | None = None) -> VerifyResult:
    with Repository.open("repo", key=KEY, state="state", cache="cache") as repository:
        return repository.verify(
            subset=subset, on_damage=(lambda _: None) if found is None else found.append
        )


def segments(kind: int) -> list[Path]:
    """In the order of their ids."""
    with OpenRepository(LocalStore(Path("repo")), KEY, cache=Path("c"), state=Path("s")) as opened:
        ids = sorted(s.id for s in opened.log.segments() if s.type == kind)
    return [Path("repo", segment_name(name)) for name in ids]


def flip(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([byte ^ 1]))


def test_subsets_go_round_and_read_everything_once() -> None:
    read = []
    for _ in range(5):
        result = verify(0.2)
        assert result.read is not None
        assert result.round is not None
        read.append((result.read.segments, result.round.segments))
        assert result.read.of_segments == result.round.of_segments == COUNT
    assert read == [(2, 2), (2, 4), (2, 6), (2, 8), (2, 10)]
    again = verify(0.2)
    assert again.round is not None
    assert again.round.segments == 2


def test_progress_ends_at_what_was_said_to_be_read(interrupted: None) -> None:
    """Of the part that is read, not of all there is: else the time left would be a lie."""
    for subset, data in ((0.3, False), (None, True), (None, False)):
        totals, read = list[int](), list[int]()
        with Repository.open("repo", key=KEY, state="state", cache="cache") as repository:
            found = repository.verify(
                subset=subset,
                data=data,
                on_total=totals.append,
                progress=lambda done, _, read=read: read.append(done),
            )
        assert read == sorted(read)
        assert read[-1] == totals[0]
        assert (totals[0] < found.stored_bytes) == (not data)
    totals, read = [], []
    scrub(resume=True, on_total=totals.append, progress=lambda done, _: read.append(done))
    assert 0 < read[-1] == totals[0]


def test_a_subset_reads_at_least_a_segment_and_at_most_all() -> None:
    first = verify(1e-9)
    assert first.read is not None
    assert (first.read.segments, first.damaged_files) == (1, 0)
    rest = verify(1.0)
    assert rest.read is not None
    assert rest.read.segments == COUNT - 1
    assert rest.round is not None
    assert rest.round.percent == 100
    for share in (0.0, -0.5, 1.5):
        with pytest.raises(UsageError):
            verify(share)


def test_damage_is_found_when_its_turn_has_come() -> None:
    flip(segments(2)[5])
    found: list[Finding] = []
    for number in range(5):
        assert (verify(0.2, found).damaged_segments > 0) == (number == 2)
    assert [f.segment for f in found if f.segment] == [bytes.fromhex(segments(2)[5].name)]


def test_what_was_added_meanwhile_belongs_to_the_next_round() -> None:
    verify(0.5)
    with Repository.open("repo", key=KEY, state="state", cache="cache") as repository:
        for number in range(COUNT, COUNT + 5):
            grow(repository, number)
    result = verify(1.0)
    assert result.round is not None
    assert (result.round.segments, result.round.of_segments) == (COUNT, COUNT)
    result = verify(1.0)
    assert result.read is not None
    assert result.read.segments == COUNT + 5


@pytest.mark.parametrize("harm", ["cut", "malformed", "unwritable"])
def test_what_cannot_be_remembered_is_told_and_begins_anew(harm: str) -> None:
    verify(0.5)
    (kept,) = Path("state/checks").glob("*.verify")
    if harm == "cut":
        os.truncate(kept, 20)
    elif harm == "malformed":
        line = b'{"version": 1, "begun": "then", "head": 1, "after": "zz", "damaged": 5}'
        kept.write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")
    else:
        kept.unlink()
        kept.parent.rmdir()
        kept.parent.write_text("in the way")
    notes: list[str] = []
    with Repository.open("repo", key=KEY, state="state", cache="cache") as repository:
        result = repository.verify(subset=0.5, on_note=notes.append)
    assert "anew" in notes[0]
    assert result.round is not None
    assert result.round.segments == 5


def scrub(**more: object) -> RepositoryScrub:
    return scrub_repository("repo", state="state", threads=1, **more)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrub that was cancelled after some segments."""
    monkeypatch.setattr(scrub_segments, "_TELL_S", -1.0)
    stop = threading.Event()

    def progress(read: int, _: int) -> None:
        if read > 4 * CHUNK_LEN:
            stop.set()

    with pytest.raises(CancelledError):
        scrub(progress=progress, cancel=stop)


@pytest.mark.usefixtures("interrupted")
def test_an_interrupted_scrub_goes_on_where_it_was() -> None:
    totals: list[int] = []
    found = scrub(resume=True, on_total=totals.append)
    assert found.resumed is not None
    assert found.read.stored_bytes == totals[0]
    assert 0 < found.read.segments < found.segments
    again = scrub(resume=True)
    assert (again.resumed, again.read.segments) == (None, again.segments)


@pytest.mark.usefixtures("interrupted")
def test_without_resume_a_scrub_reads_everything() -> None:
    found = scrub()
    assert (found.resumed, found.read.segments) == (None, found.segments)


@pytest.mark.usefixtures("interrupted")
def test_what_was_added_since_is_read_by_the_scrub_that_goes_on() -> None:
    with Repository.open("repo", key=KEY, state="state", cache="cache") as repository:
        for number in range(COUNT, COUNT + 8):
            grow(repository, number)
    before = {path.name for path in segments(2)}
    seen: list[str] = []
    for path in segments(2)[-8:]:
        flip(path)
    found = scrub(resume=True, on_damage=lambda name, _: seen.append(name))
    assert found.damaged == len(seen)
    assert before.issuperset(Path(name).name for name in seen)


def test_what_was_found_damaged_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub_segments, "_TELL_S", -1.0)
    first = min((*segments(2), *segments(3)), key=lambda path: path.name)
    flip(first)
    stop, seen = threading.Event(), []

    def progress(read: int, _: int) -> None:
        if read > 4 * CHUNK_LEN:
            stop.set()

    with pytest.raises(CancelledError):
        scrub(progress=progress, cancel=stop, on_damage=lambda name, _: seen.append(name))
    assert len(seen) == 1
    found = scrub(resume=True, on_damage=lambda name, _: seen.append(name))
    assert found.read.segments < found.segments
    assert (found.damaged, seen[0]) == (1, seen[1])


def test_a_scrub_that_came_to_its_end_leaves_nothing_to_go_on_with() -> None:
    scrub()
    assert list(Path("state/checks").iterdir()) == []
