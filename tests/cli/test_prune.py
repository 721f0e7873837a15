"""prune, as it is typed."""

from __future__ import annotations

from cli.photos import Library, grow


def objects(library: Library) -> set[str]:
    return set(library.store.list("segments/"))


def test_what_is_forgotten_is_pruned_and_then_deleted(library: Library) -> None:
    first, second, third = grow(library)
    (library.source / "b.bin").unlink()
    last = library.backup()
    library("forget", second, third)
    before = objects(library)
    dry = library("prune", "--dry-run", "--json")
    (summary,) = dry.lines
    assert summary["dry_run"]
    assert summary["removed_segments"] == 1
    assert summary["freed_bytes"] > 3 * 10**6
    assert "1 would be removed" in dry.err
    assert objects(library) == before
    run = library("prune")
    assert "24 hours from now" in run.err
    assert objects(library) == before
    run = library("prune", "--grace", "0")
    assert "deleted 3 objects: " in run.err
    assert len(objects(library)) < len(before)
    for id_ in (first, last):
        library("restore", id_, "--target", f"out {id_}")
    assert (library.program.folder / f"out {last}/src/notes.txt").exists()
    library("verify", "--data")
    library.program("scrub", "-r", "repo")


def test_forget_prunes_when_told_to(library: Library) -> None:
    grow(library)
    (library.source / "a.bin").unlink()
    (library.source / "deep" / "a again").unlink()
    library.backup()
    *_, forgotten, pruned = library("forget", "--keep-last", "1", "--prune", "--json").lines
    assert (forgotten["forgotten"], pruned["removed_segments"]) == (3, 1)
    run = library("forget", "latest", "--prune", "--dry-run")
    assert "segments" not in run.err


def test_a_grace_period_is_a_duration(library: Library) -> None:
    ids = grow(library)
    assert library("prune", "--grace", "2d").err.endswith("that frees 0 B\n")
    library("forget", ids[2])
    assert "48 hours from now" in library("prune", "--grace", "2d").err
    for wrong in ("soon", "-1", "1w", ""):
        library("prune", "--grace", wrong, code=2)


def test_without_a_cache_a_prune_works_elsewhere(library: Library) -> None:
    *_, last = grow(library)
    (library.source / "a.bin").unlink()
    library.backup()
    library("forget", last)
    spare = library.program.folder / "spare"
    spare.mkdir()
    nowhere = library.program.with_env(XDG_CACHE_HOME="/dev/null/cache", TMPDIR="/dev/null/tmp")
    run = nowhere("prune", "-r", "repo", "--key-file", "my.key", "--grace", "0", code=1)
    assert "copying the index to /dev/null/cache/strongroom/" in run.err
    assert (
        "hint: free some room there, or name other folders by XDG_CACHE_HOME and TMPDIR" in run.err
    )
    elsewhere = nowhere.with_env(XDG_CACHE_HOME="/dev/null/cache", TMPDIR=str(spare))
    run = elsewhere("prune", "-r", "repo", "--key-file", "my.key", "--grace", "0")
    assert "are free now" in run.err
    assert list(spare.iterdir()) == []
    library("verify", "--data")


def test_an_unreadable_manifest_is_named(library: Library) -> None:
    first, *_ = grow(library)
    library.manifests()[0].unlink()
    run = library("prune", code=13)
    assert f'strongroom forget {first[:8]}"' in run.err
    library("forget", first)
    library("prune")
