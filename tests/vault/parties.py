"""An owner, and others, who speak to the rules themselves, without a network between."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.vault import messages, statements, wire
from strongroom.vault.client.derive import RecordName, public_of, reset_key
from strongroom.vault.opaque import Login, Registration
from strongroom.vault.server import owner, recover, register
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.core import Core, found
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import TAG_LEN, Keeper, generation_of
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.rotation import rotate
from strongroom.vault.server.rows import Record, User
from strongroom.vault.server.sqlite import SqliteStore
from strongroom.vault.server.witness import NoWitness, Witness
from strongroom.vault.wire import Code

PASSWORD = "granite otter velvet lantern"
BEGUN = 1_800_000_000
NO_DELAYS = Policy(delays=(0,))


@dataclass
class Times:
    """A clock that tests turn."""

    wall: float = BEGUN
    uptime: float = 100.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.uptime)


@dataclass
class House:
    """A vault on disk, opened by as many processes as a test likes."""

    folder: Path
    times: Times = field(default_factory=Times)
    policy: Policy = NO_DELAYS
    witness: Witness = field(default_factory=NoWitness)
    keeper: Keeper = None  # type: ignore[assignment] # None: keys in a file

    def __post_init__(self) -> None:
        if self.keeper is None:
            path = self.folder / "vault.key"
            self.keeper = Keeper([FileKeys(path) if path.exists() else FileKeys.make(path)])
        if not self.database.exists():
            with closing(SqliteStore(self.database)) as store:
                found(store, self.keeper)
        self.core = self.open()

    @property
    def database(self) -> Path:
        return self.folder / "vault.db"

    def open(self) -> Core:
        """As another process would."""
        store = SqliteStore(self.database)
        clock = self.times.clock()
        return Core(store, self.keeper, policy=self.policy, clock=clock, witness=self.witness)

    def user(self, ref: bytes) -> User:
        found = self.core.transact(lambda ledger: ledger.user(ref))
        assert found is not None
        return found

    def record(self, ref: bytes, record_id: bytes) -> Record:
        return self.core.transact(
            lambda ledger: ledger.record(ledger.user(ref), record_id)  # type: ignore[arg-type]
        )

    def everything(self) -> bytes:
        """All bytes that lie on the disk."""
        return b"".join(p.read_bytes() for p in self.folder.glob("vault.db*"))


@dataclass
class Person:
    """Someone with the account's token. Passwords are those that OPAQUE gets."""

    core: Core
    account: str = "anna"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    wrapped: bytes = field(default_factory=lambda: secrets.token_bytes(wire.WRAPPED_LEN))

    @property
    def ref(self) -> bytes:
        return self.core.user_ref(self.account)

    def register(self, password: str, *, delayed: bool = False) -> Registering:
        """As far as PENDING."""
        asked = messages.RegisterBegin(wire.SUITE, 64 * 1024, 3, 4, delayed)
        made = Registering(self, register.begin(self.core, self.ref, asked), password)
        made.upload()
        return made

    def registered(self, password: str) -> bytes:
        """The id of a new, active record."""
        made = self.register(password)
        made.confirm()
        return made.opened.record_id

    def offer(self, record_id: bytes = wire.NO_ID) -> messages.Offer:
        return recover.begin(self.core, self.ref, messages.RecoverBegin(record_id))

    def guess(self, password: str, record_id: bytes = wire.NO_ID) -> Guess:
        """Charged and answered."""
        guess = Guess(self, self.offer(record_id), password)
        guess.ask()
        return guess

    def order(self, act: Callable[..., bytes], record_id: bytes) -> None:
        state = owner.owned(self.core, self.ref, messages.Nothing())
        verb = act.__name__.encode()
        order = messages.OwnerOrder(record_id, state.sequence, bytes(64))
        statement = statements.statement_order(verb, state.vault_id, state.user, order)
        act(
            self.core,
            self.ref,
            messages.OwnerOrder(record_id, state.sequence, self.key.sign(statement)),
        )

    def log(self) -> list[messages.LogEntry]:
        found = owner.log(self.core, self.ref, messages.LogFrom(0))
        size = messages.LogEntry.LAYOUT.size
        return [messages.LogEntry.unpack(found[i : i + size]) for i in range(0, len(found), size)]


