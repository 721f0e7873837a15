"""A hardware module that is none: SoftHSM2, with tokens in a folder that a test may take away."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pkcs11
import pytest

from services import service
from strongroom.vault.server.hsm import Hsm

PIN, SO_PIN = "4711-secret-pin", "0815-secret-pin"


@dataclass
class SoftToken:
    """A token, and what a configuration says of it."""

    folder: Path
    module: Path
    label: str
    vault: str

    @property
    def variables(self) -> dict[str, str]:
        """What processes have to be told."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    @property
    def pin_file(self) -> Path:
        return self.folder / "pin"

    def hsm(self, **changes: Any) -> Hsm:
        known = {"module": self.module, "token": self.label, "vault": self.vault}
        return Hsm(**{**known, "pin_file": self.pin_file, **changes})

    def lines(self, *more: str) -> Path:
        """A file for `vault init --hsm`."""
        path = self.folder / "hsm.toml"
        mine = (f'module = "{self.module}"', f'token = "{self.label}"')
        path.write_text("\n".join((*mine, f'pin_file = "{self.pin_file}"', *more)) + "\n")
        return path

    def initialize(self) -> None:
        """A token of this label, with nothing in it."""
        utility = service("softhsm2", "usr/bin/softhsm2-util")
        command = [
            utility,
            "--module",
            self.module,
            "--init-token",
            "--free",
            "--label",
            self.label,
        ]
        pins = ["--pin", PIN, "--so-pin", SO_PIN]
        subprocess.run([*command, *pins], check=True, capture_output=True)

    def take_away(self) -> None:
        (self.folder / "tokens").rename(self.folder / "elsewhere")

    def bring_back(self) -> None:
        (self.folder / "elsewhere").rename(self.folder / "tokens")

    def session(self) -> Any:
        """Of whoever knows the PIN."""
        token = pkcs11.lib(str(self.module)).get_token(token_label=self.label)
        try:
            return token.open(rw=True, user_pin=PIN)
        except pkcs11.UserAlreadyLoggedIn:
            return token.open(rw=True)

    def everything(self) -> list[Any]:
        """All that is in it."""
        return list(self.session().get_objects())


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftToken]:
    """A new token; this process's module forgets those of before."""
    module = service("softhsm2", "usr/lib/softhsm/libsofthsm2.so")
    folder = tmp_path / "hsm"
    (folder / "tokens").mkdir(parents=True)
    settings = f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n"
    (folder / "softhsm2.conf").write_text(settings)
    made = SoftToken(folder, module, f"vault {secrets.token_hex(4)}", secrets.token_hex(16))
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    made.initialize()
    made.pin_file.write_text(PIN + "\n")
    made.pin_file.chmod(0o600)
    loaded = pkcs11.lib(str(module))
    loaded.reinitialize()
    yield made
    if loaded.initialized:
        loaded.finalize()
