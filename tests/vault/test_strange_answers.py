"""What answers is no vault, or no etcd: it is told from one, in time."""

from __future__ import annotations

import http.server
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom import DamagedError, RootKey, SourceError, UsageError
from strongroom.errors import UnreachableError
from strongroom.keys.vault_slot import VaultPlace, make_vault_slot
from strongroom.ops.vault import Account, connect
from strongroom.repository.config import read_config
from strongroom.repository.create import create_repository
from strongroom.repository.slots import put_slot
from strongroom.stores.local import LocalStore
from strongroom.vault.client import answer, chain
from strongroom.vault.client.address import parse_address
from strongroom.vault.client.derive import public_of
from strongroom.vault.client.endpoint import Endpoint
from strongroom.vault.client.pins import Pins, read_pins
from strongroom.vault.client.words import after_guess
from strongroom.vault.messages import LogEntry, Offer, RecoverBegin
from strongroom.vault.server import etcd
from strongroom.vault.server.access import Access
from strongroom.vault.server.etcd import EtcdStore
from strongroom.vault.server.store import StoreFailedError, Transaction
from strongroom.vault.wire import LOG_PAGE, NO_ID, NO_KEY

Words = Callable[[], Iterator[bytes]]


@contextmanager
def answering(words: Words) -> Iterator[str]:
    """An address where every request is answered by these bytes, for as long as it is listened."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with suppress(OSError):
                for some in words():
                    self.wfile.write(some)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # so that leaving waits for who still answers
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def endpoint_at(url: str) -> Endpoint:
    return Endpoint(parse_address(url)[0], "anna:x", certificate=None)


def page(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "head": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "line": (b"HTTP/1.1 200 OK", b"OK" * 99),
    "interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", bytes(999)),
    "body without length": (b"HTTP/1.1 200 OK\r\n\r\n", bytes(999)),
    "chunk of a negative length": (CHUNKED + b"-1\r\n", bytes(999)),
    "chunks": (CHUNKED, b"1\r\n\0\r\n"),
    "trailer": (CHUNKED + b"0\r\n", b"X: y\r\n"),
}
STRANGE = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no text": b"\xff\xfe\x00\r\n\r\n",
    "a page": page("200 OK", b"<h1>Hello</h1>", "Content-Type: text/html"),
    "JSON": page("200 OK", b'{"left": NaN}', "Content-Type: application/json"),
    "an error page": page("500 Internal Server Error", b"<h1>Oh</h1>"),
    "a refusal that there is not": page("403 Forbidden", b"\xff\0\0\0\0"),
    "no number": b"HTTP/1.1 200 OK\r\nContent-Length: nan\r\n\r\nx",
    "a chunk of a negative length": CHUNKED + b"-5\r\n",
    "another version": b"HTTP/9.9 200 OK\r\n\r\n",
}


def asked(url: str) -> str:
    """How asking there for an offer fails."""
    with pytest.raises(UnreachableError) as caught:
        endpoint_at(url).call("recover/begin", RecoverBegin(NO_ID), Offer, again=False)
    assert caught.value.exit_code == 17
    return str(caught.value)


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_vault_is_told_from_one(name: str) -> None:
    with answering(lambda: iter([STRANGE[name]])) as url:
        assert asked(url).endswith("what answers is no vault")


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_not_listened_to(name: str) -> None:
    head, rest = ENDLESS[name]
    with answering(lambda: itertools.chain([head], itertools.repeat(rest))) as url:
        assert asked(url).endswith("what answers is no vault")


def test_an_answer_that_was_cut_is_none() -> None:
    for cut in (
        b"",
        b"HTTP/1.1 200",
        page("200 OK", bytes(200))[:-1],
        CHUNKED + b"5\r\nab",
        CHUNKED + b"nan\r\n",
    ):
        with answering(lambda cut=cut: iter([cut])) as url:  # type: ignore[misc]
            assert "closed" in (words := asked(url)) or "cut" in words or "no vault" in words


def test_an_answer_in_drips_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes well within the time that all of them have."""
    monkeypatch.setattr(answer, "ANSWER_S", 0.5)
    going_on = threading.Event()

    def drips() -> Iterator[bytes]:
        for byte in itertools.chain(b"HTTP/1.1 200 OK\r\n", itertools.cycle(b"X: y\r\n")):
            going_on.wait(0.05)
            yield bytes([byte])

    with answering(drips) as url:
        assert "timed out" in asked(url)


