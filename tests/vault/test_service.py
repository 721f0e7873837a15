"""The vault over HTTP, as a process: what it answers to whom, how it starts, stops and dies."""

from __future__ import annotations

import contextlib
import functools
import http.server
import io
import itertools
import json
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from program import Program
from strongroom import Password, RootKey, UsageError
from strongroom.errors import UnreachableError
from strongroom.vault import messages, wire
from strongroom.vault.client.address import parse_address
from strongroom.vault.client.endpoint import CodeError, Endpoint
from strongroom.vault.client.enrol import enrol
from strongroom.vault.messages import Answered, Offer, RecoverAttempt, RecoverBegin, Refused
from strongroom.vault.opaque import Login
from strongroom.vault.server.accounts import TokenFile
from strongroom.vault.server.app import VERBS, make_app
from strongroom.vault.server.config import read_config
from strongroom.vault.server.eventlog import EventLog
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.opening import opened
from strongroom.vault.server.operate import unlock
from strongroom.vault.server.witness import FileWitness
from strongroom.vault.wire import NO_ID, Code
from vault.certificates import make_certificate
from vault.conftest import PASSWORD
from vault.parties import Guess, House, Person
from vault.service import Service, make_service, served

BEGIN = messages.RegisterBegin(wire.SUITE, 64 * 1024, 3, 4, False).pack()


def code_of(answer: tuple[int, bytes]) -> Code:
    return Code(Refused.unpack(answer[1]).code)


