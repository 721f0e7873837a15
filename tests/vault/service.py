"""The vault as a process of its own, and requests to it that no client would make."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from program import PATIENCE, STRONGROOM
from strongroom.vault import messages, wire
from strongroom.vault.client.address import parse_address
from strongroom.vault.client.endpoint import Endpoint
from strongroom.vault.messages import Refused
from strongroom.vault.server.accounts import TokenFile
from strongroom.vault.server.service import make_vault
from strongroom.vault.wire import Code

QUICK = "delays = [0]\n"
BEGIN = messages.RegisterBegin(wire.SUITE, 64 * 1024, 3, 4, False).pack()


@dataclass(eq=False)
class Service:
    """A vault's folder and, while it is served, where."""

    folder: Path
    url: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "vault.toml"

    def __call__(self, verb: str, *words: str | Path) -> str:
        """Run a verb of the operator."""
        command = [STRONGROOM, "vault", verb, "--config", self.config, *words]
        done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
        return done.stdout.decode()

    def account(self, name: str) -> Path:
        """A file with a new account's token."""
        path = self.folder / f"{name}.token"
        path.write_text(self.token(name) + "\n")
        return path

    def token(self, name: str) -> str:
        """A new account's."""
        return TokenFile(self.folder / "vault.accounts").add(name)

    def start(self, command: Sequence[str | Path] = (), **env: str) -> None:
        """Returns once it is ready. command: another than the program's."""
        errors = (self.folder / "vault.log").open("ab")
        with errors:
            self.process = subprocess.Popen(
                command or [STRONGROOM, "vault", "serve", "--config", self.config],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | env,
            )
        assert self.process.stdout is not None
        ready, self.url = self.process.stdout.readline().decode().split()
        assert ready == "ready"

    @contextmanager
    def running(self) -> Iterator[Service]:
        """Unless it is stopped meanwhile."""
        self.start()
        try:
            yield self
        finally:
            if self.process is not None:
                self.stop()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """How it ended."""
        process = self.process
        assert process is not None
        assert process.stdout is not None
        process.send_signal(number)
        code = process.wait(PATIENCE)
        assert process.stdout.read() == b"", "one line says that it is ready, and nothing else"
        process.stdout.close()
        self.process = None
        return code

    def endpoint(self, token: str) -> Endpoint:
        """Of a client with that token, and of no certificate."""
        return Endpoint(parse_address(self.url)[0], token, certificate=None)

    def post(self, verb: str, body: bytes, token: str, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        place = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
        try:
            auth = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request("POST", f"/v1/{verb}", body, {**auth, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of what needs no token."""
        place = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def log(self) -> str:
        return (self.folder / "vault.log").read_text()


def make_service(
    folder: Path,
    *,
    policy: str = QUICK,
    witness: Path | None = None,
    tls: tuple[Path, Path] | None = None,
    etcd: str | None = None,
    hsm: str | None = None,
) -> Service:
    """Not yet started. policy, etcd, hsm: lines of their tables. tls: certificate and key."""
    folder.mkdir(exist_ok=True)
    service = Service(folder)
    make_vault(
        service.config,
        listen="127.0.0.1:0",
        witness=None if witness is None else str(witness),
        tls=None if tls is None else (str(tls[0]), str(tls[1])),
        etcd=etcd,
        hsm=hsm,
    )
    with service.config.open("a") as file:
        file.write(policy)
    return service


@contextmanager
def served(folder: Path, **options: Any) -> Iterator[Service]:
    """A new vault that is being served. options: those of make_service."""
    with make_service(folder, **options).running() as service:
        yield service


def code_of(answer: tuple[int, bytes]) -> Code:
    return Code(Refused.unpack(answer[1]).code)


def connect(service: Service) -> socket.socket:
    place = urllib.parse.urlsplit(service.url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=30)
