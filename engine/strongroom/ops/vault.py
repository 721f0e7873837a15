"""A repository and its vault: who may be asked, what is stored, in which order."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from strongroom.errors import DamagedError, LimitError, ObjectMissingError, UsageError
from strongroom.keys.password import Password
from strongroom.keys.rootkey import RootKey
from strongroom.keys.slot import SLOT_PASSWORD, SLOT_VAULT
from strongroom.keys.vault_slot import VaultPlace, make_vault_slot, read_vault_slot
from strongroom.repository.config import Config, read_config
from strongroom.repository.slots import SLOTS_MAX, SlotList, put_slot, read_slots, slot_name
from strongroom.stores import Store
from strongroom.vault.client.address import Addresses, fingerprint, parse_address
from strongroom.vault.client.chain import read_chain
from strongroom.vault.client.derive import owner_key, public_of
from strongroom.vault.client.endpoint import CodeError, Endpoint
from strongroom.vault.client.enrol import active_record, destroy, enrol, revoke_pending, state_of
from strongroom.vault.client.guess import Guessing, begin_guess
from strongroom.vault.client.pins import Pins, read_pins
from strongroom.vault.client.words import before_guess, strangers
from strongroom.vault.messages import Event, LogEntry
from strongroom.vault.wire import Code


@dataclass(frozen=True, slots=True)
class Account:
    """What says which vault, and who asks."""

    url: str | None
    """None: the one this machine has pinned."""
    token: str
    certificate: str | None
    """PEM, the only one to trust; None: the pinned one, or those the system trusts."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The vault slots of a repository, as one."""

    place: VaultPlace
    slot_ids: tuple[bytes, ...]
    naming: tuple[frozenset[bytes], ...]
    """The records that each of them names."""

    def surplus(self, active: bytes) -> tuple[bytes, ...]:
        """Those that are not needed to get at the active record; none where none names it."""
        named = zip(self.slot_ids, self.naming, strict=True)
        needed = [slot_id for slot_id, records in named if active in records][-1:]
        return tuple(slot_id for slot_id in self.slot_ids if needed and slot_id != needed[0])


@dataclass(frozen=True, slots=True)
class Connection:
    """A repository's vault, which may be told the token."""

    config: Config
    stored: Stored
    endpoint: Endpoint
    pins: Pins


def connect(store: Store, account: Account, *, doing: str) -> Connection:
    """The vault that the repository names, if it is the one that was named or pinned here.

    Raises UsageError, DamagedError where somebody may have written the slot to get at the token.
    """
    config = read_config(store, doing=doing)
    stored = stored_vault(read_slots(store, config, doing=doing), doing=doing)
    if stored is None:
        raise UsageError(
            f"{doing}: this repository has no vault slot", hint="strongroom key add-vault makes one"
        )
    pins = read_pins(config.repo_id)
    place = stored.place
    address, owner = _trusted(account, pins, doing=doing)
    if address.named_in(place.url) != set(address.each):
        raise DamagedError(
            f"{doing}: the repository names the vault {place.url}, not {address.url}; neither was "
            "told anything",
            hint="who stores the repository may have written that; check with your recovery sheet",
        )
    if owner not in (None, fingerprint(place.owner_pk)):
        raise DamagedError(
            f"{doing}: the vault slot was signed by {fingerprint(place.owner_pk)}, not by {owner}",
            hint="who stores the repository may have written it; use --key-file",
        )
    certificate = account.certificate or pins.certificate
    endpoint = Endpoint(address, account.token, certificate=certificate)
    return Connection(config, stored, endpoint, pins)


def recover(
    connection: Connection,
    password: Callable[[], Password],
    *,
    tell: Callable[[str], None],
    remember: bool,
    doing: str,
) -> RootKey:
    """The root key, by one guess. tell is told what it costs before password is asked for.

    Raises WrongKeyError, CodeError, UnreachableError, DamagedError.
    """
    place = connection.stored.place
    guessing: Guessing = begin_guess(connection.endpoint, place, connection.pins, doing=doing)
    records = {record_id for record_id, _ in place.records}
    for line in (
        *before_guess(guessing.offer),
        *strangers(state_of(connection.endpoint), records),
    ):
        tell(line)
    root, pins = guessing.guess(password(), remember=remember, doing=doing)
    right = connection.config.belongs_to(root)
    if not right or public_of(owner_key(root, place.vault_id)) != place.owner_pk:
        raise DamagedError(f"{doing}: the vault holds the key of another repository")
    _pinned(pins, connection.endpoint, place).write()
    return root


