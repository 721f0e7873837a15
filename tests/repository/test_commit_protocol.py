"""The commit protocol as a small model, every interleaving of three writers gone through.

The model: chunks are numbers, segments sets of chunks, the log a list of entries made one after
another. A writer takes steps; between any two of them, others may take theirs, and it may stop for
good. What docs/FORMAT.md, sections 9.5 and 9.6, asks for is in `may_commit` and in the order of
steps; each of these rules is left out once, to show that the model notices.

The rules are those of repository/commit.py and ops/prune.py (`_revise`, `revise`); what these do
when others overtake them is shown with real repositories in tests/ops/test_overtaken.py and
test_prune.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import pytest

KEPT, LOOSE = 0, 1  # chunks: needed by the first snapshot; needed by none


@dataclass(frozen=True, order=True)
class Entry:
    added: tuple[tuple[int, frozenset[int]], ...] = ()  # segments: name, chunks
    removed: frozenset[int] = frozenset()
    needs: frozenset[int] | None = None  # of the snapshot, if it adds one


@dataclass(frozen=True)
class Writer:
    """A backup of some chunks, or a prune (chunks None)."""

    chunks: frozenset[int] | None
    step: str = "look"
    base: int = 0
    own: tuple[tuple[int, frozenset[int]], ...] = ()  # stored, and not committed
    planned: frozenset[int] = frozenset()  # what a prune is to remove
    tries: int = 2


@dataclass(frozen=True)
class World:
    log: tuple[Entry, ...]
    store: frozenset[int]  # names of segments that are there
    writers: tuple[Writer, ...]
    next_name: int


def live(log: tuple[Entry, ...]) -> dict[int, frozenset[int]]:
    found: dict[int, frozenset[int]] = {}
    for entry in log:
        found = {name: chunks for name, chunks in found.items() if name not in entry.removed}
        found.update(entry.added)
    return found


def known(log: tuple[Entry, ...]) -> frozenset[int]:
    return frozenset().union(*live(log).values())


def needed(log: tuple[Entry, ...]) -> frozenset[int]:
    return frozenset().union(*(entry.needs or frozenset() for entry in log))


def look(world: World, me: Writer) -> tuple[Writer, int]:
    """Read the log, and store what is missing (a backup) or partly needed (a prune)."""
    base, name = len(world.log), world.next_name
    if me.chunks is not None:
        fresh = me.chunks - known(world.log)
        own = ((name, fresh),) if fresh else ()
        return replace(me, step="adopt", base=base, own=own), name + 1
    need, planned, copied = needed(world.log), set(), frozenset()
    for segment, chunks in live(world.log).items():
        if not chunks <= need:
            planned.add(segment)
            copied |= chunks & need
    named = {segment for entry in world.log for segment, _ in entry.added}
    named |= {segment for entry in world.log for segment in entry.removed}
    planned |= world.store - named  # left over, as it seems
    own = ((name, copied),) if copied else ()
    return replace(me, step="adopt", base=base, own=own, planned=frozenset(planned)), name + 1


OWN_STAY = "what a writer stored was not swept"
CHUNKS_STAY = "what a backup relied on is there"
NONE_NEEDED = "no new snapshot needs what a prune removes"
STORED_FIRST = "what is stored is named only then"
NAMED_FIRST = "what is removed is deleted only once the log says so"
RULES: Final = (OWN_STAY, CHUNKS_STAY, NONE_NEEDED, STORED_FIRST, NAMED_FIRST)


def may_commit(world: World, me: Writer, without: str) -> bool:
    """Of what came since the base: nothing in the way of this commit?"""
    others = world.log[me.base :]
    removed = frozenset().union(*(entry.removed for entry in others))
    added = {segment for entry in others for segment, _ in entry.added}
    if removed & {name for name, _ in me.own} and without != OWN_STAY:
        return False
    if me.chunks is not None:
        own = frozenset().union(*(chunks for _, chunks in me.own))
        return me.chunks <= known(world.log) | own or without == CHUNKS_STAY
    if removed & live(world.log[: me.base]).keys() or added & me.planned:
        return False  # another plan is due; nothing would be lost for that
    left = {name: chunks for name, chunks in live(world.log).items() if name not in me.planned}
    left.update(me.own)
    return needed(world.log) <= frozenset().union(*left.values()) or without == NONE_NEEDED


ORDER = ("look", "adopt", "commit", "delete", "done")
WRONG_ORDERS = {
    STORED_FIRST: ("look", "commit", "adopt", "delete", "done"),
    NAMED_FIRST: ("look", "adopt", "delete", "commit", "done"),
}
FOLLOWING = {rule: dict(pairwise(WRONG_ORDERS.get(rule, ORDER))) for rule in ("", *RULES)}
"""The step after each, where that rule is left out."""


def steps(world: World, number: int, without: str = "") -> Iterator[World]:
    """What a writer may do next. without: the rule that nobody heeds."""
    me = world.writers[number]
    following = FOLLOWING[without]

    def after(writer: Writer, **changes: object) -> World:
        writers = (*world.writers[:number], writer, *world.writers[number + 1 :])
        return replace(world, writers=writers, **changes)

    if me.step == "look":
        writer, next_name = look(world, me)
        yield after(replace(writer, step=following["look"]), next_name=next_name)
    elif me.step == "adopt":
        store = world.store | {name for name, _ in me.own}
        yield after(replace(me, step=following["adopt"]), store=store)
    elif me.step == "commit":
        if may_commit(world, me, without):
            entry = Entry(me.own, me.planned, me.chunks)
            yield after(replace(me, step=following["commit"]), log=(*world.log, entry))
        elif me.tries:
            # Its segments stay behind, for a later prune to sweep.
            yield after(replace(Writer(me.chunks), tries=me.tries - 1))
    elif me.step == "delete":
        for name in me.planned & world.store:
            yield after(me, store=world.store - {name})
        if not me.planned & world.store:
            yield after(replace(me, step=following["delete"]))


def explore(writers: tuple[Writer, ...], without: str = "") -> tuple[int, World | None]:
    """How many worlds can be reached; or, at the end, the first that has lost something."""
    first = Entry(((0, frozenset({KEPT, LOOSE})),), needs=frozenset({KEPT}))
    start = World((first,), frozenset({0}), writers, 1)
    seen, waiting = {start}, [start]
    while waiting:
        world = waiting.pop()
        there = [chunks for name, chunks in live(world.log).items() if name in world.store]
        if not needed(world.log) <= frozenset().union(*there):
            return len(seen), world
        for number in range(len(writers)):
            for following in steps(world, number, without):
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
    return len(seen), None


BACKUP = Writer(frozenset({KEPT, LOOSE}))
ANOTHER = Writer(frozenset({LOOSE, 2}))
PRUNE = Writer(None)

CASTS = {
    "backup, backup, prune": (BACKUP, ANOTHER, PRUNE),
    "backup, prune, prune": (BACKUP, PRUNE, PRUNE),
    "prune, prune, prune": (PRUNE, PRUNE, PRUNE),
    "two of the same backup, prune": (ANOTHER, ANOTHER, PRUNE),
}


@pytest.mark.parametrize("cast", CASTS)
def test_no_interleaving_loses_what_a_snapshot_needs(cast: str) -> None:
    """Also with a writer that never goes on: every world on the way is looked at."""
    count, lost = explore(CASTS[cast])
    assert lost is None
    assert count > 500


@pytest.mark.parametrize("rule", RULES)
def test_without_any_one_of_the_rules_something_is_lost(rule: str) -> None:
    _, lost = explore(CASTS["backup, backup, prune"], rule)
    assert lost is not None


def test_everyone_can_finish() -> None:
    """Whoever has to begin again can do so until it is done, if others are done."""
    _, lost = explore((BACKUP, PRUNE))
    assert lost is None
    world = World(
        (Entry(((0, frozenset({KEPT, LOOSE})),), needs=frozenset({KEPT})),),
        frozenset({0}),
        (BACKUP, PRUNE),
        1,
    )
    (world,) = steps(world, 0)
    while world.writers[1].step != "done":
        world = next(steps(world, 1))
    while world.writers[0].step != "done":
        world = next(steps(world, 0))
    assert needed(world.log) == {KEPT, LOOSE}
    assert known(world.log) >= {KEPT, LOOSE}
