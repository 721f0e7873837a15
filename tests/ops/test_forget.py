"""Forgetting and tagging, whoever else does it at the same time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from repository.support import ROOT
from strongroom import ConflictError, SourceError, UsageError
from strongroom.ops.forget import TagChange, change
from strongroom.ops.repository import Repository
from strongroom.ops.retention import Policy
from strongroom.repository.log import OvertakenError


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    """Four snapshots of a small file."""
    (tmp_path / "src").mkdir()
    with Repository.create(tmp_path / "r", key=ROOT, cache=tmp_path / "cache") as repository:
        for n in range(4):
            (tmp_path / "src" / "file").write_text(str(n) * 5000)
            repository.backup(tmp_path / "src")
        yield repository


def another(repository: Repository) -> Repository:
    cache = Path(repository._opened.store.folder).parent / "cache of another"
    return Repository.open(repository._opened.store.url, key=ROOT, cache=cache)


def ids(repository: Repository) -> list[str]:
    return [saved.id for saved in repository.snapshots()]


def test_what_is_named_is_forgotten_and_nothing_else(repository: Repository, tmp_path) -> None:
    before = ids(repository)
    verdicts = repository.upkeep.forget([before[1], before[2][:8], before[1]])
    assert [verdict.snapshot.id.hex() for verdict in verdicts] == before[1:3]
    assert ids(repository) == [before[0], before[3]]
    with another(repository) as other:
        assert ids(other) == [before[0], before[3]]
        other.restore("latest", tmp_path / "out")
        with pytest.raises(SourceError, match="there is no snapshot"):
            other.snapshot(before[1])
        assert other.verify().damaged_files == 0


def test_a_dry_run_forgets_nothing(repository: Repository) -> None:
    verdicts = repository.upkeep.forget(policy=Policy(last=1), dry_run=True)
    assert [bool(verdict.reasons) for verdict in verdicts] == [False, False, False, True]
    assert len(ids(repository)) == 4


def test_a_policy_forgets_what_it_does_not_keep(repository: Repository) -> None:
    before = ids(repository)
    entries = repository._opened.log.head[0]
    repository.upkeep.forget(policy=Policy(last=2))
    assert ids(repository) == before[2:]
    assert repository._opened.log.head[0] == entries + 1
    repository.upkeep.forget(policy=Policy(last=2))
    assert repository._opened.log.head[0] == entries + 1, "nothing to say, nothing is said"


def test_names_and_a_policy_or_neither_are_refused(repository: Repository) -> None:
    for names, policy in (((), None), ((), Policy()), (("latest",), Policy(last=1))):
        with pytest.raises(UsageError):
            repository.upkeep.forget(names, policy=policy)
    with pytest.raises(SourceError):
        repository.upkeep.forget(["latest", "ffff0000"])
    assert len(ids(repository)) == 4


def test_what_was_to_be_kept_and_is_forgotten_meanwhile_is_judged_again(
    repository: Repository,
) -> None:
    """Another forgets the newest just before: then the one before it is kept."""
    before = ids(repository)
    real = repository._opened.append

    def meanwhile(*words: object) -> object:
        repository._opened.append = real
        with another(repository) as other:
            other.upkeep.forget([before[3]])
        return real(*words)

    repository._opened.append = meanwhile
    repository.upkeep.forget(policy=Policy(last=1))
    assert ids(repository) == [before[2]]


def tagging_meanwhile(repository: Repository, name: str, tags: TagChange) -> None:
    """Another changes tags just before the next append."""
    real = repository._opened.append

    def meanwhile(*words: object) -> object:
        repository._opened.append = real
        with another(repository) as other:
            other.upkeep.tag([name], tags)
        return real(*words)

    repository._opened.append = meanwhile


def test_what_a_policy_would_forget_and_is_tagged_meanwhile_is_judged_again(
    repository: Repository,
) -> None:
    before = ids(repository)
    tagging_meanwhile(repository, before[0], TagChange(add=("keep",)))
    verdicts = repository.upkeep.forget(policy=Policy(last=1, tags=("keep",)))
    assert [verdict.reasons for verdict in verdicts] == [["tag"], [], [], ["last"]]
    assert ids(repository) == [before[0], before[3]]


def test_what_is_named_is_forgotten_whatever_tags_it_gets(repository: Repository) -> None:
    before = ids(repository)
    tagging_meanwhile(repository, before[0], TagChange(add=("keep",)))
    repository.upkeep.forget([before[0]])
    assert ids(repository) == before[1:]


def test_a_tag_given_meanwhile_is_not_overwritten(repository: Repository) -> None:
    tagging_meanwhile(repository, "latest", TagChange(add=("keep",)))
    with pytest.raises(OvertakenError, match="changed tags"):
        repository.upkeep.tag(["latest"], TagChange(add=("mine",)))
    (changed,) = repository.upkeep.tag(["latest"], TagChange(add=("mine",)))
    assert changed.tags == ("keep", "mine")


def test_one_wrong_clock_costs_no_later_backup(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup dated fifty years ahead, then nights of a backup and a forget each."""
    with monkeypatch.context() as patched:
        ahead = time.time_ns() + 50 * 366 * 86400 * 10**9
        patched.setattr(time, "time_ns", lambda: ahead)
        repository.backup(tmp_path / "src")
    for night in range(3):
        (tmp_path / "src" / "file").write_text(f"night {night}")
        tonight = repository.backup(tmp_path / "src").snapshot.id.hex()
        repository.upkeep.forget(policy=Policy(last=1))
        assert ids(repository) == [tonight]


def test_two_who_forget_the_same_agree(repository: Repository) -> None:
    before = ids(repository)
    with another(repository) as other:
        other.upkeep.forget([before[0]])
        entry = change(repository._opened, forget=[bytes.fromhex(before[0])])
        assert entry.seq == 6
        assert ids(other) == ids(repository) == before[1:]


def test_tags_change_and_ids_stay(repository: Repository) -> None:
    before = ids(repository)
    changed = repository.upkeep.tag(["latest", before[0]], TagChange(add=("b", "a", "b")))
    assert [s.tags for s in changed] == [("b", "a")] * 2
    repository.upkeep.tag(["latest"], TagChange(remove=("b", "z"), add=("c",)))
    repository.upkeep.tag([before[0]], TagChange(only=("only",), add=("more",)))
    with another(repository) as other:
        tags = [saved.info.tags for saved in other.snapshots()]
        assert tags == [("only", "more"), (), (), ("a", "c")]
        assert ids(other) == before
    assert repository.upkeep.tag(["latest"], TagChange(add=("a",))) == []


def test_a_snapshot_forgotten_meanwhile_is_not_tagged(repository: Repository) -> None:
    real = repository._opened.append

    def meanwhile(*words: object) -> object:
        with another(repository) as other:
            other.upkeep.forget(["latest"])
        return real(*words)

    repository._opened.append = meanwhile
    with pytest.raises(OvertakenError) as caught:
        repository.upkeep.tag(["latest"], TagChange(add=("a",)))
    assert isinstance(caught.value, ConflictError)
