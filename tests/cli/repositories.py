"""Repositories for the command line, as quick to open as the format allows."""

from __future__ import annotations

from pathlib import Path

from strongroom import KdfParameters, Password, RootKey
from strongroom.keys.slot import parse_slot
from strongroom.repository.create import create_repository
from strongroom.repository.slots import add_slot
from strongroom.repository.unlock import unlock
from strongroom.stores.local import LocalStore

PASSWORD = "correct horse battery"
CHEAPEST = KdfParameters(64 * 1024, 3, 1)


def make_repository(folder: Path, key: RootKey, *passwords: str) -> LocalStore:
    """A repository for key with a slot for each password, the oldest first."""
    store = LocalStore(folder)
    config = create_repository(store, key, doing="testing")
    for created, password in enumerate(passwords, start=1_700_000_000):
        cheap = Password(password, kdf=CHEAPEST)
        add_slot(store, config, key, cheap, created=created, doing="testing")
    return store


def slots_of(store: LocalStore) -> list[str]:
    """Ids, the oldest first."""
    slots = [parse_slot(store.get(name), doing="testing") for name in store.list("keys/")]
    return [slot.slot_id.hex() for slot in sorted(slots, key=lambda slot: slot.created)]


def is_opened_by(store: LocalStore, password: str, key: RootKey) -> bool:
    """Does that password give that key? Raises WrongKeyError if it gives none."""
    return unlock(store, Password(password), doing="testing").root == key


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
