"""From what a person calls a repository to the store that holds it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from strongroom.errors import UsageError
from strongroom.stores.local import LocalStore


def open_store(url: str) -> LocalStore:
    """The store at a path, or a file:// URL. Nothing is read or made. Raises UsageError."""
    if not url:
        raise UsageError("the repository has no name", hint="name a folder or a URL with -r")
    if "\0" in url:
        raise UsageError("the repository's name has a zero byte in it")
    scheme, separator, _ = url.partition("://")
    if not separator:
        return LocalStore(Path(url))
    if scheme.lower() != "file":
        raise UsageError(
            f"{url}: no store of the kind {scheme} is known",
            hint="a repository is a folder: give its path, or a URL that begins with file://",
        )
    parts = urlsplit(url)
    if parts.netloc.lower() not in ("", "localhost") or not parts.path.startswith("/"):
        raise UsageError(f"{url}: such a URL names a path on this machine: file:///path")
    if parts.query or parts.fragment:
        raise UsageError(f"{url}: ? and # are written %3F and %23 in a URL")
    return LocalStore(Path(os.fsdecode(unquote_to_bytes(parts.path))))
