"""Three vaults before an etcd of three nodes, which fail while everybody guesses. Afterwards nobody
had more guesses than allowed, no recovery was lost, no record went back."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from program import Program
from strongroom.vault.server.config import read_config
from strongroom.vault.server.core import Core
from strongroom.vault.server.gateway import Gateway
from strongroom.vault.server.opening import opened
from vault import load as load_module
from vault.cluster import Cluster, Node, apart, can_part, running, wait_until
from vault.load import RIGHT, WRONG, Load
from vault.service import QUICK, Service, make_service

pytestmark = pytest.mark.xdist_group("etcd")


@dataclass
class Fleet:
    cluster: Cluster
    vaults: list[Service]
    core: Core

    @contextmanager
    def loaded(self, folder: Path, name: str) -> Iterator[Load]:
        """While four people guess, and a fifth burns an account from three machines. What they saw
        is judged at the end."""
        load = Load(self.core, [vault.url for vault in self.vaults])
        work = []
        for n in range(4):
            user = load.add(f"{name}{n}", self.vaults[0].token(f"{name}{n}"))
            user.at = n
            work.append((user, (WRONG, RIGHT, RIGHT)))
        burnt = load.add(f"{name}-burnt", self.vaults[0].token(f"{name}-burnt"))
        thief = load_module.User(load, burnt.name, burnt.token, 1)
        work += [(burnt, (WRONG,)), (thief, (WRONG,))]
        with load_module.running(*work):
            load.more(by=4)
            yield load
        assert load.judged(folder / "history") == (0, "")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with apart(folder) if can_part() else running(folder) as cluster:
        policy = QUICK + "lifetime = 10000\n"
        first = make_service(folder / "vault", etcd=cluster.table(), policy=policy)
        vaults = [first, Service(first.folder), Service(first.folder)]
        for vault in vaults:
            vault.start()
        with opened(read_config(first.config)) as core:
            yield Fleet(cluster, vaults, core)
        for vault in vaults:
            vault.stop()


@pytest.fixture(autouse=True)
def whole(fleet: Fleet) -> None:
    """Each test begins with all nodes there."""
    fleet.cluster.wait()


def followers(cluster: Cluster) -> list[Node]:
    leader = cluster.leader()
    return [node for node in cluster.nodes if node is not leader]


def test_the_leader_is_killed_and_comes_back(fleet: Fleet, tmp_path: Path) -> None:
    cluster = fleet.cluster
    with fleet.loaded(tmp_path, "kill") as load:
        leader = cluster.leader()
        cluster.kill(leader)
        load.more()
        cluster.start(leader)
        cluster.wait()
        load.more()


def test_the_leader_stands_still_and_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    cluster = fleet.cluster
    with fleet.loaded(tmp_path, "pause") as load:
        leader = cluster.leader()
        cluster.pause(leader)
        load.more()
        cluster.go_on(leader)
        cluster.wait()
        load.more()


@pytest.mark.skipif(not can_part(), reason="no network namespaces here")
def test_the_leader_is_cut_off_and_is_back(fleet: Fleet, tmp_path: Path) -> None:
    cluster = fleet.cluster
    with fleet.loaded(tmp_path, "cut") as load:
        leader = cluster.leader()
        cluster.link(leader, "down")
        load.more()
        cluster.link(leader, "up")
        cluster.wait()
        load.more()


def test_leadership_moves_again_and_again(fleet: Fleet, tmp_path: Path) -> None:
    cluster = fleet.cluster
    gateway = Gateway(cluster.access(""))
    with fleet.loaded(tmp_path, "move") as load:
        for _ in range(3):
            leader = cluster.leader()
            status = gateway.ask_one(leader.url, "maintenance/status", {})
            listed = gateway.ask_one(leader.url, "cluster/member/list", {})
            other = next(each for each in listed["members"] if each["ID"] != status["leader"])
            message = {"targetID": other["ID"]}
            gateway.ask_one(leader.url, "maintenance/transfer-leadership", message, timeout=5)
            load.more(by=4)
    gateway.close()


def test_a_node_comes_back_with_an_old_disk(fleet: Fleet, tmp_path: Path) -> None:
    """etcd notices, or brings it up to date; as a new member with an empty disk it is let in."""
    cluster = fleet.cluster
    node = followers(cluster)[0]
    with fleet.loaded(tmp_path, "disk") as load:
        cluster.kill(node)
        shutil.copytree(node.data, tmp_path / "old")
        cluster.start(node)
        cluster.wait()
        load.more(by=10)
        cluster.kill(node)
        shutil.rmtree(node.data)
        shutil.copytree(tmp_path / "old", node.data)
        cluster.start(node)
        load.more(by=10)
        replace_member(cluster, node)
        load.more()


def replace_member(cluster: Cluster, node: Node) -> None:
    cluster.kill(node)
    gateway = Gateway(cluster.access(""))
    listed = gateway.order("cluster/member/list", {})
    (old,) = [each["ID"] for each in listed["members"] if each["name"] == node.name]
    gateway.order("cluster/member/remove", {"ID": old})
    shutil.rmtree(node.data)
    gateway.order("cluster/member/add", {"peerURLs": [node.peer]})
    gateway.close()
    cluster.start(node, state="existing")
    cluster.wait()


def test_with_two_nodes_gone_nobody_is_answered_and_nothing_is_charged_twice(
    fleet: Fleet, program: Program, tmp_path: Path
) -> None:
    cluster = fleet.cluster
    with fleet.loaded(tmp_path, "two") as load:
        gone = followers(cluster)
        cluster.kill(*gone)
        begun = time.monotonic()
        with ThreadPoolExecutor() as pool:
            health = pool.submit(fleet.vaults[0].get, "/healthz")
            metrics = pool.submit(fleet.vaults[1].get, "/metrics")
            status = pool.submit(program, *status_of(fleet.vaults[2]), code=1)
        assert health.result()[0] == 503
        assert "\nstrongroom_vault_store_quorum 0\n" in metrics.result()[1]
        shown = json.loads(status.result().out)
        assert (shown["quorum"], shown["members"], shown["reachable"]) == (False, 3, 0)
        wait_until(lambda: sum(each["outcome"] == "lost" for each in load.events) >= 3)
        ended = time.monotonic()
        cluster.start(*gone)
        cluster.wait()
        assert [vault.get("/healthz")[0] for vault in fleet.vaults] == [200] * 3
        shown = json.loads(program(*status_of(fleet.vaults[0])).out)
        assert (shown["quorum"], shown["members"], shown["reachable"]) == (True, 3, 3)
        load.more()
    assert not [
        event
        for event in load.events
        if event["begin"] > begun and event["end"] < ended and event["outcome"] != "lost"
    ]


def status_of(vault: Service) -> tuple[str | Path, ...]:
    return ("vault", "status", "--config", vault.config, "--json")


# --- the checker itself ---


BROKEN = """
import sys, threading, time
from pathlib import Path
from strongroom.vault.messages import Answered
from strongroom.vault.opaque import credential_response
from strongroom.vault.server import recover
from strongroom.vault.server.core import context
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.wire import identifier

