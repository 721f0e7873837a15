"""Trees of little files, and what a walk sees of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from strongroom.manifest.order import Order
from strongroom.ops.roots import plan_roots
from strongroom.ops.walk import WalkOptions, walk


def make(*names: str) -> None:
    """Files, and folders where a name ends in a slash."""
    for name in names:
        path = Path(name)
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(b"x")


def seen(*given, errors: list[str] | None = None, **options) -> list[bytes]:
    problems: list[str] = []
    paths = []
    order = Order()
    for path, real, at, status in walk(
        plan_roots(given), WalkOptions(**options), lambda error: problems.append(str(error))
    ):
        paths.append(path)
        assert order.follows(path, folder=stat.S_ISDIR(status.st_mode)), path
        assert os.path.samestat(status, os.lstat(at))
        if len(real) < 4000:
            assert os.path.samestat(status, os.lstat(real))
    if errors is None:
        assert problems == []
    else:
        errors.extend(problems)
    return paths


def orders(*given):
    return [given, given[::-1]]