@dataclass
class Registering:
    person: Person
    opened: messages.Opened
    password: str
    export_key: bytes = b""

    @property
    def name(self) -> RecordName:
        return RecordName(self.opened.vault_id, self.opened.record_id, self.opened.server_key)

    def upload(self) -> None:
        person, registration = self.person, Registration(self.password)
        asked = messages.RegisterRequest(self.opened.record_id, registration.request)
        response = register.request(person.core, person.ref, asked)
        upload, self.export_key, server_key = registration.finish(response)
        assert server_key == self.opened.server_key
        self.send(upload)

    def send(self, upload: bytes) -> None:
        person = self.person
        reset_pk = public_of(reset_key(self.export_key, self.name))
        unsigned = (self.opened.record_id, upload, person.wrapped, public_of(person.key), reset_pk)
        statement = statements.statement_register(
            self.opened, messages.RegisterFinish(*unsigned, proof=bytes(64))
        )
        self.sent = messages.RegisterFinish(*unsigned, proof=person.key.sign(statement))
        self.pending = register.finish(person.core, person.ref, self.sent)

    def log_in(self, password: str | None = None) -> messages.Confirming:
        self.login = Login(self.password if password is None else password)
        self.hash = wire.hash_of(self.login.ke1)
        signature = self._sign(b"")
        asked = messages.ConfirmBegin(self.opened.record_id, self.login.ke1, signature)
        self.answer = register.confirm_begin(self.person.core, self.person.ref, asked)
        return self.answer

    def confirm(self) -> None:
        self.log_in()
        assert self.login.finish(self.answer.ke2) == self.export_key
        assert self.answer.wrapped == self.person.wrapped
        self.finish()

    def finish(self) -> None:
        asked = messages.ConfirmFinish(self.opened.record_id, self._sign(self.answer.nonce))
        register.confirm_finish(self.person.core, self.person.ref, asked)

    def _sign(self, nonce: bytes) -> bytes:
        statement = statements.statement_confirm(
            self.opened.vault_id, self.opened.record_id, self.hash, nonce
        )
        return reset_key(self.export_key, self.name).sign(statement)


@dataclass
class Guess:
    person: Person
    offer: messages.Offer
    password: str

    def __post_init__(self) -> None:
        self.login = Login(self.password)

    @property
    def name(self) -> RecordName:
        return RecordName(self.offer.vault_id, self.offer.record_id, self.offer.server_key)

    def message(self, **changes: Any) -> messages.RecoverAttempt:
        fields = {
            "record_id": self.offer.record_id,
            "token": self.offer.token,
            "ke1": self.login.ke1,
        }
        return messages.RecoverAttempt(**{**fields, **changes})

    def ask(self, core: Core | None = None) -> messages.Answered:
        core = core or self.person.core
        self.answer = recover.attempt(core, self.person.ref, self.message())
        return self.answer

    def is_right(self) -> bool:
        """Costs an Argon2id."""
        self.export_key = self.login.finish(self.answer.ke2)
        return True

    def release(self, core: Core | None = None) -> bytes:
        """Needs is_right first."""
        statement = statements.statement_recover(
            self.offer.vault_id,
            self.offer.record_id,
            self.answer.attempt,
            wire.hash_of(self.login.ke1),
            self.answer.nonce,
        )
        signature = reset_key(self.export_key, self.name).sign(statement)
        return self.finish(signature, core).wrapped  # type: ignore[union-attr]

    def give_up(self) -> None:
        self.finish(bytes(64))

    def finish(self, signature: bytes, core: Core | None = None) -> messages.Released | bytes:
        asked = messages.RecoverFinish(self.offer.record_id, self.answer.attempt, signature)
        return recover.finish(core or self.person.core, self.person.ref, asked)


def rows(house: House) -> dict[str, bytes]:
    with closing(sqlite3.connect(house.database)) as database:
        return dict(database.execute("SELECT name, row FROM rows").fetchall())


def put(house: House, name: str, row: bytes) -> None:
    with closing(sqlite3.connect(house.database)) as database, database:
        database.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (name, row))


def name_of(house: House, beginning: str) -> str:
    (name,) = [name for name in rows(house) if name.startswith(beginning)]
    return name


def turned(house: House) -> int:
    """How many damaged rows there were."""
    return rotate(house.core, tell=lambda _words: None)


def generations(core: Core) -> set[int]:
    """Of all that is written and sealed."""
    found = set()
    for name, row in (each for page in core.store.dump() for each in page):
        found.add(generation_of(row[-TAG_LEN:]))
        if name.startswith("record/"):
            found.add(generation_of(Record.unpack(row[2:-TAG_LEN]).sealed_setup))
    return found


def recovers(person: Person, password: str = PASSWORD) -> None:
    guess = person.guess(password)
    assert guess.is_right()
    assert guess.release() == person.wrapped


def refused(code: Code, act: Callable[[], object]) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        act()
    assert caught.value.code == code
    return caught.value


def left(house: House, person: Person) -> int:
    return house.user(person.ref).left