charge = recover.attempt

def late(core, ref, asked):
    time.sleep(0.3)
    try:
        charge(core, ref, asked)
    except RefusalError:
        pass

def answer_first(core, ref, asked):
    user = core.transact(lambda ledger: ledger.user(ref))
    record = core.transact(lambda ledger: ledger.record(user, asked.record_id))
    setup = core.keeper.unseal(record.sealed_setup, context(record))
    name = identifier(record.vault_id, record.record_id)
    ke2 = credential_response(setup, name, record.password_file, asked.ke1)
    threading.Thread(target=late, args=(core, ref, asked)).start()
    return Answered(ke2, asked.token[8:24], bytes(32))

recover.attempt = answer_first

from strongroom.vault.server.config import read_config
from strongroom.vault.server.service import serve

serve(read_config(Path(sys.argv[1])), ready=lambda url: print("ready", url, flush=True))
"""


@pytest.mark.parametrize("broken", [False, True])
def test_a_vault_that_decrements_after_answering_is_caught(tmp_path: Path, broken: bool) -> None:
    service = make_service(tmp_path / "vault")
    script = [sys.executable, "-c", textwrap.dedent(BROKEN), service.config] if broken else []
    service.start(script)
    with opened(read_config(service.config)) as core:
        load = Load(core, [service.url])
        users = [load.add("anna", service.token("anna"))]
        users += [load_module.User(load, "anna", users[0].token) for _ in range(3)]
        with load_module.running(*((user, (WRONG,)) for user in users)):
            wait_until(lambda: load.count("guess", "answered") >= (12 if broken else 10))
        service.stop()
        code, words = load.judged(tmp_path / "history")
    assert code == int(broken)
    assert ("answered in a row" in words) is broken
    assert ("charged" in words) is broken


def test_a_history_that_went_back_is_caught(tmp_path: Path) -> None:
    """Of a database that was set back between two looks, with a recovery in between."""
    service = make_service(tmp_path / "vault")
    service.start()
    with opened(read_config(service.config)) as core:
        load = Load(core, [service.url])
        user = load.add("anna", service.token("anna"))
        service.stop()
        core.store.scrub()
    old = (service.folder / "vault.db").read_bytes()
    service.start()
    load.urls[:] = [service.url]
    user.guess(RIGHT)
    service.stop()
    (service.folder / "vault.db").write_bytes(old)
    with opened(read_config(service.config)) as core:
        load.core = core
        code, words = load.judged(tmp_path / "history")
    assert code == 1
    assert "no more in its log" in words
    assert "0 recovered" in words
