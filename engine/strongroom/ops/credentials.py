"""Keys as programs give them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

from strongroom.errors import InvalidKeyError, SourceError
from strongroom.keys.envelope import Credential
from strongroom.keys.password import Password
from strongroom.keys.rootkey import RootKey

Key: TypeAlias = "Credential | str | os.PathLike[str]"
"""A RootKey, a Password, or the path of a file that holds the 64 digits."""


def credential_of(key: Key) -> Credential:
    """What it is or names. Raises InvalidKeyError, SourceError."""
    if isinstance(key, RootKey | Password):
        return key
    try:
        return RootKey.from_digits(Path(key).read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidKeyError(f"{os.fspath(key)} holds no key: it is not text") from None
    except OSError as error:
        raise SourceError(f"reading {os.fspath(key)}: {error.strerror}") from None
