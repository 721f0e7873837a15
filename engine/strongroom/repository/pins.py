"""The newest head that this machine saw of each repository. Not a cache: what is forgotten here,
nobody else knows.

heads/<repo_id> is the pin of one repository, places/<SHA-256 of a URL> says which repository was
there last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from strongroom._core.secrets import sha256
from strongroom.errors import DamagedError
from strongroom.repository.notes import read_note, write_note

APART_MAX: Final = 64


class Head(NamedTuple):
    """The newest entry of a log, or 0 and the hash of the config."""

    seq: int
    hash: bytes
    """32 bytes."""

    def __str__(self) -> str:
        return f"entry {self.seq}, hash {self.hash.hex()}"


class Pin(NamedTuple):
    """What is known of a repository."""

    repo_id: bytes
    public_key: bytes
    proven: bool
    """The public key is known to be that of the root key."""
    newest: Head
    url: str
    """Where that was seen last."""
    seen: int
    """And when: nanoseconds since 1970."""
    apart: Mapping[str, Head]
    """Heads of copies at other places whose owner knows that they are older."""

    def expected_at(self, url: str) -> Head:
        """What a log there must hold."""
        return self.apart.get(url, self.newest)


class PinFolder:
    """The pins of one user of one machine."""

    def __init__(self, folder: Path) -> None:
        """folder need not exist."""
        self.folder = folder

    def pin(self, repo_id: bytes) -> Pin | None:
        """None: it was never seen. Raises DamagedError, UnsupportedError, SourceError."""
        path = self._head_path(repo_id)
        found = read_note(path)
        if found is None:
            return None
        pin = _pin_of(found)
        if pin is None or pin.repo_id != repo_id:
            raise DamagedError(f"reading {path}: it is malformed")
        return pin

    def repository_at(self, url: str) -> bytes | None:
        """The repo_id of what was there last. Raises as pin does."""
        path = self._place_path(url)
        found = read_note(path)
        if found is None:
            return None
        repo_id = _bytes(found.get("repo_id"))
        if repo_id is None or found.get("url") != url:
            raise DamagedError(f"reading {path}: it is malformed")
        return repo_id

    def keep(self, pin: Pin) -> None:
        """In place of what was known before. Raises TargetError."""
        apart = list(pin.apart.items())[-APART_MAX:]
        write_note(
            self._head_path(pin.repo_id),
            {
                "repo_id": pin.repo_id.hex(),
                "public_key": pin.public_key.hex(),
                "proven": pin.proven,
                "newest": _map_of(pin.newest),
                "url": pin.url,
                "seen": pin.seen,
                "apart": {url: _map_of(head) for url, head in apart},
            },
        )

    def keep_place(self, url: str, repo_id: bytes) -> None:
        """That repository is there. Raises TargetError."""
        write_note(self._place_path(url), {"url": url, "repo_id": repo_id.hex()})

    def _head_path(self, repo_id: bytes) -> Path:
        return self.folder / "heads" / repo_id.hex()

    def _place_path(self, url: str) -> Path:
        name = sha256(url.encode("utf-8", "surrogateescape")).hex()
        return self.folder / "places" / name


def _map_of(head: Head) -> dict[str, Any]:
    return {"seq": head.seq, "hash": head.hash.hex()}


def _pin_of(found: dict[str, Any]) -> Pin | None:
    """None where anything is not what it should be."""
    repo_id, public_key = _bytes(found.get("repo_id")), _bytes(found.get("public_key"))
    newest, apart = _head(found.get("newest")), found.get("apart")
    url, seen, proven = found.get("url"), found.get("seen"), found.get("proven")
    if repo_id is None or public_key is None or newest is None:
        return None
    if not isinstance(url, str) or type(seen) is not int or not isinstance(proven, bool):
        return None
    if not isinstance(apart, dict):
        return None
    heads = {place: _head(head) for place, head in apart.items()}
    known = {place: head for place, head in heads.items() if head is not None}
    if len(known) < len(heads):
        return None
    return Pin(repo_id, public_key, proven, newest, url, seen, known)


def _head(found: object) -> Head | None:
    if not isinstance(found, dict):
        return None
    seq, digest = found.get("seq"), _bytes(found.get("hash"))
    if type(seq) is not int or not 0 <= seq < 2**64 or digest is None:
        return None
    return Head(seq, digest)


def _bytes(found: object) -> bytes | None:
    """32 bytes."""
    try:
        value = bytes.fromhex(found) if isinstance(found, str) else b""
    except ValueError:
        return None
    return value if len(value) == 32 else None
