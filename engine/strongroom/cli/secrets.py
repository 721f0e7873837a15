"""Where keys and passwords come from. Never from the command line itself: others can read it."""

from __future__ import annotations

import importlib
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

import click

from strongroom.cli.console import Console
from strongroom.errors import InvalidKeyError, SourceError, UsageError
from strongroom.keys.envelope import Credential
from strongroom.keys.password import Password
from strongroom.keys.rootkey import RootKey
from strongroom.ops.source import identity_of

_SECRET_LEN_MAX = 65536
_ENVIRONMENT = ("STRONGROOM_PASSWORD", "STRONGROOM_PASSWORD_FILE", "STRONGROOM_PASSWORD_COMMAND")


class VaultOptions(NamedTuple):
    """What the command line said about a vault."""

    url: str | None
    """"": the one this machine knows. None: it is not to be asked for the key."""
    token_file: Path | None
    password_file: Path | None
    certificate: Path | None
    remember: bool

    def password(self) -> Password:
        """From its file or a prompt."""
        if self.password_file is not None:
            return Password(first_line(read_secret_file(self.password_file)))
        hint = "pass --vault-password-file FILE"
        return Password(_asking().prompt("Vault password: ", confirm=False, hint=hint))


class SecretOptions(NamedTuple):
    """What the command line said about the secret."""

    key_file: Path | None
    password_file: Path | None
    password_command: str | None
    password_fd: int | None
    allow_kdf: bool
    vault: VaultOptions | None = None

    @property
    def asks_vault(self) -> bool:
        """Whether a vault is to give the key. With a key file an address only says where it is."""
        if self.vault is None or self.vault.url is None:
            return False
        named_only = self.key_file is not None and self.vault.password_file is None
        return not (named_only and self.vault.url)

    def check_one(self, *, piped: bool) -> None:
        """Raise a usage error for several secrets, or one that would take a bite of the data."""
        sources = (self.key_file, self.password_file, self.password_command, self.password_fd)
        if sum(source is not None for source in sources) + self.asks_vault > 1:
            raise click.UsageError("more than one key or password was given")
        if piped:
            self._check_not_standard_input()

    def credential(self, console: Console, *, confirm: bool, piped: bool) -> Credential:
        """The key or password, from an option, the environment or a prompt, in this order.

        confirm: ask twice, because a typing error would lock the data for good.
        piped: standard input carries the data, so the secret cannot come from there.
        """
        self.check_one(piped=piped)
        if self.key_file is not None:
            return _read_key(self.key_file, console)
        if self.password_file is not None:
            return self._password(first_line(read_secret_file(self.password_file)))
        if self.password_command is not None:
            return self._password(_run(self.password_command))
        if self.password_fd is not None:
            return self._password(first_line(_read_fd(self.password_fd)))
        text = _from_environment()
        if text is None:
            hint = "pass --key-file FILE or --password-file FILE"
            text = _asking().prompt("Password: ", confirm=confirm, hint=hint)
        return self._password(text)

    def new_password(self) -> Password:
        """A password to be, from an option or a prompt that asks twice; the environment holds
        the present one."""
        sources = (self.password_file, self.password_command, self.password_fd)
        if sum(source is not None for source in sources) > 1:
            raise click.UsageError("more than one new password was given")
        if self.password_file is not None:
            return self._password(first_line(read_secret_file(self.password_file)))
        if self.password_command is not None:
            return self._password(_run(self.password_command))
        if self.password_fd is not None:
            return self._password(first_line(_read_fd(self.password_fd)))
        hint = "pass --new-password-file FILE"
        return self._password(_asking().prompt("New password: ", confirm=True, hint=hint))

    def _check_not_standard_input(self) -> None:
        """Raise a usage error if reading the secret would take a bite of the data."""
        data = identity_of(os.fstat(0))
        files = [self.key_file, self.password_file]
        if self.vault is not None:
            files += [self.vault.token_file, self.vault.password_file]
        if not any(files) and "STRONGROOM_PASSWORD_FILE" in os.environ:
            files.append(Path(os.environ["STRONGROOM_PASSWORD_FILE"]))
        same = [f for f in files if f is not None and f.exists() and identity_of(f.stat()) == data]
        if same or self.password_fd == 0:
            raise click.UsageError("the secret and the data cannot both be standard input")

    def _password(self, text: str) -> Password:
        return Password(text, allow_costly=self.allow_kdf)


def _read_key(path: Path, console: Console) -> RootKey:
    try:
        text = read_secret_file(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidKeyError(f"{path} holds no key: it is not text") from None
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        console.say(f"strongroom: warning: {path} can be read by others; chmod 600 it")
    return RootKey.from_digits(text)


def read_secret_file(path: Path) -> bytes:
    """What is in it. Raises SourceError, UsageError where it is too long."""
    try:
        with path.open("rb") as file:
            return _limited(file.read(_SECRET_LEN_MAX + 1))
    except OSError as error:
        raise SourceError(f"reading {path}: {error.strerror}") from None


def _read_fd(fd: int) -> bytes:
    try:
        with os.fdopen(os.dup(fd), "rb") as file:
            return _limited(file.read(_SECRET_LEN_MAX + 1))
    except OSError as error:
        raise SourceError(f"reading descriptor {fd}: {error.strerror}") from None


def _run(command: str) -> str:
    return first_line(_limited(_asking().output_of(command)))


def _from_environment() -> str | None:
    given = [name for name in _ENVIRONMENT if name in os.environ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are both set; unset all but one")
    if not given:
        return None
    value = os.environ[given[0]]
    if not value:
        raise UsageError(f"{given[0]} is set but empty")
    if given[0] == "STRONGROOM_PASSWORD_FILE":
        return first_line(read_secret_file(Path(value)))
    if given[0] == "STRONGROOM_PASSWORD_COMMAND":
        return _run(value)
    return first_line(os.fsencode(value))


def _asking() -> Any:
    """strongroom.cli.asking, which who has a key file does without."""
    return importlib.import_module("strongroom.cli.asking")


def _limited(data: bytes) -> bytes:
    if len(data) > _SECRET_LEN_MAX:
        raise UsageError(f"what holds the secret is longer than {_SECRET_LEN_MAX} bytes")
    return data


def first_line(data: bytes) -> str:
    """Without its end. Raises UsageError where it is no text."""
    line = data.split(b"\n", 1)[0].removesuffix(b"\r")
    return _decode(line, "the password")


def _decode(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{what} is not UTF-8 text") from None
