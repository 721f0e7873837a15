"""Who only connects to the vault wins nothing by it."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.errors import UnreachableError
from strongroom.vault.client.address import parse_address
from strongroom.vault.client.endpoint import Endpoint
from strongroom.vault.messages import Offer, RecoverBegin
from strongroom.vault.wire import NO_ID
from vault.certificates import make_certificate
from vault.service import Service, connect, make_service

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
    assert patient.get("/healthz") == (200, "ok\n")
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
