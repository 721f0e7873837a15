"""forget and tag, as they are typed."""

from __future__ import annotations

from cli.photos import Library, grow


def listed(library: Library) -> list[str]:
    return [line["snapshot"] for line in library("snapshots", "--json").lines]


def test_a_forgotten_snapshot_is_not_listed(library: Library) -> None:
    first, second, third = grow(library)
    run = library("forget", first[:8], third)
    assert "forgot 2, kept 0" in run.err
    assert run.out == b""
    assert listed(library) == [second]
    assert "there is no snapshot" in library("forget", first, code=1).err
    library("verify", "--data")
    library.program("scrub", "-r", "repo")


def test_a_policy_says_what_it_keeps_and_why(library: Library) -> None:
    first, second, third = grow(library)
    run = library("forget", "--keep-last", "2", "--keep-yearly", "1", "--dry-run", "--json")
    *lines, summary = run.lines
    assert [line["reasons"] for line in lines] == [[], ["last"], ["last", "yearly"]]
    assert [line["forgotten"] for line in lines] == [True, False, False]
    assert summary == {"summary": True, "dry_run": True, "forgotten": 1, "kept": 2}
    assert listed(library) == [first, second, third]
    run = library("forget", "--keep-last", "2", "--keep-within", "1h", "--keep-tag", "x")
    assert "forgot 0, kept 3" in run.err
    assert "would" not in library("forget", "--keep-last", "1").err
    assert listed(library) == [third]


def test_forgetting_asks_for_names_or_a_policy(library: Library) -> None:
    grow(library)
    for words in (
        [],
        ["latest", "--keep-last", "1"],
        ["latest", "--host", "x"],
        ["--keep-last", "0"],
        ["--keep-within", "soon"],
        ["--keep-tag", "nobody has it"],
    ):
        library("forget", *words, code=2)
    assert len(listed(library)) == 3


def test_host_and_tag_choose_what_is_looked_at(library: Library) -> None:
    ids = grow(library)
    tagged = [library.backup("--tag", "daily") for _ in range(2)]
    library("forget", "--tag", "daily", "--keep-last", "1")
    assert listed(library) == [*ids, tagged[1]]
    run = library("forget", "--host", "nobody", "--keep-last", "1")
    assert "forgot 0, kept 0" in run.err


def test_tags_are_added_removed_and_set(library: Library) -> None:
    first, second, third = grow(library)
    assert "tags: kept, two" in library("tag", "latest", "--add", "kept", "--add", "two").err
    library("tag", first, third, "--set", "one")
    (line, summary) = library("tag", third, "--remove", "one", "--json").lines
    assert (line["snapshot"], line["tags"]) == (third, [])
    assert summary == {"summary": True, "changed": 1}
    assert "nothing to change" in library("tag", third, "--remove", "one").err
    tags = {line["snapshot"]: line["tags"] for line in library("snapshots", "--json").lines}
    assert tags == {first: ["one"], second: [], third: []}
    library("tag", "latest", code=2)
    library("tag", "--add", "x", code=2)
    library("tag", "0000aaaa", "--add", "x", code=1)
