"""The vault over HTTP, as a process: what it tells, how it starts and stops."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from program import Program
from strongroom import UsageError
from strongroom.vault.server.config import read_config
from vault.service import BEGIN, Service, make_service, served

# --- what is told ---


def test_health_and_metrics_tell_nothing_of_users(service: Service) -> None:
    token = service.token("hans")
    service.post("register/begin", BEGIN, token)
    assert service.get("/healthz") == (200, "ok\n")
    status, metrics = service.get("/metrics")
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
        assert service.get("/healthz")[0] == 200
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