def get(service: Service, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(service.url + path) as answer:  # noqa: S310
        return answer.status, answer.read().decode()


# --- tokens ---


def test_every_bad_token_gets_the_same_answer_to_every_message(service: Service) -> None:
    token = service.token("carl")
    bad = [
        "",
        "carl",
        token[:-1],
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        token.replace("carl", "nobody"),
        "nobody:" + "0" * 64,
        "x" * 3000,
        "\xe9:\xe9",
    ]
    answers = {
        service.post(verb, body, each)
        for each in bad
        for verb, body in (("register/begin", BEGIN), ("recover/begin", b"junk"), ("none", b""))
    }
    assert answers == {(401, Refused(Code.TOKEN, 0).pack())}
    assert service.post("register/begin", BEGIN, token)[0] == 200


def test_the_operator_makes_accounts(program: Program, tmp_path: Path) -> None:
    config = make_service(tmp_path / "vault").config
    program("vault", "add-account", "--config", config, "anna", "--token-out", "t", "--days", 1)
    token = (tmp_path / "t").read_text().strip()
    assert (tmp_path / "t").stat().st_mode & 0o777 == 0o600
    accounts = TokenFile(tmp_path / "vault/vault.accounts")
    now = int(time.time())
    assert accounts.account_of(token, now) == "anna"
    assert accounts.account_of(token, now + 2 * 24 * 3600) is None
    program("vault", "add-account", "--config", config, "anna", "--token-out", "t", code=2)
    assert accounts.account_of(token, now) == "anna"
    program("vault", "add-account", "--config", config, "a b", "--token-out", "u", code=2)
    assert not (tmp_path / "u").exists()


def test_an_expired_or_replaced_token_gets_that_answer_too(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    path.touch()
    accounts = TokenFile(path)
    token = accounts.add("anna", expires=1000)
    assert accounts.account_of(token, 999) == "anna"
    assert accounts.account_of(token, 1000) is None
    renewed = accounts.add("anna")
    assert accounts.account_of(token, 0) is None
    assert accounts.account_of(renewed, 10**12) == "anna"
    assert token.split(":")[1] not in path.read_text()


def test_another_scheme_than_bearer_is_a_bad_token(service: Service) -> None:
    token = service.token("dora")
    answer = service.post("register/begin", BEGIN, "", Authorization=f"Basic {token}")
    assert code_of(answer) == Code.TOKEN


# --- messages ---


def test_what_is_too_long_is_refused_without_being_read(service: Service) -> None:
    token = service.token("emil")
    assert code_of(service.post("recover/attempt", bytes(4097), token)) == Code.MALFORMED
    place = urllib.parse.urlsplit(service.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as raw:
        head = f"POST /v1/recover/begin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        raw.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode() + bytes(5000))
        assert b"400" in raw.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize("verb", VERBS)
def test_truncated_and_extended_messages_are_refused(service: Service, verb: str) -> None:
    token = service.token("fred")
    length = VERBS[verb].message.LAYOUT.size
    for other in {length - 1, length + 1, 2 * length + 1, 4096} - {-1, length}:
        assert code_of(service.post(verb, bytes(other), token)) == Code.MALFORMED
    assert service.post(verb, bytes(length), token)[0] in {200, 400, 403, 404, 409}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    verb=st.one_of(st.sampled_from(sorted(VERBS)), st.text("abc/.%-", max_size=12)),
    body=st.binary(max_size=5000),
)
def test_no_message_is_answered_with_an_internal_error(
    service: Service, verb: str, body: bytes
) -> None:
    token = fuzzed_account(service)
    status, answer = service.post(verb, body, token)
    assert status in {200, 400, 401, 403, 404, 409, 410, 423, 429}
    assert len(answer) <= wire.ANSWER_MAX


@functools.cache
def fuzzed_account(service: Service) -> str:
    return service.token("gus")


HEAD = b"POST /v1/owner/state HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("said", "statuses"),
    [
        (HEAD + b"Content-Length: -1\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 0\r\nContent-Length: 1\r\n\r\n", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n" + bytes(9000), b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 5000, b"400"),
        (HEAD + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", b"400"),
        (HEAD + b"X: y\r\n" * 200_000 + b"\r\n", b"400"),
        ((HEAD + b"Content-Length: 0\r\n\r\n") * 5, b"401"),
        (b"PUT" + HEAD[4:] + b"Content-Length: 0\r\n\r\n", b"405"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"404"),
        (bytes(100) + b"\r\n\r\n", b"400"),
    ],
)
def test_http_that_no_client_speaks_is_refused(
    service: Service, said: bytes, statuses: bytes
) -> None:
    with connect(service) as raw:
        with contextlib.suppress(OSError):  # it may be cut off before it has said all
            raw.sendall(said)
        answer, cut = b"", False
        try:
            while piece := raw.recv(65536):
                answer += piece
        except ConnectionResetError:  # what was not read yet may take the answer with it
            cut = True
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) in ([statuses], [] if cut else [statuses])


# --- strangers who only connect ---


def connect(service: Service) -> socket.socket:
    place = urllib.parse.urlsplit(service.url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=30)


LIMITED = """
import sys
from pathlib import Path
from strongroom.vault.server import service
from strongroom.vault.server.config import read_config
from strongroom.vault.server.connections import limited
service.limited = lambda: limited(deadline=1, most=8)
service.DEADLINE_S = 1
config = read_config(Path(sys.argv[1]))
service.serve(config, ready=lambda address: print("ready", address, flush=True))
"""


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Service]:
    """A vault that waits 1 second for a request, and takes 8 connections of an address."""
    service = make_service(tmp_path / "vault")
    service.start([sys.executable, "-c", LIMITED, service.config])
    yield service
    assert service.process is not None
    service.process.kill()
    service.process.communicate()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /v1/recover/begin HT",
        b"POST /v1/recover/begin HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n1",
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_who_does_not_finish_a_request_is_cut_off(patient: Service, begun: bytes) -> None:
    with connect(patient) as raw:
        raw.sendall(begun)
        start = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert raw.recv(1) == b""
        assert time.monotonic() - start < 20


def test_who_does_not_begin_with_tls_is_cut_off(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path, "mine")
    service = make_service(tmp_path / "vault", tls=tls)
    service.start([sys.executable, "-c", LIMITED, service.config])
    with connect(service) as raw, contextlib.suppress(ConnectionResetError):
        assert raw.recv(1) == b""
    service.stop()


def test_dripping_bytes_wins_no_time(patient: Service) -> None:
    begun = b"POST /v1/recover/begin HTTP/1.1\r\nHost: x\r\n"
    with connect(patient) as raw:
        start = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in itertools.cycle(begun):
                raw.sendall(bytes([byte]))
                assert time.monotonic() - start < 20
                time.sleep(0.1)


def test_idle_connections_of_an_address_are_limited_and_do_not_last(patient: Service) -> None:
    idle = [connect(patient) for _ in range(300)]
    closed = 0
    for raw in idle[8:]:
        with contextlib.suppress(ConnectionResetError):
            assert raw.recv(1) == b""
        closed += 1
    assert closed == 292
    for raw in idle[:8]:
        with contextlib.suppress(ConnectionResetError):
            raw.recv(1)
    assert get(patient, "/healthz") == (200, "ok\n")
    for raw in idle:
        raw.close()


def test_a_connection_is_for_one_request(service: Service) -> None:
    with connect(service) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.endswith(b"ok\n")


def test_a_503_that_is_no_vaults_is_an_unavailable_vault() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        address, _ = parse_address(f"http://127.0.0.1:{server.server_port}")
        endpoint = Endpoint(address, "anna:x", certificate=None)
        with pytest.raises(UnreachableError, match="unavailable"):
            endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer)
        server.shutdown()
        thread.join()


