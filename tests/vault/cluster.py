"""An etcd of several nodes on this machine, with TLS: nodes can be killed, stopped, cut off."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from program import PATIENCE
from services import service
from strongroom.vault.server.access import Access
from strongroom.vault.server.etcd import EtcdStore
from strongroom.vault.server.gateway import Gateway
from strongroom.vault.server.store import StoreFailedError, Tell, unheard
from vault.certificates import make_certificate

FLAGS = ("--heartbeat-interval=50", "--election-timeout=500", "--logger=zap", "--log-level=warn")


@dataclass(eq=False)
class Node:
    name: str
    folder: Path
    host: str
    ports: tuple[int, int]
    """For clients, and for other nodes."""
    space: str = ""
    """Its network namespace."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.ports[0]}"

    @property
    def peer(self) -> str:
        return f"https://{self.host}:{self.ports[1]}"

    @property
    def data(self) -> Path:
        return self.folder / self.name


@dataclass
class Cluster:
    """Three nodes, in network namespaces if `spaces`."""

    folder: Path
    nodes: list[Node]
    extra: Sequence[str] = ()
    token: str = "first"
    trusted: tuple[Path, Path] = field(init=False)
    """Certificate and key, of nodes and clients alike."""

    def __post_init__(self) -> None:
        hosts = {node.host for node in self.nodes}
        self.trusted = make_certificate(self.folder, "etcd", *sorted(hosts | {"127.0.0.1"}))

    def access(self, prefix: str, **more: Any) -> Access:
        certificate, key = self.trusted
        urls = tuple(node.url for node in self.nodes)
        return Access(urls, prefix, ca=certificate, certificate=certificate, key=key, **more)

    def table(self, prefix: str = "strongroom/") -> str:
        """The lines of [etcd] in a vault's configuration."""
        certificate, key = self.trusted
        urls = ", ".join(f'"{node.url}"' for node in self.nodes)
        words = {"prefix": prefix, "ca": certificate, "certificate": certificate, "key": key}
        return f"endpoints = [{urls}]\n" + "".join(f'{k} = "{v}"\n' for k, v in words.items())

    def store(self, prefix: str, tell: Tell = unheard, **more: Any) -> EtcdStore:
        return EtcdStore(self.access(prefix, **more), tell)

    def etcdctl(self, *words: str) -> str:
        """What it says."""
        certificate, key = self.trusted
        program = service("etcd-server", "usr/bin/etcdctl")
        command = [program, f"--cacert={certificate}", f"--cert={certificate}", f"--key={key}"]
        command += ["--endpoints=" + ",".join(node.url for node in self.nodes), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def start(self, *nodes: Node, state: str = "new") -> None:
        program = service("etcd-server", "usr/bin/etcd")
        for node in nodes or self.nodes:
            within = ["ip", "netns", "exec", node.space] if node.space else []
            with (node.folder / f"{node.name}.log").open("ab") as log:
                node.process = subprocess.Popen(
                    [*within, program, *self._flags(node, state)],
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def _flags(self, node: Node, state: str) -> list[str]:
        certificate, key = self.trusted
        members = ",".join(f"{each.name}={each.peer}" for each in self.nodes)
        tls = [
            *(f"--cert-file={certificate}", f"--key-file={key}", "--client-cert-auth"),
            *(f"--peer-cert-file={certificate}", f"--peer-key-file={key}"),
            *(f"--trusted-ca-file={certificate}", f"--peer-trusted-ca-file={certificate}"),
            "--peer-client-cert-auth",
        ]
        return [
            *(f"--name={node.name}", f"--data-dir={node.data}"),
            *(f"--listen-client-urls={node.url}", f"--advertise-client-urls={node.url}"),
            *(f"--listen-peer-urls={node.peer}", f"--initial-advertise-peer-urls={node.peer}"),
            *(f"--initial-cluster={members}", f"--initial-cluster-token={self.token}"),
            f"--initial-cluster-state={state}",
            *(*tls, *FLAGS, *self.extra),
        ]

    def wait(self, reachable: int = 3) -> None:
        """Until so many nodes know a leader, and it answers."""
        store = self.store("waiting/")
        try:
            wait_until(lambda: store.health().reachable >= reachable)
            wait_until(lambda: _answers(store))
        finally:
            store.close()

    def leader(self) -> Node:
        gateway = Gateway(self.access(""))
        try:
            for node in self.nodes:
                with suppress(StoreFailedError):
                    found = gateway.ask_one(node.url, "maintenance/status", {})
                    if found["leader"] == found["header"]["member_id"]:
                        return node
        finally:
            gateway.close()
        raise LookupError("no leader")

    def kill(self, *nodes: Node) -> None:
        for node in nodes:
            assert node.process is not None
            node.process.send_signal(signal.SIGCONT)
            node.process.kill()
            node.process.wait(PATIENCE)

    def pause(self, *nodes: Node) -> None:
        for node in nodes:
            assert node.process is not None
            node.process.send_signal(signal.SIGSTOP)

    def go_on(self, *nodes: Node) -> None:
        for node in nodes:
            assert node.process is not None
            node.process.send_signal(signal.SIGCONT)

    def link(self, node: Node, state: str) -> None:
        """up or down, of a node in a namespace of its own."""
        _ip("link", "set", f"{node.space}-v", state)

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                self.kill(node)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def _answers(store: EtcdStore) -> bool:
    try:
        store.transact(lambda rows: rows.get("x"))
    except StoreFailedError:
        return False
    return True


@contextmanager
def running(folder: Path, *, count: int = 3, extra: Sequence[str] = ()) -> Iterator[Cluster]:
    """On loopback."""
    ports = iter(_free_ports(2 * count))
    nodes = [Node(f"n{n}", folder, "127.0.0.1", (next(ports), next(ports))) for n in range(count)]
    cluster = Cluster(folder, nodes, extra)
    try:
        cluster.start()
        cluster.wait(count)
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def apart(folder: Path) -> Iterator[Cluster]:
    """Each node in a network namespace of its own, behind a bridge; see can_part."""
    number = os.getpid() % 250
    net, bridge = f"198.18.{number}", f"sr{number}b"
    with ExitStack() as stack:
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", bridge)
        _ip("address", "add", f"{net}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        nodes = []
        for n in range(3):
            space, host = f"sr{number}n{n}", f"{net}.{10 + n}"
            _ip("netns", "add", space)
            stack.callback(_ip, "netns", "del", space)
            outer, inner = f"{space}-v", f"{space}-i"
            _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", space)
            _ip("link", "set", outer, "master", bridge, "up")
            _ip("-n", space, "address", "add", f"{host}/24", "dev", inner)
            _ip("-n", space, "link", "set", inner, "up")
            _ip("-n", space, "link", "set", "lo", "up")
            nodes.append(Node(f"n{n}", folder, host, (2379, 2380), space))
        cluster = Cluster(folder, nodes)
        stack.callback(cluster.stop)
        cluster.start()
        cluster.wait()
        yield cluster


def can_part() -> bool:
    """Whether this machine lets network namespaces be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"sr{os.getpid() % 250}try"
    with suppress(subprocess.CalledProcessError):
        _ip("netns", "add", name)
        _ip("netns", "del", name)
        return True
    return False


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]
