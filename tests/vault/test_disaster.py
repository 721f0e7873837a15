"""An etcd that was set back, put back from a copy, or replaced: it is noticed, and locked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from program import Program
from services import service as part_of
from strongroom.vault.server.config import read_config
from strongroom.vault.server.opening import opened
from strongroom.vault.wire import Code
from vault.cluster import Cluster, running
from vault.parties import Person
from vault.service import Service, code_of, make_service

pytestmark = pytest.mark.xdist_group("etcd")

PASSWORD = "granite otter"
ANY = bytes(16)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("etcd"), count=1) as made:
        yield made


def vault(cluster: Cluster, folder: Path, name: str) -> tuple[Service, str, Person]:
    """With a witness, an account's token, and the account's owner."""
    table = cluster.table(f"{name}/")
    made = make_service(folder / name, witness=folder / f"{name}.witness", etcd=table)
    with opened(read_config(made.config)) as core:
        anna = Person(core)
        anna.registered(PASSWORD)
    return made, made.token("anna"), anna


def guess(service: Service, anna: Person, password: str) -> bytes | None:
    """What is released."""
    with opened(read_config(service.config)) as core:
        anna.core = core
        made = anna.guess(password)
        return made.release() if password == PASSWORD and made.is_right() else None


def refused(program: Program, service: Service) -> str:
    return program("vault", "serve", "--config", service.config, code=1).err


def test_an_etcd_that_was_set_back_is_refused_at_start_and_on_reconnect(
    cluster: Cluster, program: Program, tmp_path: Path
) -> None:
    service, token, anna = vault(cluster, tmp_path, "back")
    (node,) = cluster.nodes
    cluster.kill(node)
    shutil.copytree(node.data, tmp_path / "old")
    cluster.start(node)
    service.start()
    guess(service, anna, "wrong")
    assert service.post("recover/begin", ANY, token)[0] == 200
    cluster.kill(node)
    shutil.rmtree(node.data)
    (tmp_path / "old").rename(node.data)
    cluster.start(node)
    cluster.wait(1)
    assert code_of(service.post("recover/begin", ANY, token)) == Code.UNAVAILABLE
    assert service.get("/healthz")[0] == 503
    assert "went back" in service.log()
    service.stop()
    assert "went back" in refused(program, service)
    service("unlock")
    service.start()
    assert service.post("recover/begin", ANY, token)[0] == 200
    service.stop()


def test_a_snapshot_that_was_restored_is_locked_until_the_operator_says_so(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Even without a witness: another token makes another cluster of it."""
    service, token, anna = vault(cluster, tmp_path, "snapshot")
    (node,) = cluster.nodes
    snapshot = tmp_path / "etcd.snapshot"
    certificate, key = cluster.trusted
    trust = (f"--cacert={certificate}", f"--cert={certificate}", f"--key={key}")
    etcdctl(f"--endpoints={node.url}", *trust, "snapshot", "save", str(snapshot))
    for _ in range(2):
        guess(service, anna, "wrong")
    cluster.kill(node)
    shutil.rmtree(node.data)
    cluster.token = "restored"
    etcdctl(
        *("snapshot", "restore", str(snapshot), f"--data-dir={node.data}", f"--name={node.name}"),
        *(f"--initial-cluster={node.name}={node.peer}", f"--initial-cluster-token={cluster.token}"),
        f"--initial-advertise-peer-urls={node.peer}",
    )
    cluster.start(node)
    cluster.wait(1)
    config = service.config.read_text()
    service.config.write_text(config.replace("witness", "# witness"))
    service.start()
    assert json.loads(service("status", "--json"))["locked"] is True
    assert code_of(service.post("recover/begin", ANY, token)) == Code.LOCKED
    service("unlock")
    assert guess(service, anna, PASSWORD) == anna.wrapped
    service.stop()


def etcdctl(*words: str) -> None:
    program = part_of("etcd-server", "usr/bin/etcdctl")
    subprocess.run(
        [program, *words], env=os.environ | {"ETCDCTL_API": "3"}, check=True, capture_output=True
    )


def test_a_backup_of_rows_fills_another_etcd_locked(
    cluster: Cluster, program: Program, tmp_path: Path
) -> None:
    service, _, anna = vault(cluster, tmp_path, "rows")
    with opened(read_config(service.config)) as core:
        for n in range(30):  # more rows than a page has
            Person(core, f"u{n}").register("other")
    service("backup", tmp_path / "copy.db")
    guess(service, anna, "wrong")
    config = service.config.read_text()
    service.config.write_text(config.replace('"rows/"', '"others/"'))
    service("restore", tmp_path / "copy.db")
    service("unlock")
    found = json.loads(service("status", "--json"))
    assert (found["users"], found["locked"], found["damaged"]) == (31, False, 0)
    assert guess(service, anna, PASSWORD) == anna.wrapped
    run = program("vault", "restore", "--config", service.config, tmp_path / "copy.db", code=2)
    assert "holds a vault already" in run.err


def test_a_second_machine_serves_the_same_vault_with_a_witness_of_its_own(
    cluster: Cluster, program: Program, tmp_path: Path
) -> None:
    service, token, anna = vault(cluster, tmp_path, "shared")
    shutil.copytree(service.folder, tmp_path / "second")
    second = Service(tmp_path / "second")
    config = service.config.read_text()
    second.config.write_text(config.replace("shared.witness", "second.witness"))
    assert "second.witness" in refused(program, second)
    second("unlock", "--new-witness")
    second.start()
    assert second.post("recover/begin", ANY, token)[0] == 200
    second.stop()
    assert guess(service, anna, PASSWORD) == anna.wrapped
    run = program("vault", "init", "--config", "x.toml", "--etcd", table(cluster, tmp_path), code=2)
    assert "holds a vault already" in run.err
    assert not list(tmp_path.glob("x.toml")) + list(tmp_path.glob("vault.*"))


def table(cluster: Cluster, folder: Path) -> Path:
    path = folder / "etcd.toml"
    path.write_text(cluster.table("shared/"))
    return path
