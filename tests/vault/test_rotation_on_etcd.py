"""New keys while rows lie in three nodes of etcd: kept in a token, or in files of two machines."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from program import STRONGROOM
from strongroom.vault.server.config import read_config
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.opening import opened
from vault import load as load_module
from vault.cluster import Cluster, running
from vault.load import RIGHT, WRONG, Load
from vault.parties import generations
from vault.service import Service, make_service, served
from vault.tokens import SoftToken

pytestmark = pytest.mark.xdist_group("etcd")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("etcd")) as made:
        yield made


def rotate_and_kill(service: Service) -> None:
    """As soon as the new keys are in use."""
    command = [STRONGROOM, "vault", "rotate-keys", "--config", service.config]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"generation 2" in process.stderr.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_keys_in_a_token_are_rotated_while_a_vault_process_and_a_node_are_lost(
    cluster: Cluster, token: SoftToken, tmp_path: Path
) -> None:
    where = {"etcd": cluster.table("token/"), "witness": tmp_path / "witness"}
    hsm = token.lines("key_per_record = true").read_text()
    with (
        served(tmp_path / "vault", hsm=hsm, **where) as first,
        Service(first.folder).running() as second,
        opened(read_config(first.config)) as core,
    ):
        load = Load(core, [first.url, second.url])
        work = [(load.add(name, first.token(name)), (WRONG, RIGHT)) for name in ("anna", "bob")]
        with load_module.running(*work):
            load.more(by=2)
            rotate_and_kill(first)
            load.more(by=2)
            second.stop(signal.SIGKILL)
            gone = cluster.leader()
            cluster.kill(gone)
            first("rotate-keys")
            load.add("late", first.token("late"))
            load.more(by=2)
            cluster.start(gone)
        assert load.judged(tmp_path / "history") == (0, "")
        newest = core.head().generation
        assert newest in (2, 3)
        assert generations(core) == core.keeper.generations() == {newest}
        assert len(set(core.keeper.records())) == 3, "of each record, and no others"


def test_keys_in_files_of_two_machines_are_rotated_and_every_guess_is_answered(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.wait()
    first = make_service(tmp_path / "here", etcd=cluster.table("files/"))
    tokens = {name: first.token(name) for name in ("anna", "bob")}
    second = Service(shutil.copytree(first.folder, tmp_path / "there"))
    keys = [service.folder / "vault.key" for service in (first, second)]
    with first.running(), second.running(), opened(read_config(first.config)) as core:
        load = Load(core, [first.url, second.url])
        work = [(load.add(name, text), (WRONG, RIGHT)) for name, text in tokens.items()]
        work[1][0].at = 1  # at the other machine
        with load_module.running(*work):
            load.more(by=2)
            first("rotate-keys", "--prepare")
            shutil.copy(*keys)
            first("rotate-keys")
            load.more(by=2)
            shutil.copy(*keys)
            load.more(by=2)
        assert load.judged(tmp_path / "history") == (0, "")
        assert not [event for event in load.events if event["outcome"] == "lost"]
        assert generations(core) == FileKeys(keys[1]).generations() == {2}