def test_a_redirection_is_not_followed() -> None:
    reached: list[str] = []

    def elsewhere() -> Iterator[bytes]:
        reached.append("elsewhere")
        yield b""

    with answering(elsewhere) as other:
        for status in ("301 Moved Permanently", "302 Found", "307 Temporary Redirect"):
            moved = page(status, b"", f"Location: {other}/v1/recover/begin")
            with answering(lambda moved=moved: iter([moved])) as url:  # type: ignore[misc]
                assert asked(url).endswith("what answers is no vault")
    assert reached == []


@pytest.mark.parametrize("size", [1, LOG_PAGE, LOG_PAGE + 1])
def test_a_log_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Though each entry follows from the one before."""
    monkeypatch.setattr(chain, "ENTRIES_MAX", 3 * size)
    numbers, last = itertools.count(1), [NO_KEY]

    def more() -> Iterator[bytes]:
        entries = []
        for seq in itertools.islice(numbers, size):
            entries.append(LogEntry(seq, 0, 3, 9, 1, bytes(16), last[0]))
            last[0] = entries[-1].hash
        yield page("200 OK", b"".join(entry.pack() for entry in entries))

    with answering(more) as url, pytest.raises(DamagedError, match="does not end"):
        chain.read_chain(endpoint_at(url), Pins("ab"), doing="reading")
    assert next(numbers) <= 4 * size + 1


# --- the store, and this machine's memory ---


@pytest.mark.parametrize("url", ["no address", "http://vault.example:1", "https://a..b:1"])
def test_a_slot_that_names_no_vault_is_damage(tmp_path: Path, url: str) -> None:
    """Whoever stores the repository can write one, signed by a key of their own."""
    store, root = LocalStore(tmp_path / "repo"), RootKey(bytes(32))
    create_repository(store, root, doing="testing")
    stranger = Ed25519PrivateKey.generate()
    place = VaultPlace(bytes(16), public_of(stranger), url, ((bytes(16), bytes(32)),))
    repo_id = read_config(store, doing="testing").repo_id
    put_slot(store, make_vault_slot(place, repo_id, stranger, created=0), doing="testing")
    account = Account("https://vault.example:1", "anna:x", None)
    with pytest.raises(DamagedError, match="names no vault"):
        connect(store, account, doing="testing")


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example", ".example"])
def test_a_host_that_cannot_be_one_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        parse_address(f"https://{host}:8765")


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"[]", b"{", b'{"log_seq": NaN}', b'{"owner_pk": "x"}'],
    ids=["no text", "a list", "cut", "no number", "no key"],
)
def test_what_is_remembered_is_not_misread(own_state: Path, text: bytes) -> None:
    pins = Pins(bytes(16).hex())
    pins.write()
    assert read_pins(bytes(16)) == pins
    whole = json.loads(pins.path.read_text())
    with suppress(ValueError, TypeError):
        text = json.dumps({**whole, **json.loads(text)}).encode()
    pins.path.write_bytes(text)
    with pytest.raises(SourceError, match="reading"):
        read_pins(bytes(16))
    assert own_state in pins.path.parents


HEADER = '"header": {"revision": "1", "cluster_id": "1"}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b"{}",
        b'{"header": 1}',
        b'{"header": {"revision": NaN, "cluster_id": 1}}',
        b'{"header": {"revision": 1e999, "cluster_id": 1}}',
        f'{{{HEADER}, "kvs": [1]}}'.encode(),
        f'{{{HEADER}, "kvs": [{{"key": "a", "mod_revision": 1, "version": 1}}]}}'.encode(),
    ],
)
def test_what_is_no_etcd_is_told_from_one(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd, "_PATIENCE_S", 0.1)

    def write(rows: Transaction) -> None:
        rows.put("a", b"1")

    with (
        answering(lambda: iter([page("200 OK", body)])) as url,
        closing(EtcdStore(Access((url,), "x/"))) as store,
    ):
        for act in (lambda rows: rows.get("a"), write):
            with pytest.raises(StoreFailedError):
                store.transact(act)
        assert store.health().reachable == 0


@pytest.mark.parametrize(("left", "of_a_lifetime"), [(0, 5), (5, 0), (1, 1)])
def test_no_vault_is_said_to_have_fewer_attempts_left_than_none(
    left: int, of_a_lifetime: int
) -> None:
    nothing = Offer.unpack(bytes(Offer.LAYOUT.size))
    offer = replace(nothing, left=left, lifetime_left=of_a_lifetime)
    assert after_guess(offer).startswith("and it was the last attempt")