def register(
    store: Store,
    root: RootKey,
    account: Account,
    password: Password,
    *,
    doing: str,
) -> tuple[bytes, VaultPlace]:
    """Put root behind password at a vault, in place of what is there: the slot's id, and what it
    says. Whatever interrupts it, the old password or the new one opens, never neither.

    Raises UsageError, LimitError, CodeError, UnreachableError, DamagedError.
    """
    config = read_config(store, doing=doing)
    pins = read_pins(config.repo_id)
    address, named = _trusted(account, pins, doing=doing)
    endpoint = Endpoint(address, account.token, certificate=account.certificate or pins.certificate)
    stored = _with_room(store, config, endpoint, doing=doing)
    enrolment = enrol(endpoint, root, password, doing=doing)
    if named not in (None, fingerprint(enrolment.owner_pk)):
        raise DamagedError(
            f"{doing}: at this vault the owner is {fingerprint(enrolment.owner_pk)}, not {named}; "
            "nothing was stored",
            hint="it is another vault, or another key, than the one your sheet names; if that was "
            f"announced, delete {pins.path}",
        )
    name = enrolment.name
    record = (name.record_id, name.server_key)
    place = VaultPlace(name.vault_id, enrolment.owner_pk, address.url, (record,))
    owner = owner_key(root, name.vault_id)

    def put(place: VaultPlace) -> bytes:
        made = make_vault_slot(place, config.repo_id, owner, created=int(time.time()))
        return put_slot(store, made, doing=doing).slot_id

    if stored is None:
        slot_id = put(place)
        enrolment.confirm()
    else:
        both = put(replace(place, records=(_present(stored, endpoint), record)))
        _delete(store, stored.slot_ids)
        enrolment.confirm()
        slot_id = put(place)
        _delete(store, (both,))
    _pinned(replace(pins, wrong=()), endpoint, place).write()
    return slot_id, place


def revoke(connection: Connection, root: RootKey) -> None:
    """Have the vault destroy what the repository's slot names. Raises CodeError, …"""
    records = {record_id for record_id, _ in connection.stored.place.records}
    try:
        destroy(connection.endpoint, root, records)
    except CodeError as error:
        if error.code != Code.NO_RECORD:
            raise
    with suppress(FileNotFoundError):
        connection.pins.path.unlink()


def revoke_request(connection: Connection, root: RootKey) -> bool:
    """Have the vault drop a registration that is not confirmed; whether there was one. Raises
    CodeError, UnreachableError."""
    return revoke_pending(connection.endpoint, root)


def owners_log(connection: Connection, *, doing: str) -> list[tuple[LogEntry, str]]:
    """The account's log, checked, each entry with the name of its event; this machine remembers
    how far it was. Raises DamagedError, CodeError, UnreachableError."""
    entries = read_chain(connection.endpoint, connection.pins, doing=doing)
    if entries:
        last = entries[-1]
        pins = replace(connection.pins, log_seq=last.seq, log_head=last.hash.hex())
        _pinned(pins, connection.endpoint, connection.stored.place).write()
    return [(entry, _event(entry.event)) for entry in entries]


def stored_vault(slots: SlotList, *, doing: str) -> Stored | None:
    """What the vault slots say; several are what a change of password leaves that was cut short.

    Raises DamagedError where they contradict each other.
    """
    found = [
        (slot.slot_id, read_vault_slot(slot, doing=doing))
        for slot in slots.good
        if slot.kind == SLOT_VAULT
    ]
    if not found:
        return None
    first = found[0][1]
    records: dict[tuple[bytes, bytes], None] = {}
    urls: dict[str, None] = {}
    for _, place in found:
        _check_url(place, doing=doing)
        if (place.owner_pk, place.vault_id) != (first.owner_pk, first.vault_id):
            raise DamagedError(f"{doing}: its vault slots contradict each other")
        records.update(dict.fromkeys(place.records))
        urls.update(dict.fromkeys(place.url.split(",")))
    return Stored(
        replace(first, url=",".join(urls), records=tuple(records)),
        tuple(slot_id for slot_id, _ in found),
        tuple(frozenset(record_id for record_id, _ in place.records) for _, place in found),
    )


