"""Users who all guess at once, rightly and wrongly, at several processes; and what they saw."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.errors import UnreachableError
from strongroom.vault.client.address import parse_address
from strongroom.vault.client.derive import RecordName, reset_key
from strongroom.vault.client.endpoint import CodeError, Endpoint
from strongroom.vault.fields import Fields
from strongroom.vault.messages import (
    Answered,
    Offer,
    RecoverAttempt,
    RecoverBegin,
    RecoverFinish,
    Released,
)
from strongroom.vault.opaque import Login
from strongroom.vault.server.core import Core
from strongroom.vault.statements import statement_recover
from strongroom.vault.wire import NO_ID, Code, hash_of
from vault.cluster import wait_until
from vault.parties import Person

HISTORY = Path(__file__).with_name("history.py")
RIGHT, WRONG = "granite otter", "wrong"


class LostError(Exception):
    """Nobody knows whether it was done."""


@dataclass
class Load:
    """Its history grows while it runs."""

    core: Core
    urls: list[str]
    attempts: int = 10
    events: list[dict[str, Any]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    people: dict[str, Person] = field(default_factory=dict)

    def add(self, user: str, token: str) -> User:
        person = self.people[user] = Person(self.core, user)
        person.registered(RIGHT)
        return User(self, user, token)

    def count(self, op: str, outcome: str) -> int:
        return sum((each["op"], each.get("outcome")) == (op, outcome) for each in self.events)

    def more(self, op: str = "release", outcome: str = "released", by: int = 6) -> None:
        """Until there are so many more."""
        before = self.count(op, outcome)
        wait_until(lambda: self.count(op, outcome) >= before + by)

    def judged(self, path: Path) -> tuple[int, str]:
        """What the checker says of it: 0 and nothing, if all is well."""
        with path.open("w") as file:
            for event in ({"op": "rules", "attempts": self.attempts}, *self.events, *self._logs()):
                print(json.dumps(event), file=file)
        words = [sys.executable, HISTORY, path]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert not done.stderr
        return done.returncode, done.stdout

    def _logs(self) -> Iterator[dict[str, Any]]:
        for user, person in self.people.items():
            entries = [entry.pack().hex() for entry in self._entries(person.ref)]
            yield {"op": "log", "user": user, "entries": entries}

    def _entries(self, ref: bytes) -> list[Any]:
        found = self.core.transact(lambda ledger: ledger.user(ref))
        assert found is not None
        return self.core.transact(lambda ledger: ledger.entries(found, 0, 10**6))


@dataclass
class User:
    """Someone on one machine; more machines of one person are more of these."""

    load: Load
    name: str
    token: str
    at: int = 0

    def again_and_again(self, *passwords: str) -> None:
        """Until it is stopped, or no attempt is left. It tries all again that was lost."""
        while not self.load.stopping.is_set():
            for password in passwords:
                try:
                    self.guess(password)
                except CodeError as error:
                    if error.code in (Code.SPENT, Code.DESTROYED):
                        return
                except LostError:
                    if self.load.stopping.is_set():
                        return

    def guess(self, password: str) -> None:
        known = {"op": "offer"}
        begin, offer = self._until_known("recover/begin", RecoverBegin(NO_ID), Offer, known)
        seen = {"seq": offer.log_seq, "head": offer.log_head.hex()}
        self._note(begin, "answered", **known, **seen)
        login = Login(password)
        asked = RecoverAttempt(offer.record_id, offer.token, login.ke1)
        known = {"op": "guess", "ke1": hash_of(login.ke1).hex()}
        begin, answer = self._until_known("recover/attempt", asked, Answered, known)
        self._note(begin, "answered", **known)
        if password == RIGHT:
            self._finish(offer, login, answer)

    def _finish(self, offer: Offer, login: Login, answer: Answered) -> None:
        name = RecordName(offer.vault_id, offer.record_id, offer.server_key)
        hashed = hash_of(login.ke1)
        statement = statement_recover(
            offer.vault_id, offer.record_id, answer.attempt, hashed, answer.nonce
        )
        signature = reset_key(login.finish(answer.ke2), name).sign(statement)
        message = RecoverFinish(offer.record_id, answer.attempt, signature)
        known = {"op": "release", "ke1": hashed.hex()}
        begin, released = self._until_known("recover/finish", message, Released, known)
        assert released.wrapped == self.load.people[self.name].wrapped
        seen = {"seq": released.log_seq, "head": released.log_head.hex()}
        self._note(begin, "released", **known, **seen)

    def _until_known(
        self, verb: str, message: Fields, answer: type[Any], known: dict[str, str]
    ) -> tuple[float, Any]:
        """When it was asked, and the answer; by one process after the other, all of it noted."""
        while True:
            begin = time.monotonic()
            url = self.load.urls[self.at % len(self.load.urls)]
            endpoint = Endpoint(parse_address(url)[0], self.token, certificate=None)
            try:
                return begin, endpoint.call(verb, message, answer, again=False)
            except (UnreachableError, CodeError) as error:
                if isinstance(error, CodeError) and error.code != Code.UNAVAILABLE:
                    self._note(begin, "refused", **known)
                    raise
            self._note(begin, "lost", **known)
            self.at += 1
            if self.load.stopping.is_set():
                raise LostError

    def _note(self, begin: float, outcome: str, **more: Any) -> None:
        times = {"begin": begin, "end": time.monotonic()}
        self.load.events.append({"user": self.name, "outcome": outcome, **times, **more})


@contextmanager
def running(*work: tuple[User, tuple[str, ...]]) -> Iterator[None]:
    """While those make guesses with those passwords, over and over."""
    threads = [threading.Thread(target=user.again_and_again, args=how) for user, how in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        work[0][0].load.stopping.set()
        for thread in threads:
            thread.join()
