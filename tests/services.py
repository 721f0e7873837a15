"""Programs of dev/services.py, for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from c.toolchain import skip_unless_ci
from csrc.deps.errors import DepsError
from dev.services import program


def service(name: str, pattern: str) -> Path:
    """The one file of a service that fits. Without it the test is skipped, but fails in CI."""
    found = _found(name, pattern)
    if isinstance(found, str):
        skip_unless_ci(found)
    return Path(found)


@cache
def _found(name: str, pattern: str) -> Path | str:
    try:
        return program(name, pattern)
    except DepsError as error:
        return f"{name} cannot be had: {error}"
