"""strongroom scrub -r: a repository is checked by someone who holds no key."""

from __future__ import annotations

from typing import Any

import pytest

from cli.photos import HARMS, Library, grow
from program import Program, Run, Word


def scrub(library: Library, *words: Word, code: int = 0) -> Run:
    """Nothing secret is within reach, and the machine has not seen the repository."""
    (library.program.folder / "my.key").rename(library.program.folder / "hidden")
    stranger = library.program.with_env(XDG_STATE_HOME=str(library.program.folder / "stranger"))
    try:
        return stranger("scrub", "-r", "repo", *words, code=code)
    finally:
        (library.program.folder / "hidden").rename(library.program.folder / "my.key")


def summary(run: Run) -> dict[str, Any]:
    last = run.lines[-1]
    assert last["summary"]
    return last


def test_a_whole_repository_is_consistent_and_not_authentic(library: Library) -> None:
    grow(library)
    run = scrub(library)
    assert run.out == b""
    assert "repo: consistent, 3 log entries, 6 segments" in run.err
    assert "authentic" not in run.err
    found = summary(scrub(library, "--json"))
    assert (found["state"], found["entries"], found["segments"]) == ("consistent", 3, 6)
    assert found["superfluous"] == []


def test_with_the_public_key_it_is_authentic(library: Library) -> None:
    grow(library)
    with library.opened() as opened:
        pinned = opened.config.public_key.hex()
    assert "repo: authentic, 3" in scrub(library, "--public-key", pinned).err
    run = scrub(library, "--public-key", "ab" * 32, code=13)
    assert "its public key is not the one given" in run.err


def test_an_empty_repository_is_consistent(library: Library) -> None:
    assert summary(scrub(library, "--json"))["segments"] == 0


def test_the_environment_names_the_repository(library: Library) -> None:
    program = library.program.with_env(STRONGROOM_REPOSITORY="repo")
    assert "repo: consistent" in program("scrub").err


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("kind", ["data", "manifest"])
def test_each_damaged_segment_is_named(library: Library, kind: str, harm: str) -> None:
    grow(library)
    first, second, _ = library.data_segments() if kind == "data" else library.manifests()
    HARMS[harm](second, first)
    run = scrub(library, "--json", code=13)
    name = f"segments/{second.parent.name}/{second.name}"
    assert [line["object"] for line in run.lines if "object" in line] == [name]
    assert summary(run)["state"] == "damaged"
    assert second.name in run.err


def test_what_the_log_does_not_name_is_told_and_no_damage(library: Library) -> None:
    grow(library)
    other = library.store.folder / "segments" / "00" / ("00" * 16)
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(b"anything")
    run = scrub(library, "--json")
    assert summary(run)["superfluous"] == [f"segments/00/{'00' * 16}"]
    assert "left by a backup that was interrupted" in run.err


@pytest.mark.parametrize("byte", [20, 100, -1])
def test_a_damaged_log_entry_is_named_and_the_rest_before_it_checked(
    library: Library, byte: int
) -> None:
    grow(library)
    entry = library.store.path_of("log/0000000000000002")
    entry.chmod(0o600)
    stored = bytearray(entry.read_bytes())
    stored[byte] ^= 1
    entry.write_bytes(stored)
    run = scrub(library, "--json", code=13)
    assert [line["object"] for line in run.lines if "object" in line] == ["log"]
    assert summary(run)["entries"] == 1
    assert summary(run)["superfluous"] == []


def test_a_log_that_is_gone_is_told_by_whoever_never_saw_it(library: Library) -> None:
    grow(library)
    for entry in library.store.path_of("log").iterdir():
        entry.unlink()
    state = library.program.folder / "elsewhere"
    elsewhere = library.program.with_env(XDG_STATE_HOME=str(state))
    run = elsewhere("scrub", "-r", "repo")
    assert "warning: the log is empty, but there are segments" in run.err
    run = elsewhere("snapshots", "-r", "repo", "--key-file", "my.key")
    assert 'the log was lost; then "strongroom snapshots --salvage" shows' in run.err
    assert state.is_dir()
    assert len(library("snapshots", "--salvage").out.splitlines()) == 3


def test_a_missing_log_entry_is_damage(library: Library) -> None:
    grow(library)
    library.store.path_of("log/0000000000000001").unlink()
    assert "entry 1 of 3 is missing" in scrub(library, code=13).err


def test_a_damaged_config_or_slot_is_damage(library: Library) -> None:
    slot = library.store.folder / "keys" / ("ab" * 16)
    slot.parent.mkdir(exist_ok=True)
    slot.write_bytes(b"no slot")
    assert f"keys/{'ab' * 16}" in scrub(library, code=13).err
    slot.unlink()
    config = library.store.path_of("config")
    config.chmod(0o600)
    config.write_bytes(config.read_bytes()[:-1])
    assert "config" in scrub(library, code=13).err


def test_no_repository_is_its_own_exit_code(program: Program) -> None:
    program("scrub", "-r", "nowhere", code=10)


def test_what_makes_no_sense_is_refused(library: Library) -> None:
    assert "nothing was named" in library.program("scrub", code=2).err
    library.program("scrub", "-r", "repo", "my.key", code=2)
    library.program("scrub", "--public-key", "ab" * 32, "my.key", code=2)
    library.program("scrub", "-r", "repo", "--root", "ab" * 32, code=2)
