"""strongroom key change-password"""

from __future__ import annotations

import time

import click

from strongroom.cli.console import Console
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.secret_options import with_new_password, with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.cli.vaulted import account_of, credential_of, vault
from strongroom.errors import UsageError
from strongroom.keys.slot import SLOT_VAULT
from strongroom.keys.strength import check_strength
from strongroom.repository.slots import SlotList, find_slot, read_slots, replace_slot
from strongroom.repository.unlock import Unlocked, unlock
from strongroom.stores.local import LocalStore


@click.command("change-password")
@click.option("--slot", metavar="ID", help="The slot to change, if the key is given instead.")
@with_repository
@with_secret
@with_new_password
@with_console
def command(
    *,
    store: LocalStore,
    secret: SecretOptions,
    new: SecretOptions,
    slot: str | None,
    force: bool,
    console: Console,
) -> None:
    """Replace the password that is given by a new one.

    One key slot is written and the old one deleted; nothing else is touched. A copy of the old
    slot that someone made still opens with the old password. With --vault the password at the
    vault is replaced, and nothing is left there that the old one opens.

    \b
    strongroom key change-password -r /mnt/backup
    strongroom key change-password -r /mnt/backup --vault --token-file my.token
    strongroom key change-password -r /mnt/backup --key-file my.key --slot 1f03
    """
    doing = f"changing a password of {store.url}"
    unlocked = unlock(store, credential_of(store, secret, console, doing=doing), doing=doing)
    slots = read_slots(store, unlocked.config, doing=doing)
    vaulted = [other.slot_id for other in slots.good if other.kind == SLOT_VAULT]
    by_vault = secret.asks_vault and slot is None and len(vaulted) > 0
    old = vaulted[0] if by_vault else _which(slots, unlocked, slot, doing=doing)
    account = account_of(secret.vault) if old in vaulted else None
    password = new.new_password()
    if not force:
        check_strength(password)
    if account is not None:
        changed, _ = vault().register(store, unlocked.root, account, password, doing=doing)
    else:
        config, created = unlocked.config, int(time.time())
        changed = replace_slot(
            store, config, unlocked.root, password, old=old, created=created, doing=doing
        ).slot_id
    console.say(f"{store.url}: key slot {changed.hex()} in place of {old.hex()}")
    console.emit(repository=store.url, slot=changed.hex(), replaced=old.hex())


def _which(slots: SlotList, unlocked: Unlocked, slot: str | None, *, doing: str) -> bytes:
    """The slot that was named, or that the password opened, or the only one there is."""
    if slot is None and unlocked.slot_id is not None:
        return unlocked.slot_id
    if slot is not None:
        return find_slot(slots, slot, doing=doing)
    if slots.total == 0:
        raise UsageError(
            f"{doing}: there is none to change", hint='"strongroom key add-password" adds one'
        )
    if slots.total > 1 or not slots.good:
        raise UsageError(
            f"{doing}: which of {slots.total}? Name it with --slot, or give its password",
            hint='"strongroom key list" shows them',
        )
    return slots.good[0].slot_id
