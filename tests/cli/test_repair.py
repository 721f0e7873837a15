"""repair, as it is typed: what is lost comes back from files that still have it."""

from __future__ import annotations

import os

from cli.photos import Library, flip, grow


def test_what_a_source_still_has_is_stored_again(library: Library) -> None:
    ids = grow(library)
    first, second, _ = library.data_segments()
    flip(first, 5000)
    second.unlink()
    moved = library.program.folder / "elsewhere"
    moved.mkdir()
    (library.source / "a.bin").rename(moved / "under another name")
    (library.source / "deep" / "a again").unlink()
    run = library("repair", "--from-source", "elsewhere", "--from-source", "src", "--json")
    summary = run.lines[-1]
    assert (summary["lost_chunks"], summary["stored_chunks"]) == (4, 4)
    assert (summary["lost_files"], summary["read_files"]) == (0, 2)
    for n, id_ in enumerate(ids):
        library("restore", id_, "--target", f"out {n}")
    assert "0 chunks were lost" in library("repair", "--from-source", "src").err
    # The damaged segments are still named, until they are pruned.
    library("verify", "--data", code=13)
    library("prune", "--grace", "0")
    library("verify", "--data")
    library.program("scrub", "-r", "repo")


def test_a_source_may_lie_behind_a_link(library: Library) -> None:
    grow(library)
    for segment in library.data_segments():
        segment.unlink()
    library.source.rename(library.program.folder / "was")
    library.source.symlink_to("was")
    run = library("repair", "--from-source", "src/a.bin", "--from-source", "src", "--json")
    assert (run.lines[-1]["lost_chunks"], run.lines[-1]["stored_chunks"]) == (6, 6)


def test_what_no_source_has_is_named(library: Library) -> None:
    grow(library)
    library.data_segments()[1].unlink()
    (library.source / "b.bin").write_bytes(os.urandom((library.source / "b.bin").stat().st_size))
    run = library("repair", "--from-source", "src", code=13)
    assert run.err.count("src/b.bin: 3 of its chunks are lost") == 2
    assert "3 chunks were lost, 0 are stored again" in run.err


def test_a_lost_manifest_is_named_and_the_rest_repaired(library: Library) -> None:
    first, *_ = grow(library)
    library.manifests()[0].unlink()
    library.data_segments()[0].unlink()
    run = library("repair", "--from-source", "src", "--json", code=13)
    *named, summary = run.lines
    assert [line["snapshot"] for line in named if "error" in line][:1] == [first]
    assert (summary["lost_snapshots"], summary["lost_files"]) == (1, 0)


def test_a_source_has_to_be_named_and_to_be_there(library: Library) -> None:
    grow(library)
    library("repair", code=2)
    assert "there is no such" in library("repair", "--from-source", "nowhere", code=1).err
