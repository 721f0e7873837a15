"""A vault that lies, a network that loses answers, and an owner who meets them."""

from __future__ import annotations

import http.client
import http.server
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from strongroom import (
    Password,
    RootKey,
)
from strongroom.errors import UnreachableError
from strongroom.keys.password import KdfParameters
from strongroom.ops.vault import Account, connect, recover, register
from strongroom.repository.config import Config, read_config
from strongroom.repository.create import create_repository
from strongroom.stores.local import LocalStore
from vault.machines import PASSWORD
from vault.service import Service

ROOT = RootKey(bytes(range(7, 39)))
Lie = Callable[[bytes], bytes]


class Quick(Password):
    """Stretches with next to nothing: what is tested here is not its cost."""

    def stretch(self, salt: bytes, parameters: KdfParameters) -> bytes:
        return bytes(a ^ b for a, b in zip(salt, self.to_text().encode().ljust(32), strict=False))


@dataclass
class Between:
    """Stands between client and vault."""

    service: Service
    lies: dict[str, Lie] = field(default_factory=dict)
    """By verb: what becomes of a good answer."""
    lose: dict[str, int] = field(default_factory=dict)
    """By verb: so many answers are lost."""
    steps_left: int = 10**9
    """After so many steps nothing works any more."""
    url: str = ""

    def step(self) -> None:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise UnreachableError("everything stopped")

    def pass_on(self, verb: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes] | None:
        try:
            self.step()
            place = urllib.parse.urlsplit(self.service.url)
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
            connection.request("POST", f"/v1/{verb}", body, headers)
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
            connection.close()
            self.step()
        except UnreachableError:
            return None
        if self.lose.get(verb, 0) > 0:
            self.lose[verb] -= 1
            return None
        return (status, self.lies.get(verb, bytes)(content)) if status == 200 else (status, content)


@pytest.fixture
def between(service: Service) -> Iterator[Between]:
    made = Between(service)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            token = {"Authorization": self.headers["Authorization"]}
            answer = made.pass_on(self.path.removeprefix("/v1/"), body, token)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()
        thread.join()


@dataclass
class Owner:
    """With a repository, and an account at the vault."""

    between: Between
    store: LocalStore
    account: Account

    def register(self, password: str = PASSWORD, store: LocalStore | None = None) -> None:
        register(store or self.store, ROOT, self.account, Quick(password), doing="registering")

    def recover(self, password: str = PASSWORD, *, remember: bool = True) -> RootKey:
        connection = connect(self.store, self.account, doing="recovering")
        return recover(
            connection,
            lambda: Quick(password),
            tell=lambda _: None,
            remember=remember,
            doing="recovering",
        )

    def left(self) -> int:
        said: list[str] = []

        def stop() -> Password:
            raise KeyError

        connection = connect(self.store, self.account, doing="looking")
        with pytest.raises(KeyError):
            recover(connection, stop, tell=said.append, remember=True, doing="looking")
        return int(said[0].split()[1])


_ACCOUNTS = iter(range(10**6))


@pytest.fixture
def owner(between: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    """Not yet registered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    token = between.service.token(f"owner{next(_ACCOUNTS)}")
    store = LocalStore(tmp_path / "repo")
    create_repository(store, ROOT, doing="testing")
    return Owner(between, store, Account(between.url, token, None))


def ops_config(owner: Owner) -> Config:
    return read_config(owner.store, doing="testing")
