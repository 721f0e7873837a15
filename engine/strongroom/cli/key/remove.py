"""strongroom key remove"""

from __future__ import annotations

import click

from strongroom.cli.console import Console
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.cli.vaulted import connect, credential_of, vault
from strongroom.errors import UsageError
from strongroom.keys.slot import SLOT_VAULT
from strongroom.repository.slots import find_slot, read_slots, remove_slot
from strongroom.repository.unlock import Unlocked, unlock
from strongroom.stores.local import LocalStore


@click.command("remove")
@click.argument("slot")
@click.option("--force", is_flag=True, help="With --key-file: also the last slot.")
@with_repository
@with_secret
@with_console
def command(
    *, slot: str, store: LocalStore, secret: SecretOptions, force: bool, console: Console
) -> None:
    """Remove a key slot, named by its id or the first digits of it.

    The last way in stays: the only slot goes only with --force, from someone who shows by
    --key-file that they have the digits. A copy of a password slot that someone made still opens
    with its password. What a vault slot stands for is destroyed at the vault, with --token-file;
    with --force and without it only the slot goes.

    \b
    strongroom key remove -r /mnt/backup 1f03
    """
    doing = f"removing a key slot of {store.url}"
    unlocked = unlock(store, credential_of(store, secret, console, doing=doing), doing=doing)
    slots = read_slots(store, unlocked.config, doing=doing)
    found = find_slot(slots, slot, doing=doing)
    kind = {other.slot_id: other.kind for other in slots.good}.get(found)
    left = [
        other
        for other in slots.good
        if other.slot_id != found and not kind == other.kind == SLOT_VAULT
    ]
    if not left and not (force and unlocked.slot_id is None):
        raise UsageError(
            f"{doing}: it is the last way in",
            hint="add another password first; to have none, pass --key-file and --force",
        )
    vaulted = {other.slot_id for other in slots.good if other.kind == SLOT_VAULT}
    if found in vaulted:
        _leave_vault(store, secret, unlocked, force=force, doing=doing)
    for slot_id in sorted(vaulted) if found in vaulted else [found]:
        remove_slot(store, slot_id)
    console.say(f"{store.url}: removed key slot {found.hex()}")
    console.emit(repository=store.url, removed=found.hex())


def _leave_vault(
    store: LocalStore, secret: SecretOptions, unlocked: Unlocked, *, force: bool, doing: str
) -> None:
    """Have the vault destroy what it holds, unless that is not wanted."""
    if force and (secret.vault is None or secret.vault.token_file is None):
        return
    vault().revoke(connect(store, secret.vault, doing=doing), unlocked.root)
