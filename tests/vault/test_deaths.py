"""A vault that is killed, or whose disk is full."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

from strongroom import Password, RootKey
from strongroom.errors import UnreachableError
from strongroom.vault import messages
from strongroom.vault.client.address import parse_address
from strongroom.vault.client.endpoint import CodeError, Endpoint
from strongroom.vault.client.enrol import enrol
from strongroom.vault.messages import Answered, Offer, RecoverAttempt, RecoverBegin
from strongroom.vault.opaque import Login
from strongroom.vault.wire import NO_ID
from vault.parties import PASSWORD, Guess, House, Person
from vault.service import served

DYING = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from strongroom.vault.server import recover
from strongroom.vault.server.config import read_config
from strongroom.vault.server.eventlog import EventLog
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.messages import RecoverAttempt
from vault.parties import Guess, House, Person

class Dying(Keeper):
    def unseal(self, sealed, context):
        os.kill(os.getpid(), 9)

house = House(Path(sys.argv[1]))
house.keeper.__class__ = Dying
person = Person(house.core)
recover.attempt(house.core, person.ref, RecoverAttempt.unpack(bytes.fromhex(sys.argv[2])))
print(sys.argv[3])
"""


def test_a_kill_between_charge_and_answer_leaves_the_charge_and_the_retry_is_free(
    house: House, anna: Person
) -> None:
    guess_at = anna.offer()
    assert guess_at.left == 10
    guess = Guess(anna, guess_at, PASSWORD)
    words = [house.folder, guess.message().pack().hex(), "answered", Path(__file__).parents[1]]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DYING), *map(str, words)],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b""), done.stderr
    after = Person(house.open(), key=anna.key)
    assert after.offer().left == 9
    assert after.log()[-1].event == messages.Event.CHARGED
    guess.ask(after.core)
    assert after.offer().left == 9
    assert guess.is_right()
    assert guess.release(after.core) == anna.wrapped


def test_a_service_that_is_killed_has_charged_all_it_answered(tmp_path: Path) -> None:
    with served(tmp_path / "vault", policy="delays = [0]\nattempts = 100\n") as service:
        token = service.token("anna")
        endpoint = Endpoint(parse_address(service.url)[0], token, certificate=None)
        enrol(endpoint, RootKey.generate(), Password(PASSWORD), doing="testing").confirm()
        answered: list[bytes] = []

        def guess() -> None:
            with contextlib.suppress(UnreachableError):
                while True:
                    with contextlib.suppress(CodeError):
                        offer = endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer)
                        asked = RecoverAttempt(offer.record_id, offer.token, Login("x").ke1)
                        endpoint.call("recover/attempt", asked, Answered, again=False)
                        answered.append(asked.ke1)

        threads = [threading.Thread(target=guess) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(answered) < 20:
            time.sleep(0.01)
        service.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
        service.start()
        moved = Endpoint(parse_address(service.url)[0], token, certificate=None)
        left = moved.call("recover/begin", RecoverBegin(NO_ID), Offer).left
        assert len(answered) <= 100 - left <= len(answered) + len(threads)


FULL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from strongroom.vault.server.store import StoreFailedError
from vault.parties import Guess, House, Person

folder = Path(sys.argv[1])
house = House(folder)
anna = Person(house.core)
anna.registered("secret")
with (folder / "filler").open("wb", buffering=0) as filler:
    for size in (65536, 512, 1):
        try:
            while True:
                filler.write(bytes(size))
        except OSError:
            pass
offer = anna.offer()
failed = 0
for _ in range(3):
    try:
        anna.guess("wrong")
    except StoreFailedError:
        failed += 1
(folder / "filler").unlink()
again = Person(house.open(), key=anna.key)
print(offer.left, failed, again.offer().left, len(again.log()), again.guess("secret").is_right())
"""


def test_on_a_full_disk_no_guess_is_answered_and_nothing_is_lost(
    small_disk: tuple[str, ...], tmp_path: Path
) -> None:
    words = [sys.executable, "-c", FULL, tmp_path / "small", Path(__file__).parents[1]]
    done = subprocess.run(
        [*small_disk, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["10", "3", "10", "2", "True"], done.stderr
