"""What every contestant is: commands for the same four things, and in words how it was set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Command: TypeAlias = Sequence[str | Path]

OPERATIONS = {
    "backup": "first backup",
    "unchanged": "unchanged backup",
    "restore": "restore",
    "verify": "full verify",
}
"""In the order in which each needs what the one before left."""

CORPORA = ("media", "text", "small", "own")
"""The last is a folder that the user names."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contestant works: it may fill `repo`, `out` and `home`, and only reads `source`."""

    folder: Path
    source: Path

    @property
    def repo(self) -> Path:
        """What a backup leaves, a file or a folder."""
        return self.folder / "repo"

    @property
    def out(self) -> Path:
        """What a restore leaves."""
        return self.folder / "out"

    @property
    def home(self) -> Path:
        """For caches, configuration and keys: empty before each first backup."""
        return self.folder / "home"

    @property
    def password(self) -> Path:
        """A file with a password, and nothing behind it."""
        return self.folder / "password"

    def environment(self) -> dict[str, str]:
        """The user's, without what would set a contestant otherwise than stated."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return kept | {"HOME": str(self.home), "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program under one setting."""

    name: str
    version: str
    settings: str
    """What decides its speed, in words."""
    leaves_out: str
    """What Strongroom does that this does not, in words; empty for its equals."""
    steps: Mapping[str, Command]
    """A command for each operation, run in the folder `out`."""
    before: Sequence[Command] = ()
    """Once before each first backup, untimed."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Why an operation has no command."""
    environment: Mapping[str, str] = field(default_factory=dict)
    on: Sequence[str] = CORPORA
    """The corpora on which this setting is worth its time; all settings are run on request."""
