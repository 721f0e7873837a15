"""strongroom key remove"""

from __future__ import annotations

import click

from strongroom.cli.console import Console
from strongroom.cli.options import with_console, with_repository, with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.errors import UsageError
from strongroom.repository.slots import find_slot, read_slots, remove_slot
from strongroom.repository.unlock import unlock
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
    --key-file that they have the digits. A copy of the slot that someone made still opens with
    its password.

    \b
    strongroom key remove -r /mnt/backup 1f03
    """
    doing = f"removing a key slot of {store.url}"
    unlocked = unlock(store, secret.credential(console, confirm=False, piped=False), doing=doing)
    slots = read_slots(store, unlocked.config, doing=doing)
    found = find_slot(slots, slot, doing=doing)
    left = [other for other in slots.good if other.slot_id != found]
    if not left and not (force and unlocked.slot_id is None):
        raise UsageError(
            f"{doing}: it is the last way in",
            hint="add another password first; to have none, pass --key-file and --force",
        )
    remove_slot(store, found)
    console.say(f"{store.url}: removed key slot {found.hex()}")
    console.emit(repository=store.url, removed=found.hex())
