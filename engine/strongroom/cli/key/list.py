"""strongroom key list"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import click

from strongroom.cli.console import Console, put
from strongroom.cli.options import with_console, with_repository
from strongroom.errors import DamagedError
from strongroom.keys.slot import SLOT_PASSWORD, SLOT_VAULT, Slot
from strongroom.keys.vault_slot import read_vault_slot
from strongroom.repository.config import read_config
from strongroom.repository.slots import read_slots
from strongroom.stores.local import LocalStore

_KINDS: Final = {SLOT_PASSWORD: "password", SLOT_VAULT: "vault"}


@click.command("list")
@with_repository
@with_console
def command(*, store: LocalStore, console: Console) -> None:
    """Show the key slots of a repository; needs no key.

    \b
    strongroom key list -r /mnt/backup
    """
    doing = f"listing the keys of {store.url}"
    slots = read_slots(store, read_config(store, doing=doing), doing=doing)
    for slot in slots.good:
        _show(slot, console, doing=doing)
    if not slots.total:
        console.say("no key slots: only the 64 digits open this repository")
    for slot_id, error in slots.bad:
        console.fail(error, slot=slot_id)
    if slots.bad:
        raise DamagedError(f"{doing}: {len(slots.bad)} of {slots.total} could not be read", hint="")


def _show(slot: Slot, console: Console, *, doing: str) -> None:
    kind = _KINDS.get(slot.kind, f"unknown ({slot.kind})")
    created = _date(slot.created)
    kdf = slot.kdf
    more: dict[str, Any] = {}
    if kdf is not None:
        more = {"memory_kib": kdf.memory_kib, "passes": kdf.passes, "lanes": kdf.lanes}
    if slot.kind == SLOT_VAULT:
        more = {"url": read_vault_slot(slot, doing=doing).url}
    if console.as_json:
        console.emit(slot=slot.slot_id.hex(), kind=kind, created=created, **more)
    else:
        shown = more.get("url", kdf or "")
        put(f"{slot.slot_id.hex()}  {kind}  {created}  {shown}".rstrip())


def _date(seconds: int) -> str:
    """As ISO 8601; whoever made the slot may have said anything."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return "unknown"
