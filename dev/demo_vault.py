"""The demo's vault: a password brings the key back on a new machine, wrong ones destroy it, and the
64 digits still open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dev.console import SetupError

STRONGROOM = str(Path(sys.executable).with_name("strongroom"))
ATTEMPTS = 3
POLICY = f"attempts = {ATTEMPTS}\ndelays = [0]\n"
WRONG, REFUSED = 12, 16
PASSWORD = "granite otter velvet lantern"  # noqa: S105


def scene(folder: Path) -> None:
    """Register, lose the machine, recover, burn all attempts, open by the digits. In folder there
    are a repository and its digits, and what it held is in library."""
    print(f"\na vault, with {ATTEMPTS} attempts and no delays, so that nobody has to wait")
    place = folder / "vault"
    place.mkdir()
    run("vault", "init", "--config", "vault/vault.toml", "--listen", "127.0.0.1:0")
    with (place / "vault.toml").open("a") as config:
        config.write(POLICY)
    run("vault", "add-account", "--config", "vault/vault.toml", "anna", "--token-out", "token")
    (folder / "vault password").write_text(PASSWORD + "\n")
    with served(folder) as url:
        _register(folder, url)
        machine = {"XDG_STATE_HOME": str(folder / "new machine")}
        guess = ("--vault", url, "--token-file", "token", "--vault-password-file")
        print("\nthe machine is lost; a new one has the repository, the token and the password:")
        wanted = ("latest", "library/new file", "--target", "from the vault")
        run("restore", "-r", "repository", *guess, "vault password", *wanted, env=machine)
        compare(folder / "library/new file", folder / "from the vault/library/new file")
        print("\nsomebody guesses:")
        for number in range(ATTEMPTS):
            (folder / "guess").write_text(f"guess number {number}\n")
            run("snapshots", "-r", "repository", *guess, "guess", env=machine, code=WRONG)
        print("\nnow the right password comes too late:")
        words = ("snapshots", "-r", "repository", *guess, "vault password")
        run(*words, env=machine, code=REFUSED)
    print("\nthe 64 digits need no vault:")
    run("snapshots", "-r", "repository", "--key-file", "digits")


def _register(folder: Path, url: str) -> None:
    print("\nits password slot could be guessed offline, so it goes first:")
    listed = subprocess.run(
        [STRONGROOM, "key", "list", "-r", "repository", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listed.stdout.splitlines():
        slot = json.loads(line)["slot"]
        run("key", "remove", slot, "-r", "repository", "--key-file", "digits", "--force")
    where = ("-r", "repository", "--key-file", "digits", "--token-file", "token")
    run("key", "add-vault", url, *where, "--vault-password-file", "vault password")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a process of the vault in folder, while it runs."""
    command = [STRONGROOM, "vault", "serve", "--config", "vault/vault.toml"]
    print("\n$ strongroom vault serve --config vault/vault.toml", flush=True)
    with (folder / "vault/vault.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        if process.stdout is None or not (line := process.stdout.readline()):
            raise SetupError("error: the vault did not start")
        print(line, end="")
        yield line.split()[1]
    finally:
        process.terminate()
        process.communicate()


def run(*words: str, env: Mapping[str, str] | None = None, code: int = 0) -> None:
    """The program on this terminal. Raises SetupError unless it ends with that code."""
    shown = " ".join(f"'{word}'" if " " in word else word for word in words)
    print(f"\n$ strongroom {shown}", flush=True)
    found = subprocess.run([STRONGROOM, *words], env={**os.environ, **(env or {})}, check=False)
    if found.returncode != code:
        raise SetupError(f"error: exit {found.returncode}, not {code}")
    if code:
        print(f"exit {code}")


def compare(one: Path, other: Path) -> None:
    """Raises SetupError unless they hold the same."""
    if one.read_bytes() != other.read_bytes():
        raise SetupError(f"error: {one} came back different")
