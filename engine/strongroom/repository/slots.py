"""The slots of a repository: keys/<id>, one for each stored way in."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final, NamedTuple

from strongroom.errors import (
    DamagedError,
    LimitError,
    ObjectMissingError,
    SourceError,
    StrongroomError,
    TargetError,
    UsageError,
)
from strongroom.keys.password import Password
from strongroom.keys.rootkey import RootKey
from strongroom.keys.slot import SLOT_LEN_MAX, SLOT_VAULT, Slot, make_slot, parse_slot
from strongroom.repository.config import Config
from strongroom.stores import Store

PREFIX: Final = "keys/"
SLOTS_MAX: Final = 8
PREFIX_MIN: Final = 4

_NAME = re.compile(r"keys/([0-9a-f]{32})", re.ASCII)


class SlotList(NamedTuple):
    """What lies under keys/."""

    good: tuple[Slot, ...]
    """Oldest first."""
    bad: tuple[tuple[str, StrongroomError], ...]
    """(id, why) of what could not be read."""

    @property
    def total(self) -> int:
        """Of all of them."""
        return len(self.good) + len(self.bad)


def slot_name(slot_id: bytes) -> str:
    """The object that holds a slot."""
    return PREFIX + slot_id.hex()


def read_slots(store: Store, config: Config, *, doing: str) -> SlotList:
    """All slots. Raises LimitError when there are more than can be; SourceError."""
    names = [name for name in store.list(PREFIX) if _NAME.fullmatch(name)]
    # One more than there should be is what a change of password leaves when it is interrupted.
    if len(names) > SLOTS_MAX + 1:
        raise LimitError(
            f"{doing}: {len(names)} key slots, where {SLOTS_MAX} can be",
            hint="pass --key-file; none of the slots is tried then",
        )
    good, bad = [], []
    for name in names:
        try:
            good.append(_read_slot(store, config, name, doing=doing))
        except ObjectMissingError:
            continue  # someone else has just removed it
        except StrongroomError as error:
            bad.append((name.removeprefix(PREFIX), error))
    good.sort(key=lambda slot: (slot.created, slot.slot_id))
    return SlotList(tuple(good), tuple(bad))


def add_slot(
    store: Store, config: Config, root: RootKey, password: Password, *, created: int, doing: str
) -> Slot:
    """Store a new password slot. Raises LimitError when there are eight."""
    if read_slots(store, config, doing=doing).total >= SLOTS_MAX:
        raise LimitError(
            f"{doing}: there are {SLOTS_MAX} key slots already",
            hint='"strongroom key remove" makes room',
        )
    return _put_slot(store, config, root, password, created=created, doing=doing)


def check_no_vault(store: Store, config: Config, *, doing: str) -> None:
    """Raise UsageError where a password slot would void what a vault is there for."""
    if any(slot.kind == SLOT_VAULT for slot in read_slots(store, config, doing=doing).good):
        raise UsageError(
            f"{doing}: beside a password slot the vault's limit on guesses is worth nothing: who "
            "stores the repository can guess that password offline, as often as they like",
            hint="pass --force to have both all the same",
        )


def replace_slot(
    store: Store,
    config: Config,
    root: RootKey,
    password: Password,
    *,
    old: bytes,
    created: int,
    doing: str,
) -> Slot:
    """Store a new password slot, then delete the one of id old. A crash between leaves both."""
    if read_slots(store, config, doing=doing).total > SLOTS_MAX:
        raise LimitError(
            f"{doing}: there are more than {SLOTS_MAX} key slots already",
            hint='"strongroom key remove" makes room',
        )
    slot = _put_slot(store, config, root, password, created=created, doing=doing)
    with suppress(ObjectMissingError):
        store.delete(slot_name(old))
    return slot


def remove_slot(store: Store, slot_id: bytes) -> None:
    """Delete a slot. Whether it is the last way in is the caller's to judge."""
    store.delete(slot_name(slot_id))


def find_slot(slots: SlotList, name: str, *, doing: str) -> bytes:
    """The id that name is, or is the only beginning of. Damaged slots count too.

    Raises UsageError, SourceError when there is none.
    """
    ids = [slot.slot_id.hex() for slot in slots.good] + [slot_id for slot_id, _ in slots.bad]
    wanted = name.lower()
    if not set(wanted) <= set("0123456789abcdef") or len(wanted) < PREFIX_MIN:
        raise UsageError(
            f"{doing}: {name!r} names no slot: it takes at least {PREFIX_MIN} digits of its id",
            hint='"strongroom key list" shows them',
        )
    found = [slot_id for slot_id in ids if slot_id.startswith(wanted)]
    if not found:
        raise SourceError(
            f"{doing}: there is no slot {name}", hint='"strongroom key list" shows them'
        )
    if len(found) > 1:
        raise UsageError(f"{doing}: {len(found)} slots begin with {name}: give more digits")
    return bytes.fromhex(found[0])


def _put_slot(
    store: Store, config: Config, root: RootKey, password: Password, *, created: int, doing: str
) -> Slot:
    return put_slot(store, make_slot(password, config.repo_id, root, created=created), doing=doing)


def put_slot(store: Store, stored: bytes, *, doing: str) -> Slot:
    """Store a slot that was made, under its id."""
    slot = parse_slot(stored, doing=doing)
    try:
        store.put(slot_name(slot.slot_id), stored)
    except TargetError as error:
        raise TargetError(f"{doing}: {error}", hint=error.hint) from None
    return slot


def _read_slot(store: Store, config: Config, name: str, *, doing: str) -> Slot:
    slot_id = name.removeprefix(PREFIX)
    doing = f"{doing}: key slot {slot_id}"
    slot = parse_slot(store.get(name, limit=SLOT_LEN_MAX), doing=doing)
    if slot.slot_id.hex() != slot_id or slot.repo_id != config.repo_id:
        raise DamagedError(f"{doing}: it belongs elsewhere")
    return slot