def check_alone(store: Store, config: Config, *, doing: str) -> None:
    """Raise UsageError where a password slot would void what the vault is there for."""
    slots = read_slots(store, config, doing=doing)
    if any(slot.kind == SLOT_PASSWORD for slot in slots.good):
        raise UsageError(
            f"{doing}: beside a password slot the vault's limit on guesses is worth nothing: who "
            "stores the repository can guess that password offline, as often as they like",
            hint='remove it ("strongroom key remove", with --key-file and --force if it is the '
            "last), or pass --force to have both",
        )


def _trusted(account: Account, pins: Pins, *, doing: str) -> tuple[Addresses, str | None]:
    """Where the token may go, and the fingerprint of the owner if it is known. The repository is
    not asked: who stores it can put back a slot of before, which was signed well."""
    pinned = fingerprint(bytes.fromhex(pins.owner_pk)) if pins.owner_pk else None
    if account.url is not None:
        address, given = parse_address(account.url)
        same = bool(pins.url and address.named_in(pins.url))
        return address, given or (pinned if same else None)
    if not pins.url:
        raise UsageError(
            f"{doing}: this machine knows no vault of this repository",
            hint="pass its address: --vault URL, as it stands on your recovery sheet",
        )
    return parse_address(pins.url)[0], pinned


def _pinned(pins: Pins, endpoint: Endpoint, place: VaultPlace) -> Pins:
    return replace(
        pins,
        url=endpoint.address.url,
        owner_pk=place.owner_pk.hex(),
        certificate=endpoint.certificate,
    )


def _with_room(store: Store, config: Config, endpoint: Endpoint, *, doing: str) -> Stored | None:
    """The vault slots, beside which there is room for what a registration stores. Slots that
    changes left which were cut short go, where they are in the way.

    Raises UsageError where the slots name another vault, LimitError, CodeError, UnreachableError.
    """
    slots = read_slots(store, config, doing=doing)
    stored = stored_vault(slots, doing=doing)
    if stored is not None and not endpoint.address.named_in(stored.place.url):
        raise UsageError(
            f"{doing}: it has a vault already, {stored.place.url}",
            hint='"strongroom key remove" of that slot makes room for another',
        )
    if stored is not None and slots.total > SLOTS_MAX:
        _delete(store, stored.surplus(active_record(endpoint)))
        slots = read_slots(store, config, doing=doing)
        stored = stored_vault(slots, doing=doing)
    # A change needs room for one more, and only while it lasts.
    if slots.total >= SLOTS_MAX + (stored is not None):
        raise LimitError(
            f"{doing}: there are {slots.total} key slots already",
            hint='"strongroom key remove" makes room',
        )
    return stored


def _check_url(place: VaultPlace, *, doing: str) -> None:
    """Raise DamagedError where it is none: not its owner wrote that."""
    try:
        parse_address(place.url)
    except UsageError as error:
        raise DamagedError(f"{doing}: its vault slot names no vault: {error}") from None


def _present(stored: Stored, endpoint: Endpoint) -> tuple[bytes, bytes]:
    """Of the records in the slot the one that the vault answers for: the last one need not be, if a
    change was cut short before it was confirmed."""
    active = active_record(endpoint)
    found = [record for record in stored.place.records if record[0] == active]
    return found[0] if found else stored.place.records[-1]


def _delete(store: Store, slot_ids: tuple[bytes, ...]) -> None:
    for slot_id in slot_ids:
        with suppress(ObjectMissingError):
            store.delete(slot_name(slot_id))


def _event(number: int) -> str:
    try:
        return Event(number).name.lower()
    except ValueError:
        return f"event {number}"
