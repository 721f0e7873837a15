"""make demo-cluster: a vault whose rows are in an etcd of three nodes, one of which loses its power
in the middle of a recovery, which succeeds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from dev.console import ROOT, SetupError
from dev.demo_vault import PASSWORD, STRONGROOM, compare, run, served
from dev.etcd import Trio, trio
from dev.setup import install_wheels, pyproject

SCRATCH = ROOT / "build"
PATIENCE_S = 60


def main() -> int:
    """Print what happens."""
    install_wheels("etcd extra", pyproject()["project"]["optional-dependencies"]["etcd"])
    SCRATCH.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="demo-cluster-", dir=SCRATCH) as name,
        ExitStack() as on,
    ):
        folder = Path(name)
        os.chdir(folder)  # so that the commands printed are short
        for made in ("etcd", "vault"):
            (folder / made).mkdir()
        print("\nthree nodes of etcd")
        nodes = on.enter_context(trio(folder / "etcd"))
        (folder / "etcd.toml").write_text(nodes.table)
        print(nodes.table, end="")
        config = ("--config", "vault/vault.toml")
        run("vault", "init", *config, "--listen", "127.0.0.1:0", "--etcd", "etcd.toml")
        run("vault", "add-account", *config, "anna", "--token-out", "token")
        print("\nand two processes of one vault before it")
        urls = [on.enter_context(served(folder)) for _ in range(2)]
        _recover(folder, nodes, ",".join(urls))
        run("vault", "status", *config)
        run("vault", "log", *config, "anna")
    return 0


def _recover(folder: Path, nodes: Trio, url: str) -> None:
    (folder / "file").write_text("to be kept\n")
    (folder / "password").write_text(PASSWORD + "\n")
    run("keygen", "-o", "digits")
    run("init", "-r", "repository", "--key-file", "digits")
    run("backup", "-r", "repository", "--key-file", "digits", "file")
    token = ("-r", "repository", "--token-file", "token", "--vault-password-file", "password")
    run("key", "add-vault", url, *token, "--key-file", "digits")
    print("\na new machine has the repository, the token and the password:")
    words = ("restore", *token, "--vault", url, "latest", "--target", "restored")
    print(f"$ strongroom {' '.join(words)}", flush=True)
    machine = os.environ | {"XDG_STATE_HOME": str(folder / "new machine")}
    seen = _begun(folder)
    process = subprocess.Popen([STRONGROOM, *words], env=machine)
    end = time.monotonic() + PATIENCE_S
    while _begun(folder) == seen:
        if process.poll() is not None or time.monotonic() > end:
            raise SetupError("error: the recovery did not begin")
        time.sleep(0.01)
    leader = nodes.leader()
    nodes.kill(leader)
    print(
        f"-- it asked what a guess costs; now node n{leader}, which led, lost its power", flush=True
    )
    if code := process.wait():
        raise SetupError(f"error: exit {code}")
    compare(folder / "file", folder / "restored/file")
    print("what was lost came back, and the guess was charged once:")


def _begun(folder: Path) -> int:
    """How many guesses were begun at the vault's processes."""
    lines = (folder / "vault/vault.log").read_text().splitlines()
    return sum(json.loads(line).get("verb") == "recover/begin" for line in lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        sys.exit(str(error))
