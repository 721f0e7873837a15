"""strongroom key check"""

from __future__ import annotations

import click

from strongroom.cli.console import Console
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.cli.vaulted import credential_of
from strongroom.errors import DamagedError, WrongKeyError
from strongroom.keys.rootkey import RootKey
from strongroom.repository.config import Config, read_config
from strongroom.repository.diagnose import find_mistyping
from strongroom.repository.slots import read_slots
from strongroom.repository.unlock import unlock
from strongroom.stores.local import LocalStore


@click.command("check")
@with_repository
@with_secret
@with_console
def command(*, store: LocalStore, secret: SecretOptions, console: Console) -> None:
    """Check a key or password, and tell a mistyped key from a damaged repository.

    Exit code 0: it is the right one. 12: it is wrong; one wrong digit, or two that were swapped,
    are pointed out. 13: the repository's config or a key slot is damaged.

    \b
    strongroom key check -r /mnt/backup --key-file typed.key
    """
    doing = f"checking a key of {store.url}"
    config = _config(store, doing=doing)
    credential = credential_of(store, secret, console, doing=doing)
    if isinstance(credential, RootKey) and not config.belongs_to(credential):
        _explain(config, credential, doing=doing)
    unlocked = unlock(store, credential, doing=doing)
    slots = read_slots(store, config, doing=doing)
    for slot_id, error in slots.bad:
        console.fail(error, slot=slot_id)
    if slots.bad:
        raise DamagedError(
            f"{doing}: the key is right, but {len(slots.bad)} of {slots.total} key slots are not",
            hint='"strongroom key remove" removes them; "add-password" makes a new one',
        )
    console.say(f"{store.url}: the key is right")
    slot = None if unlocked.slot_id is None else unlocked.slot_id.hex()
    console.emit(repository=store.url, state="right", slot=slot)


def _config(store: LocalStore, *, doing: str) -> Config:
    try:
        return read_config(store, doing=doing)
    except DamagedError as error:
        raise DamagedError(
            f"{error}; whether the key is right cannot be told",
            hint="put back the file config from another copy of the repository",
        ) from None


def _explain(config: Config, root: RootKey, *, doing: str) -> None:
    """Raise WrongKeyError that says as much as can be known."""
    found = find_mistyping(config, root)
    if found is None:
        raise WrongKeyError(
            f"{doing}: wrong key, by more than one digit; the config is not damaged",
            hint="compare each group of four with your copy, or look for another repository's key",
        )
    groups = " and ".join(map(str, found.groups))
    raise WrongKeyError(
        f"{doing}: mistyped in group {groups}; the config is not damaged",
        hint=f"group {groups} should be {' '.join(found.right)}",
    )
