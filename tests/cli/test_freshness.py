"""How the command line tells of rollbacks, and shows the head to compare."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.photos import Library, grow
from cli.repositories import make_repository
from program import Program, Word
from strongroom import RootKey


def info(library: Library) -> dict[str, Any]:
    """Without a key."""
    (found,) = library.program("info", "-r", "repo", "--json").lines
    return found


def elsewhere(library: Library) -> Library:
    """The same repository on a machine that has not seen it."""
    machine = library.program.with_env(XDG_STATE_HOME=str(library.program.folder / "other state"))
    return Library(machine, library.store, library.key)


@pytest.fixture
def old(library: Library) -> Library:
    """A repository that was set back by one snapshot after this machine saw it."""
    library("backup", "src")
    shutil.copytree(library.store.folder, library.program.folder / "older")
    library("backup", "src")
    return library


def set_back(library: Library) -> None:
    shutil.rmtree(library.store.folder)
    shutil.copytree(library.program.folder / "older", library.store.folder)


def test_a_rollback_is_exit_code_15_with_both_heads(old: Library) -> None:
    newest = info(old)["head"]
    set_back(old)
    run = old("backup", "src", code=15)
    assert f"entry 2, hash {newest['hash']} then, entry 1, hash " in run.err
    assert "--accept-rollback" in run.err
    assert run.out == b""
    for words in (("scrub", "-r", "repo"), ("info", "-r", "repo")):
        assert "older than what this machine saw" in old.program(*words, code=15).err
    run = old("snapshots", "--accept-rollback")
    assert "rollback accepted: entry 2" in run.err
    assert len(run.out.splitlines()) == 1
    assert "rollback" not in old("snapshots").err


def test_a_new_machine_says_that_freshness_is_unknown(old: Library) -> None:
    other = elsewhere(old)
    assert other("snapshots", "-q").err == ""
    shutil.rmtree(other.program.folder / "other state")
    run = other("verify")
    assert "freshness unknown: this machine has not seen this repository before" in run.err
    assert info(old)["head"]["hash"] in run.err
    assert "unknown" not in other("verify").err


def test_info_shows_the_head_to_compare(old: Library) -> None:
    mine, theirs = info(old), info(elsewhere(old))
    assert (mine["freshness"], theirs["freshness"]) == ("continued", "unknown")
    assert mine["head"] == mine["seen"] == theirs["head"]
    assert theirs["seen"] is theirs["seen_time"] is None
    words = old.program("info", "-r", "repo").out.decode()
    assert f"seq 2 hash {mine['head']['hash']}" in words
    old.program("info", "-r", "repo", "my.key", code=2)
    old.program("info", "-r", "src", code=10)


def test_another_repository_is_told_before_any_key_is_tried(old: Library, key: RootKey) -> None:
    mine = info(old)
    shutil.rmtree(old.store.folder)
    make_repository(old.store.folder, key)
    where: tuple[Word, ...] = ("-r", "repo", "--password-command", "exit 1")
    run = old.program("snapshots", *where, code=15)
    assert "another repository is there than before" in run.err
    assert mine["repo_id"] in run.err
    assert "freshness unknown" in old("snapshots", "--accept-rollback").err


def test_init_in_the_place_of_another_repository_is_no_surprise(program: Program) -> None:
    for _ in range(2):
        shutil.rmtree(program.folder / "repo", ignore_errors=True)
        program("init", "-r", "repo", "--key-file", "my.key")
        run = program("snapshots", "-r", "repo", "--key-file", "my.key")
        assert run.err == "no snapshot yet\n"


def test_what_cannot_be_remembered_is_a_warning(
    old: Library, powerless: tuple[str, ...], own_state: Path
) -> None:
    folders = (own_state, own_state / "heads", own_state / "places")
    for folder in folders:
        folder.chmod(0o500)
    try:
        words: tuple[Word, ...] = ("-r", "repo", "--key-file", "my.key", "src")
        run = old.program.under(*powerless)("backup", *words)
        assert "a rollback of this repository may go unnoticed here" in run.err
        assert run.err.count("warning") == 1
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_scrub_tells_how_new_the_repository_is(library: Library) -> None:
    grow(library)
    other = elsewhere(library)
    assert "repo: authentic" in library.program("scrub", "-r", "repo").err
    found = other.program("scrub", "-r", "repo", "--json").lines[-1]
    assert (found["state"], found["freshness"]) == ("consistent", "unknown")
