"""What keeps a repository in shape over the years."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from strongroom._core import Cancel, Progress, Watch
from strongroom.ops.forget import TagChange, forget, retag
from strongroom.ops.prune import PruneOptions, PruneResult, prune
from strongroom.ops.repair import RepairResult, repair
from strongroom.ops.retention import Policy, Verdict
from strongroom.ops.verify import Finding
from strongroom.repository.opened import OpenRepository
from strongroom.repository.snapshots import Snapshot


def _ignore(_: object) -> None:
    """For those who do not want to know."""


def _all(_: Snapshot) -> bool:
    """Leave none out."""
    return True


class Upkeep:
    """Part of a Repository: forgetting and tagging snapshots, removing what none needs, and
    storing again what was lost.

    As safe beside running backups of others as everything else; nothing here needs a lock.
    """

    def __init__(self, turn: Callable[[], AbstractContextManager[OpenRepository]]) -> None:
        """turn: see Repository."""
        self._turn = turn

    def forget(
        self,
        names: Sequence[str] = (),
        *,
        policy: Policy | None = None,
        only: Callable[[Snapshot], bool] = _all,
        dry_run: bool = False,
    ) -> list[Verdict]:
        """Forget snapshots by name, or what a policy does not keep of those that `only` takes.

        A verdict on each; those that give no reason are forgotten. What only they needed is
        removed by prune. Raises UsageError, SourceError, TargetError, OvertakenError.
        """
        with self._turn() as opened:
            return forget(opened, names, policy=policy, only=only, dry_run=dry_run)

    def tag(self, names: Sequence[str], change: TagChange) -> list[Snapshot]:
        """Change tags of snapshots. Those that changed, as they are now."""
        with self._turn() as opened:
            return retag(opened, names, change)

    def prune(
        self,
        *,
        options: PruneOptions | None = None,
        on_note: Callable[[str], None] = _ignore,
        cancel: Cancel | None = None,
    ) -> PruneResult:
        """Remove what no snapshot needs, and delete what was removed more than a grace period ago.

        May run at any time beside anything, and be killed. on_note: damage that was met; what is
        uncertain is kept. Raises DamagedError where a manifest cannot be read, ConflictError,
        TargetError, CancelledError.
        """
        with self._turn() as opened:
            return prune(opened, options, note=on_note, watch=Watch(cancel=cancel))

    def repair(
        self,
        sources: Sequence[str | bytes | os.PathLike[str]],
        *,
        threads: int | None = None,
        on_damage: Callable[[Finding], None] = _ignore,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> RepairResult:
        """Verify all data, and store again what is lost and files below sources still have.

        on_damage: called for each file that stays hurt. Raises SourceError, TargetError,
        CancelledError.
        """
        with self._turn() as opened:
            watch = Watch(progress, cancel)
            opened.log.load()
            return repair(opened, sources, report=on_damage, threads=threads or 0, watch=watch)
