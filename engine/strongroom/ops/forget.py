"""Forget snapshots, or tag them anew. What only they needed stays until a prune."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.errors import UsageError
from strongroom.ops.retention import Policy, Verdict, judge
from strongroom.repository.entry import KIND_REMOVE, Draft, LogEntry
from strongroom.repository.interval import keep_relied_on
from strongroom.repository.log import OvertakenError
from strongroom.repository.opened import OpenRepository
from strongroom.repository.private import NO_SESSION, Private, Retagged
from strongroom.repository.snapshots import Snapshot, find_snapshot

ATTEMPTS: Final = 5
"""How often to judge again what others changed meanwhile."""


@dataclass(frozen=True, slots=True)
class TagChange:
    """What to do with tags. `only`, if not None, first takes the place of all there are."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None

    def applied(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The tags after it, each once."""
        kept = tags if self.only is None else self.only
        wanted = [tag for tag in kept if tag not in self.remove]
        return tuple(dict.fromkeys([*wanted, *self.add]))


def forget(
    opened: OpenRepository,
    names: Sequence[str] = (),
    *,
    policy: Policy | None = None,
    only: Callable[[Snapshot], bool] = lambda _: True,
    dry_run: bool = False,
) -> list[Verdict]:
    """Forget the snapshots of these names, or what a policy does not keep of those that `only`
    takes. A verdict on each that was looked at; those without a reason are forgotten.

    Raises UsageError, SourceError, OvertakenError, TargetError; nothing is forgotten then.
    """
    if bool(names) == bool(policy):
        raise UsageError(
            "name snapshots to forget, or say what to keep",
            hint='"strongroom forget --help" has examples',
        )
    for left in reversed(range(ATTEMPTS)):
        opened.log.load()
        verdicts = _verdicts(opened.snapshots, names, policy, only)
        gone = [verdict.snapshot.id for verdict in verdicts if not verdict.reasons]
        if dry_run or not gone:
            break
        try:
            kept = [verdict.snapshot.id for verdict in verdicts if verdict.reasons]
            change(opened, forget=gone, needed=kept, same_tags=gone if policy else ())
            break
        except OvertakenError:
            if not left:
                raise
    return verdicts


def change(
    opened: OpenRepository,
    *,
    forget: Collection[bytes] = (),
    retag: Sequence[Retagged] = (),
    needed: Collection[bytes] = (),
    same_tags: Collection[bytes] = (),
) -> LogEntry:
    """Forget snapshots by their ids, or give them other tags.

    Raises OvertakenError if others removed one of the segments `needed`, or changed the tags of one
    of the snapshots `same_tags`, since the log was read, TargetError.
    """
    private = Private(time.time_ns(), platform.node(), NO_SESSION, retagged=tuple(retag))
    draft = Draft(opened.log.head[0], (), private, KIND_REMOVE, tuple(forget))
    return opened.append(draft, keep_relied_on(needed, same_tags))


def retag(opened: OpenRepository, names: Collection[str], tags: TagChange) -> list[Snapshot]:
    """Change the tags of these snapshots. As they are then, those that changed.

    Raises UsageError, SourceError, OvertakenError where one was forgotten or tagged by another
    meanwhile, TargetError.
    """
    opened.log.load()
    chosen = {s.id: s for s in (find_snapshot(opened.snapshots, name) for name in names)}
    changes = [Retagged(s.id, tags.applied(s.tags)) for s in chosen.values()]
    changes = [one for one in changes if one.tags != chosen[one.id].tags]
    if changes:
        change(opened, retag=changes, needed=chosen.keys(), same_tags=chosen.keys())
    changed = {one.id for one in changes}
    return [snapshot for snapshot in opened.snapshots if snapshot.id in changed]


def _verdicts(
    snapshots: Sequence[Snapshot],
    names: Sequence[str],
    policy: Policy | None,
    only: Callable[[Snapshot], bool],
) -> list[Verdict]:
    if policy:
        return judge(filter(only, snapshots), policy)
    found = {find_snapshot(snapshots, name).id for name in names}
    return [Verdict(snapshot) for snapshot in snapshots if snapshot.id in found]
