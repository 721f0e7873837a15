"""strongroom verify: what is damaged is named, and exactly the files that it hurts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.photos import HARMS, Library, flip, grow, lose, tree
from program import Run

LATER_HURT = {"missing", "truncated", "replaced", "flipped"}
SEEN_WITHOUT_READING = {"missing", "truncated", "replaced", "without trailer"}


def hurt(run: Run) -> set[tuple[str, str]]:
    """(snapshot, path) of every file that was named."""
    return {(line["snapshot"], line["path"]) for line in run.lines if "path" in line}


def segments(run: Run) -> set[str]:
    return {line["segment"] for line in run.lines if "segment" in line}


def summary(run: Run) -> dict[str, Any]:
    last = run.lines[-1]
    assert last["summary"]
    return last


def test_a_whole_repository_is_verified(library: Library) -> None:
    grow(library)
    for words in ((), ("--data",)):
        run = library("verify", "--json", *words)
        assert len(run.lines) == 1
        found = summary(run)
        assert (found["snapshots"], found["files"], found["segments"]) == (3, 8, 6)
        assert found["damaged_segments"] == found["damaged_files"] == 0
        assert found["stored_bytes"] > 5_000_000


def test_an_empty_repository_is_verified(library: Library) -> None:
    assert summary(library("verify", "--json", "--data"))["snapshots"] == 0


@pytest.mark.parametrize("harm", HARMS)
def test_exactly_the_files_that_a_damaged_segment_hurts_are_named(
    library: Library, harm: str
) -> None:
    ids = grow(library)
    first, second, _ = library.data_segments()
    HARMS[harm](second, first)
    expected = {(id_, "src/b.bin") for id_ in ids[1:]} if harm in LATER_HURT else set()
    if harm in SEEN_WITHOUT_READING:
        run = library("verify", "--json", code=13)
        assert segments(run) == {second.name}
        assert hurt(run) == expected
    else:
        library("verify", code=0)
    run = library("verify", "--data", "--json", code=13)
    assert segments(run) == {second.name}
    assert hurt(run) == expected
    assert summary(run)["damaged_segments"] == 1
    assert summary(run)["damaged_files"] == len(expected)


def test_a_file_hurt_in_words_has_a_hint(library: Library) -> None:
    (_, second, third) = grow(library)
    library.data_segments()[1].unlink()
    run = library("verify", code=13)
    assert f"snapshot {second}: src/b.bin: 3 of its chunks are lost" in run.err
    assert f"snapshot {third}: src/b.bin: 3 of its chunks are lost" in run.err
    assert "hint: restore gives back all but these" in run.err
    assert "a.bin" not in run.err


@pytest.mark.parametrize("harm", ["missing", "truncated", "flipped", "replaced"])
def test_the_next_backup_stores_what_was_lost_again(library: Library, harm: str) -> None:
    grow(library)
    first, second, _ = library.data_segments()
    HARMS[harm](second, first)
    library("verify", "--data", code=13)
    run = library("backup", "--json", "src")
    assert run.lines[-1]["new_bytes"] > 1_000_000
    library("restore", "latest", "--target", "out")
    assert tree(library.program.folder / "out" / "src") == tree(library.source)
    again = library("verify", "--data", "--json", code=13)
    assert segments(again) == {second.name}
    assert hurt(again) == set()


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_manifest_hides_its_snapshot_alone(library: Library, harm: str) -> None:
    ids = grow(library)
    first, second, _ = library.manifests()
    HARMS[harm](second, first)
    run = library("verify", "--json", code=13)
    assert {line["snapshot"] for line in run.lines[:-1] if "snapshot" in line} == {ids[1]}
    assert segments(run) == {second.name}
    assert hurt(run) == set()
    assert summary(run)["damaged_snapshots"] == 1
    library("restore", ids[2], "--target", "out")


def test_two_copies_of_a_chunk_are_as_good_as_one(library: Library) -> None:
    grow(library)
    lose(library.data_segments()[0], Path())
    library("verify", code=13)
    library.backup()  # stores a.bin again
    kept = library.data_segments()[-1].read_bytes()
    flip(library.data_segments()[-1], Path())
    run = library("verify", "--data", "--json", code=13)
    assert {path for _, path in hurt(run)} == {"src/a.bin", "src/deep/a again"}
    library.data_segments()[-1].write_bytes(kept)
    assert hurt(library("verify", "--data", "--json", code=13)) == set()


@pytest.mark.parametrize("harm", ["missing", "flipped"])
def test_a_damaged_log_is_named(library: Library, harm: str) -> None:
    grow(library)
    entry = library.store.path_of("log/0000000000000002")
    if harm == "missing":
        entry.unlink()
    else:
        entry.chmod(0o600)
        *most, last = entry.read_bytes()
        entry.write_bytes(bytes([*most, last ^ 1]))
    run = library("verify", code=13)
    assert "entry 2" in run.err


def test_a_read_only_repository_is_verified(library: Library, powerless: tuple[str, ...]) -> None:
    grow(library)
    folders = [library.store.folder, *library.store.folder.rglob("*")]
    for path in folders:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        powerless_program = library.program.under(*powerless)
        words = ("-r", "repo", "--key-file", "my.key")
        powerless_program("verify", *words, "--data")
        powerless_program("restore", *words, "latest", "--target", "out")
        powerless_program("scrub", "-r", "repo")
        powerless_program("backup", *words, "src", code=1)
    finally:
        for path in folders:
            path.chmod(0o700)
