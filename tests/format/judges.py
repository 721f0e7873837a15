"""What the reference and the product say to the same repository.

The product judges by opening the repository and verifying all of it, data included.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from strongroom import Repository, RootKey, StrongroomError

from . import forge_repository as forge
from . import whole_reference as reference
from .header_reference import Refused

Objects = Mapping[str, bytes]


def by_reference(objects: Objects) -> int:
    try:
        reference.read(objects, forge.ROOT_KEY)
    except Refused as refusal:
        return refusal.code
    return 0


def stored(objects: Objects, folder: Path) -> None:
    for name, content in objects.items():
        path = folder / "repo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def opened(folder: Path) -> Repository:
    key = RootKey(forge.ROOT_KEY)
    return Repository.open(folder / "repo", key=key, cache=folder / "cache")


def by_product(objects: Objects, folder: Path) -> int:
    stored(objects, folder)
    found: list[int] = []
    try:
        with opened(folder) as repository:
            repository.verify(data=True, on_damage=lambda f: found.append(f.error.exit_code))
    except StrongroomError as error:
        return error.exit_code
    return found[0] if found else 0


def both(objects: Objects, folder: Path) -> int:
    """The code on which both agree."""
    codes = (by_reference(objects), by_product(objects, folder))
    assert codes[0] == codes[1], f"reference {codes[0]}, product {codes[1]}"
    return codes[0]
