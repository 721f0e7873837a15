"""How the command line tells what part of a repository a check has covered."""

from __future__ import annotations

from cli.photos import Library, grow


def test_a_subset_says_what_it_covered(library: Library) -> None:
    grow(library)
    found = library("verify", "--subset", "1%", "--json").lines[-1]
    assert found["data"]
    assert found["read"]["of_segments"] == 3
    assert found["read"] == found["round"] | {"since": found["read"]["since"]}
    assert found["round"]["stored_bytes"] < found["round"]["of_bytes"]
    err = library("verify", "--subset", "99.5%").err
    assert "every byte of " in err
    assert "this round: 3 of 3 segments" in err
    assert library("verify", "--json").lines[-1]["read"] is None
    for nonsense in ("0", "101%", "nan", "x", "-5%"):
        assert "percentage" in library("verify", f"--subset={nonsense}", code=2).err


def test_a_scrub_says_what_it_covered(library: Library) -> None:
    grow(library)
    found = library.program("scrub", "-r", "repo", "--resume", "--json").lines[-1]
    assert found["resumed"] is None
    assert found["read"]["segments"] == found["read"]["of_segments"] == 6
    library.program("scrub", "--resume", "src/a.bin", code=2)
