"""Which hardware module keeps the keys, and how: the table [hsm] of the configuration."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from strongroom.errors import SourceError, UsageError
from strongroom.vault.wire import ID_LEN

PIN_VARIABLE: Final = "STRONGROOM_HSM_PIN"
_PATHS: Final = ("module", "pin_file")
_NEEDED: Final = ("module", "token", "vault")
_PIN_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Hsm:
    """A token behind PKCS #11."""

    module: Path
    """The maker's shared library."""
    token: str
    """The label of the token."""
    vault: str
    """The vault's id, by which its keys are found: 32 hexadecimal digits."""
    pin_file: Path | None = None
    """Its first line, also /dev/fd/3; None: from the environment."""
    key_per_record: bool = False
    """Each record is sealed by a key of its own, which is destroyed with it."""

    def __post_init__(self) -> None:
        """Raises UsageError."""
        try:
            sound = len(bytes.fromhex(self.vault)) == ID_LEN
        except ValueError:
            sound = False
        if not sound or not self.token:
            raise UsageError("[hsm]: token is a label, vault 32 hexadecimal digits")

    @property
    def vault_id(self) -> bytes:
        """16 bytes."""
        return bytes.fromhex(self.vault)

    def pin(self) -> str:
        """Of the token's user. From the environment it is taken away, so that nothing that is
        started later has it. Raises SourceError, UsageError."""
        text = _first_line(self.pin_file) if self.pin_file else os.environ.pop(PIN_VARIABLE, "")
        if not text:
            raise UsageError(
                "[hsm]: there is no PIN", hint=f"set pin_file, or {PIN_VARIABLE} in the environment"
            )
        return text


def read_hsm(values: Any, folder: Path) -> Hsm:
    """Of the table; paths are relative to folder. Raises UsageError."""
    kinds = {each.name: str for each in fields(Hsm)} | {"key_per_record": bool}
    if not isinstance(values, dict) or not set(_NEEDED) <= set(values) <= set(kinds):
        raise UsageError(f"[hsm] has {', '.join(kinds)}, nothing else; all but the last two")
    for name, value in values.items():
        if type(value) is not kinds[name]:
            raise UsageError(f"[hsm]: {name} is not as it should be")
    paths = {name: folder / values[name] for name in _PATHS if name in values}
    return Hsm(**{**values, **paths})


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.readline(_PIN_MAX).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"reading the PIN from {path}: {error}") from None
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"the PIN in {path} can be read by others", hint="chmod 600 it")
    return line
