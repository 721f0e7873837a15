"""From a credential to a repository's root key."""

from __future__ import annotations

from typing import NamedTuple

from strongroom.errors import DamagedError, StrongroomError, WrongKeyError
from strongroom.keys.envelope import Credential
from strongroom.keys.password import Password
from strongroom.keys.rootkey import RootKey
from strongroom.keys.schedule import RepositoryKeys
from strongroom.keys.slot import SLOT_PASSWORD, SLOT_VAULT, open_slot
from strongroom.repository.config import Config, read_config
from strongroom.repository.slots import SlotList, read_slots
from strongroom.stores import Store


class Unlocked(NamedTuple):
    """A repository's keys, and how they were had."""

    config: Config
    root: RootKey
    keys: RepositoryKeys
    slot_id: bytes | None
    """The slot whose password was given; None for the key itself."""


def unlock(
    store: Store, credential: Credential, *, config: Config | None = None, doing: str
) -> Unlocked:
    """The keys, from the 64 digits or the password of any slot.

    config: what to take for its config, if that was read already.

    Raises NoRepositoryError, WrongKeyError, DamagedError, UnsupportedError, LimitError.
    """
    config = read_config(store, doing=doing) if config is None else config
    if isinstance(credential, RootKey):
        return Unlocked(config, credential, config.keys(credential, doing=doing), None)
    root, slot_id = _try_slots(read_slots(store, config, doing=doing), credential, doing=doing)
    if not config.belongs_to(root):
        raise DamagedError(f"{doing}: key slot {slot_id.hex()} holds the key of another repository")
    return Unlocked(config, root, config.keys(root, doing=doing), slot_id)


def _try_slots(slots: SlotList, password: Password, *, doing: str) -> tuple[RootKey, bytes]:
    """The root key and the slot it was in. One Argon2id a slot."""
    failed: list[StrongroomError] = [error for _, error in slots.bad]
    tried = [slot for slot in slots.good if slot.kind == SLOT_PASSWORD]
    for slot in tried:
        try:
            return open_slot(slot, password, doing=doing), slot.slot_id
        except WrongKeyError:
            continue
        except StrongroomError as error:
            failed.append(error)
    if failed:
        # The gravest: what is damaged may be the very slot that the password is for.
        raise min(failed, key=lambda error: error.exit_code)
    if not tried:
        vaulted = any(slot.kind == SLOT_VAULT for slot in slots.good)
        other = ", or --vault with --token-file" if vaulted else ""
        raise WrongKeyError(
            f"{doing}: this repository has no password",
            hint=f"pass its 64 digits with --key-file{other}",
        )
    raise WrongKeyError(
        f"{doing}: wrong password",
        hint="check the password, or pass the repository's 64 digits with --key-file",
    )
