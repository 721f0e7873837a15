"""What this machine remembers of a repository's vault: where it is, whose it is, which guesses were
wrong, how far its log was. In a file that only its owner reads."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from strongroom.errors import DamagedError, SourceError, TargetError
from strongroom.xdg import state_home

_KEPT = 100


@dataclass(frozen=True, slots=True)
class Pins:
    """Texts; bytes as hexadecimal digits."""

    repo_id: str
    url: str = ""
    owner_pk: str = ""
    certificate: str | None = None
    log_seq: int = 0
    log_head: str = ""
    wrong: tuple[str, ...] = ()
    """Tags of guesses, as costly to try as a guess at the vault's disk would be."""

    @property
    def path(self) -> Path:
        """The file."""
        return _path(self.repo_id)

    def knows_wrong(self, tag: bytes) -> bool:
        """Whether that guess was made here, and was wrong."""
        return tag.hex() in self.wrong

    def with_wrong(self, tag: bytes) -> Pins:
        """One more."""
        return replace(self, wrong=(*self.wrong[-_KEPT:], tag.hex()))

    def after_success(self, log_seq: int, log_head: bytes) -> Pins:
        """No wrong guesses any more, and the log as far as it is now."""
        return replace(self, wrong=(), log_seq=log_seq, log_head=log_head.hex())

    def check_log(self, log_seq: int, log_head: bytes, *, doing: str) -> None:
        """Raise DamagedError where the vault's log is older than what was seen, or another."""
        if log_seq < self.log_seq or (log_seq == self.log_seq and log_head.hex() != self.log_head):
            raise DamagedError(
                f"{doing}: the vault was set back: its log ends at {log_seq}, this machine saw "
                f"{self.log_seq}",
                hint=f"ask its operator; if that was announced, delete {self.path}",
            )

    def write(self) -> None:
        """Durable, in place of what was there. Raises TargetError."""
        path = self.path
        beside = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w") as file:
                json.dump(asdict(self), file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise TargetError(f"remembering the vault in {path}: {error.strerror}") from None


def read_pins(repo_id: bytes) -> Pins:
    """Empty ones where nothing is remembered. Raises SourceError where it cannot be read: what was
    pinned must not be forgotten by accident."""
    path = _path(repo_id.hex())
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Pins(repo_id.hex())
    except (OSError, ValueError) as error:
        raise SourceError(f"reading {path}: {error}", hint="delete it to begin anew") from None
    if not _sound(values) or values["repo_id"] != repo_id.hex():
        raise SourceError(f"reading {path}: it is not as it should be", hint="delete it")
    return Pins(**{**values, "wrong": tuple(values["wrong"])})


def _sound(values: Any) -> bool:
    if not isinstance(values, dict) or set(values) != {field.name for field in fields(Pins)}:
        return False
    texts = [values[name] for name in ("repo_id", "url", "owner_pk", "log_head")]
    if not isinstance(values["wrong"], list) or type(values["log_seq"]) is not int:
        return False
    if not _is_key(values["owner_pk"]):
        return False
    return all(isinstance(text, str) for text in [*texts, *values["wrong"]]) and (
        values["certificate"] is None or isinstance(values["certificate"], str)
    )


def _is_key(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch("([0-9a-f]{64})?", text) is not None


def _path(repo_id: str) -> Path:
    return state_home() / "vault" / f"{repo_id}.json"
