"""Copies of a vault, put back; a store, a witness or a clock that was set back."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import anyio

from program import Program
from strongroom.vault.server.accounts import TokenFile
from strongroom.vault.server.app import make_app
from strongroom.vault.server.config import read_config
from strongroom.vault.server.eventlog import EventLog
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.opening import opened
from strongroom.vault.server.operate import unlock
from strongroom.vault.server.witness import FileWitness
from strongroom.vault.wire import Code
from vault.parties import PASSWORD, House, Person
from vault.service import BEGIN, Service, code_of, make_service, served


def test_a_backup_that_is_put_back_is_locked_until_the_operator_says_so(
    program: Program, tmp_path: Path
) -> None:
    with served(tmp_path / "vault") as service:
        token = service.token("anna")
        service.post("register/begin", BEGIN, token)
        service("backup", tmp_path / "copy.db")
        service.stop()
        for path in service.folder.glob("vault.db*"):
            path.unlink()
        (tmp_path / "copy.db").rename(service.folder / "vault.db")
        service.start()
        for verb, body in (("register/begin", BEGIN), ("recover/begin", bytes(16))):
            assert code_of(service.post(verb, body, token)) == Code.LOCKED
        assert "vault unlock opens it" in service.log()
        service("unlock")
        assert service.post("register/begin", BEGIN, token)[0] == 200


def test_a_store_behind_its_witness_is_not_served_until_the_operator_says_so(
    program: Program, tmp_path: Path
) -> None:
    with served(tmp_path / "vault", witness=tmp_path / "witness") as service:
        token = service.token("anna")
        service.stop()
        old = (service.folder / "vault.db").read_bytes()
        service.start()
        service.post("register/begin", BEGIN, token)
        service.post("recover/begin", bytes(16), token)
        revision = int(json.loads(service("status", "--json"))["revision"])
        service.stop()
        witness_says(service, revision)
        for path in service.folder.glob("vault.db*"):
            path.unlink()
        (service.folder / "vault.db").write_bytes(old)
        run = program("vault", "serve", "--config", service.config, code=1)
        assert "went back" in run.err
        assert "vault unlock" in run.err
        service("unlock")
        service.start()
        assert service.post("register/begin", BEGIN, token)[0] == 200


def test_a_backup_that_is_killed_leaves_no_open_copy(tmp_path: Path) -> None:
    service = make_service(tmp_path / "vault")
    words = [service.config, tmp_path / "copy.db"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(COPYING), *map(str, words)],
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "copy.db").exists()
    service("backup", tmp_path / "copy.db")
    assert [path.name for path in tmp_path.glob("copy.db*")] == ["copy.db"]


COPYING = """
import os, sys
from pathlib import Path
from strongroom.vault.server.config import read_config
from strongroom.vault.server.operate import copy_locked
from strongroom.vault.server.sqlite import SqliteStore

class Dying(SqliteStore):
    def dump(self):
        yield from super().dump()
        os.kill(os.getpid(), 9)

import strongroom.vault.server.opening
strongroom.vault.server.opening.SqliteStore = Dying
copy_locked(read_config(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_a_copy_fills_an_empty_store_and_no_other(program: Program, tmp_path: Path) -> None:
    with served(tmp_path / "vault") as service:
        token = service.token("anna")
        service.post("register/begin", BEGIN, token)
        service("backup", tmp_path / "copy.db")
        put_back = ("vault", "restore", "--config", service.config, tmp_path / "copy.db")
        run = program(*put_back, code=2)
        assert "holds a vault already" in run.err
        service.stop()
        for path in service.folder.glob("vault.db*"):
            path.unlink()
        program(*put_back)
        service.start()
        assert code_of(service.post("register/begin", BEGIN, token)) == Code.LOCKED
        service("unlock")
        assert service.post("register/begin", BEGIN, token)[0] == 200


def test_nothing_is_unlocked_that_is_not_there(program: Program, tmp_path: Path) -> None:
    """The disk may not be mounted: no empty database is made, and no witness."""
    (tmp_path / "elsewhere").mkdir()
    witness = tmp_path / "elsewhere/witness"
    service = make_service(tmp_path / "vault", witness=witness)
    words = ("vault", "unlock", "--config", service.config)
    said, number = witness.read_bytes(), service.folder / "vault.db"
    number.rename(tmp_path / "away")
    assert "is mounted" in program(*words, code=1).err
    assert witness.read_bytes() == said
    assert not number.exists()
    (tmp_path / "away").rename(number)
    witness.unlink()
    run = program("vault", "serve", "--config", service.config, code=1)
    assert "vault unlock" not in run.err
    assert "mounted" in run.err
    assert "--new-witness" in program(*words, code=1).err
    assert not witness.exists()
    program(*words, "--new-witness")
    assert witness.exists()


def test_unlocking_resets_a_time_that_lies_ahead(program: Program, tmp_path: Path) -> None:
    service = make_service(tmp_path / "vault")
    config = read_config(service.config)
    with opened(config) as core:
        core.transact(lambda ledger: ledger.set_time(int(time.time()) + 10**8))
    with opened(config) as core:
        assert not core.transact(lambda ledger: ledger.sound)
    words = ("vault", "unlock", "--config", service.config)
    assert "believes this machine's clock" in program(*words).err
    with opened(config) as core:
        assert core.transact(lambda ledger: ledger.sound)
    assert "believes" not in program(*words).err


def test_nobody_waits_for_a_time_that_was_wrong(tmp_path: Path) -> None:
    service = make_service(tmp_path / "vault", policy="delays = [60]\n")
    config = read_config(service.config)
    ahead = int(time.time()) + 10**8
    with opened(config) as core:
        anna = Person(core)
        anna.registered(PASSWORD)
        user = core.transact(lambda ledger: ledger.user(anna.ref))
        assert user is not None
        core.transact(lambda ledger: ledger.save(replace(user, not_before=ahead + 60)))
        core.transact(lambda ledger: ledger.set_time(ahead))
    unlock(config)
    with opened(config) as core:
        assert 50 <= Person(core, key=anna.key).offer().wait <= 60


def test_a_jump_of_the_clock_is_an_alarm(house: House) -> None:
    stream = io.StringIO()
    house.times.wall += 10**6

    async def begin() -> None:
        app = make_app(house.core, TokenFile(accounts), EventLog(stream))
        async with app.router.lifespan_context(app):
            with anyio.fail_after(30):
                while "alarm" not in stream.getvalue():
                    await anyio.sleep(0.01)

    accounts = house.folder / "accounts"
    accounts.touch()
    anyio.run(begin)
    assert "the clock jumped" in json.loads(stream.getvalue().splitlines()[0])["words"]


def witness_says(service: Service, revision: int) -> None:
    keeper = Keeper([FileKeys(service.folder / "vault.key")])
    keeper.use(1)
    FileWitness(service.folder.parent / "witness", keeper).tell(revision)
