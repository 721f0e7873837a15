"""An etcd of three nodes on this machine, for demos and benchmarks: on loopback, without TLS."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from csrc.deps.errors import DepsError
from dev.console import SetupError
from dev.services import program

COUNT = 3
PATIENCE_S = 60


@dataclass
class Trio:
    """Its nodes by number."""

    folder: Path
    clients: list[int]
    """Ports."""
    peers: list[int]
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The lines of [etcd] in a vault's configuration."""
        urls = ", ".join(f'"http://127.0.0.1:{port}"' for port in self.clients)
        return f"endpoints = [{urls}]\n"

    def start(self, n: int) -> None:
        """Node n, which may have data already."""
        client, peer = (f"http://127.0.0.1:{ports[n]}" for ports in (self.clients, self.peers))
        members = ",".join(
            f"n{other}=http://127.0.0.1:{port}" for other, port in enumerate(self.peers)
        )
        flags = [
            *(f"--name=n{n}", f"--data-dir={self.folder / f'n{n}'}"),
            *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
            *(f"--initial-cluster={members}", "--logger=zap"),
        ]
        with (self.folder / f"n{n}.log").open("ab") as log:
            self.processes[n] = subprocess.Popen(
                [_etcd(), *flags], stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, n: int) -> None:
        """As a machine that loses its power."""
        process = self.processes.pop(n)
        process.kill()
        process.wait()

    def wait(self) -> None:
        """Until all say that they are well. Raises SetupError."""
        end = time.monotonic() + PATIENCE_S
        for port in self.clients:
            while not _is_well(port):
                if time.monotonic() > end:
                    raise SetupError("error: etcd did not start")
                time.sleep(0.1)

    def leader(self) -> int:
        """The node that leads, which others than it know as well."""
        for n, port in enumerate(self.clients):
            metrics = _get(port, "/metrics")
            if "\netcd_server_is_leader 1\n" in metrics:
                return n
        raise SetupError("error: etcd has no leader")


@contextmanager
def trio(folder: Path) -> Iterator[Trio]:
    """While its three nodes run, or those that were not killed."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2 * COUNT)
        ]
        ports = [each.getsockname()[1] for each in sockets]
    made = Trio(folder, ports[:COUNT], ports[COUNT:])
    try:
        for n in range(COUNT):
            made.start(n)
        made.wait()
        yield made
    finally:
        for n in list(made.processes):
            made.kill(n)


def _etcd() -> Path:
    try:
        return program("etcd-server", "usr/bin/etcd")
    except DepsError as error:
        raise SetupError(f"error: etcd cannot be had: {error}") from None


def _is_well(port: int) -> bool:
    try:
        return '"health":"true"' in _get(port, "/health")
    except (OSError, urllib.error.HTTPError):
        return False


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
        return str(answer.read().decode())