# --- what is told ---


def test_health_and_metrics_tell_nothing_of_users(service: Service) -> None:
    token = service.token("hans")
    service.post("register/begin", BEGIN, token)
    assert get(service, "/healthz") == (200, "ok\n")
    status, metrics = get(service, "/metrics")
    assert status == 200
    assert 'requests_total{verb="register/begin",status="200"}' in metrics
    assert "hans" not in metrics


def test_the_log_is_json_without_secrets(service: Service) -> None:
    token = service.token("ida")
    service.post("register/begin", BEGIN, token)
    service.post("register/begin", b"junk", token)
    lines = [json.loads(line) for line in service.log().splitlines()]
    assert {"start", "request"} <= {line["event"] for line in lines}
    assert any("hardware" in line.get("keys", "") for line in lines)
    assert any("no witness" in line.get("words", "") for line in lines)
    for secret in (token, token.split(":")[1], (service.folder / "vault.key").read_text()):
        assert secret not in service.log()
    assert "ida" not in service.log()


def test_status_and_log_are_for_the_operator(tmp_path: Path) -> None:
    service = make_service(tmp_path / "vault")
    with served(tmp_path / "other") as other:
        token = other.token("anna")
        other.post("register/begin", BEGIN, token)
        shown = json.loads(other("status", "--json"))
        assert (shown["users"], shown["registered"], shown["locked"]) == (1, 0, False)
        assert other("log", "anna") == ""
    shown = service("status")
    assert re.search(r"^users +0$", shown, re.MULTILINE)
    assert re.search(r"^witness +none is configured$", shown, re.MULTILINE)
    assert "witnessed" not in shown


# --- start and stop ---


def test_the_server_loads_nothing_that_knows_keys_or_segments() -> None:
    program = "import sys, strongroom.vault.server.service; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = {name for name in done.stdout.decode().split() if name.startswith("strongroom.")}
    allowed = ("strongroom.vault.", "strongroom.errors")
    assert {name for name in loaded if not name.startswith(allowed)} == {"strongroom.vault"}
    assert not any("client" in name for name in loaded)


def test_it_stops_gracefully(tmp_path: Path) -> None:
    with served(tmp_path / "vault") as service:
        assert get(service, "/healthz")[0] == 200
        assert service.stop() == 0
        assert json.loads(service.log().splitlines()[-1])["event"] == "stop"


def test_plain_http_is_for_loopback_only(program: Program, tmp_path: Path) -> None:
    run = program("vault", "init", "--config", "v.toml", "--listen", "0.0.0.0:0", code=2)
    assert "without TLS" in run.err
    assert not (tmp_path / "v.toml").exists()
    make_service(tmp_path / "vault")
    config = tmp_path / "vault/vault.toml"
    config.write_text(config.read_text().replace("127.0.0.1:0", "[::]:0"))
    assert "without TLS" in program("vault", "serve", "--config", config, code=2).err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('listen = "127.0.0.1:0"', "", "listen is missing"),
        ('listen = "127.0.0.1:0"', 'listen = "here"', "an address and a port"),
        ("[policy]", 'hms = "x"\n[policy]', "hms is unknown"),
        ("delays = [0]", "delays = 0", "delays"),
        ("delays = [0]", "delays = [-1]", "delays"),
        ("delays = [0]", "attempts = 0", "attempts"),
        ("delays = [0]", "attempts = true", "attempts"),
        ("delays = [0]", "patience = 1", "nothing else"),
        ("[policy]", "[policy", "reading"),
        ("[policy]", 'tls_key = "x"\n[policy]', "go together"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    config = make_service(tmp_path / "vault").config
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=words):
        read_config(config)


def test_nothing_is_replaced_by_a_second_vault(program: Program, tmp_path: Path) -> None:
    service = Service(tmp_path)
    service("init", "--listen", "127.0.0.1:0")
    before = (service.folder / "vault.key").read_bytes()
    assert "exists" in program("vault", "init", "--config", service.config, code=2).err
    other = service.folder / "other.toml"
    assert "exists" in program("vault", "init", "--config", other, code=2).err
    assert (service.folder / "vault.key").read_bytes() == before


def test_what_the_vault_needs_to_start_is_named(program: Program, tmp_path: Path) -> None:
    service = make_service(tmp_path / "vault")
    for name in ("vault.db", "vault.key", "vault.accounts"):
        path = service.folder / name
        moved = path.rename(path.with_suffix(".away"))
        assert name in program("vault", "serve", "--config", service.config, code=1).err
        moved.rename(path)


# --- backups of the vault ---


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


# --- kills and full disks ---

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
