"""New keys for a vault that is being served: everything is written anew, then the old ones go.

Each step can be done again, so that a rotation that was interrupted is gone on with. Processes that
serve meanwhile hear of the new keys from the vault's own row, which each transaction reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from strongroom.errors import DamagedError, UsageError
from strongroom.vault.server.core import Core, context
from strongroom.vault.server.ledger import Ledger
from strongroom.vault.server.rows import Head, Record

_AT_ONCE = 32
"""Rows in a transaction, while which others may have to wait."""


def prepare(core: Core) -> int:
    """Make the keys of the next generation, and use them not yet: keys in a file have to be
    brought to the other machines first. Returns its number. Raises SourceError, TargetError."""
    head = core.head()
    following = head.generation + 1 if head.generation == head.oldest else head.generation
    core.keeper.create(following)
    return following


def rotate(core: Core, *, tell: Callable[[str], None]) -> int:
    """Write everything with new keys and destroy those before, or go on with what was interrupted.
    Returns how many rows are damaged, and stay so. Raises SourceError, TargetError, UsageError,
    DamagedError, StoreFailedError. One at a time."""
    head = core.transact(_unlocked)
    damaged = 0
    if min(core.keeper.generations()) == head.generation or head.generation != head.oldest:
        generation = prepare(core)
        core.keeper.use(generation)
        names = core.sealed_names()
        core.transact(
            lambda ledger: ledger.set_keys(generation=generation, oldest=head.oldest, names=names)
        )
        tell(f"keys of generation {generation}: everything is written anew")
        damaged = sum(_renew(core, prefix) for prefix in ("user/", "record/", "log/"))
        core.transact(
            lambda ledger: ledger.set_keys(generation=generation, oldest=generation, names=names)
        )
    core.tell_witness()
    generation = core.head().generation
    core.keeper.destroy_before(generation)
    forget_others(core)
    tell(f"the keys before generation {generation} are destroyed")
    return damaged


def forget_others(core: Core) -> None:
    """Destroy own keys of records that are not there, left by a crash. Nothing while the vault is
    locked: a copy that was put back says little. A registration that is beginning elsewhere may
    lose its key, and begins again. Raises SourceError, StoreFailedError, DamagedError."""
    if core.transact(lambda ledger: ledger.locked):
        return
    for record_id in core.keeper.records():
        if not core.transact(partial(Ledger.holds, record_id=record_id)):
            core.keeper.forget(record_id)


def _unlocked(ledger: Ledger) -> Head:
    if ledger.locked:
        raise UsageError("rotating the keys: the vault is locked", hint="strongroom vault unlock")
    return ledger.head


def _renew(core: Core, prefix: str) -> int:
    """Returns how many are damaged."""
    damaged, after = 0, ""
    while names := core.transact(partial(Ledger.names, prefix=prefix, after=after)):
        for first in range(0, len(names), _AT_ONCE):
            some = names[first : first + _AT_ONCE]
            damaged += core.transact(partial(_renew_some, names=some))
            if prefix == "record/":
                damaged += sum(not _reseal(core, name) for name in some)
        after = names[-1]
    return damaged


def _renew_some(ledger: Ledger, names: Sequence[str]) -> int:
    damaged = 0
    for name in names:
        try:
            ledger.renew(name)
        except DamagedError:
            damaged += 1
    return damaged


def _reseal(core: Core, name: str) -> bool:
    """Outside of transactions, as a token may take long. Again, if others came first. False if what
    is sealed is damaged."""
    while record := _outdated(core, name):
        try:
            setup = core.keeper.unseal(record.sealed_setup, context(record))
        except DamagedError:
            return False
        sealed = core.keeper.seal(setup, context(record), record.record_id)
        core.transact(partial(Ledger.reseal, found=record, sealed_setup=sealed))
    return True


def _outdated(core: Core, name: str) -> Record | None:
    """None also if the row itself is damaged: that was counted."""
    with suppress(DamagedError):
        return core.transact(lambda ledger: ledger.outdated(name))
    return None
