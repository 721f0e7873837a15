"""What an extra brings is loaded only where the configuration asks for it."""

from __future__ import annotations

import importlib
from typing import Any

from strongroom.errors import StrongroomError


def module_of(name: str, *, extra: str) -> Any:
    """strongroom.vault.server.<name>. Raises StrongroomError where its packages are missing."""
    try:
        return importlib.import_module(f"strongroom.vault.server.{name}")
    except ModuleNotFoundError as error:
        raise StrongroomError(
            f"opening the vault: the package {error.name} is missing",
            hint=f'pip install "strongroom[{extra}]"',
        ) from None
