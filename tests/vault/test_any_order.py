"""Messages in any order, and any number of times, against a plain count of what they may cost."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from strongroom.vault.messages import RecoverFinish, RegisterBegin
from strongroom.vault.opaque import Login
from strongroom.vault.server import recover, register
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.wire import SUITE
from vault.parties import PASSWORD, Guess, House, Person

ATTEMPTS = 10
pick = st.integers(0, 3)


class Guessing(RuleBasedStateMachine):
    """Someone with the token, who tries everything; and the owner, who comes back."""

    @initialize()
    def begin(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.house = House(Path(self._folder.name))
        self.anna = Person(self.house.core)
        self.anna.registered(PASSWORD)
        self.guesses: list[Guess] = []
        self.other = self.house.open()
        self.answered: set[bytes] = set()
        self.since_success = self.since_proof = 0

    def teardown(self) -> None:
        for core in (self.house.core, self.other):
            core.store.close()
        self._folder.cleanup()

    @rule()
    def ask_for_an_offer(self) -> None:
        try:
            offer = self.anna.offer()
        except RefusalError:
            return
        self.guesses.append(Guess(self.anna, offer, "wrong"))

    @rule(n=pick)
    def guess(self, n: int) -> None:
        """Any of the newest, whether it was made before or not."""
        if self.guesses:
            self._ask(self.guesses[-1 - n % len(self.guesses)])

    @rule(n=pick)
    def guess_something_else(self, n: int) -> None:
        if self.guesses:
            guess = self.guesses[-1 - n % len(self.guesses)]
            guess.login = Login("wrong")
            self._ask(guess)

    def _ask(self, guess: Guess) -> None:
        try:
            guess.ask()
        except RefusalError:
            return
        if guess.login.ke1 not in self.answered:
            self.answered.add(guess.login.ke1)
            self.since_success += 1
            self.since_proof += 1

    @rule(n=pick, signature=st.sampled_from([bytes(64), b"\1" * 64]))
    def finish(self, n: int, signature: bytes) -> None:
        made = [guess for guess in self.guesses if hasattr(guess, "answer")]
        if made:
            guess = made[-1 - n % len(made)]
            asked = RecoverFinish(guess.offer.record_id, guess.answer.attempt, signature)
            try:
                assert recover.finish(self.house.core, self.anna.ref, asked) == b""
            except RefusalError:
                return

    @rule()
    def register_anew(self) -> None:
        asked = RegisterBegin(SUITE, 64 * 1024, 3, 4, delayed=True)
        register.begin(self.house.core, self.anna.ref, asked)

    @rule(seconds=st.sampled_from([1, 500, 700, 10**6]))
    def wait(self, seconds: int) -> None:
        self.house.times.pass_by(seconds)

    @rule()
    def restart(self) -> None:
        self.house.core.store.close()
        self.anna.core = self.house.core = self.house.open()

    @rule()
    def go_on_at_another_process(self) -> None:
        self.house.core, self.other = self.other, self.house.core
        self.anna.core = self.house.core

    @rule()
    def owner_comes_back(self) -> None:
        try:
            guess = self.anna.guess(PASSWORD)
        except RefusalError:
            return
        assert guess.is_right()
        assert guess.release() == self.anna.wrapped
        self.since_success = 0

    @rule()
    def owner_registers_anew(self) -> None:
        self.anna.registered(PASSWORD)
        self.since_success = self.since_proof = 0

    @invariant()
    def what_was_answered_was_charged(self) -> None:
        if hasattr(self, "house"):
            user = self.house.user(self.anna.ref)
            assert user.left == ATTEMPTS - self.since_success
            assert user.lifetime == self.since_proof
            assert self.since_success <= ATTEMPTS


TestGuessing = Guessing.TestCase
TestGuessing.settings = settings(max_examples=8, stateful_step_count=30, deadline=None)
