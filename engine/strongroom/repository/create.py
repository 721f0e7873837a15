"""Making a repository."""

from __future__ import annotations

import os
import time

from strongroom.errors import DamagedError, ObjectExistsError, TargetError, TargetExistsError
from strongroom.keys.password import Password
from strongroom.keys.rootkey import RootKey
from strongroom.repository import config as configs
from strongroom.repository.config import Config
from strongroom.repository.slots import add_slot
from strongroom.stores import Store

_HINT = "choose another place; a repository is never replaced"


def check_vacant(store: Store, *, doing: str) -> None:
    """Raise TargetExistsError where a repository is, DamagedError where one seems to have been."""
    if store.exists(configs.NAME):
        raise TargetExistsError(f"{doing}: there is one already", hint=_HINT)
    for prefix in ("keys/", "log/", "segments/"):
        if next(store.list(prefix), None) is not None:
            raise DamagedError(
                f"{doing}: {store.url} holds parts of a repository whose config is missing",
                hint="choose an empty place; the parts are of use beside a copy of the config",
            )


def create_repository(
    store: Store,
    root: RootKey,
    *,
    password: Password | None = None,
    repo_id: bytes | None = None,
    doing: str,
) -> Config:
    """Make a repository for a root key, with a password slot if there is a password.

    repo_id: 32 random bytes; drawn here unless they had to be known before. The password's
    strength is the caller's to judge. Raises TargetExistsError, DamagedError,
    TargetError, LimitError.
    """
    check_vacant(store, doing=doing)
    config = configs.make_config(root, repo_id or os.urandom(32))
    try:
        store.put(configs.NAME, config.stored)
    except ObjectExistsError:
        raise TargetExistsError(f"{doing}: there is one already", hint=_HINT) from None
    except TargetError as error:
        raise TargetError(f"{doing}: {error}", hint=error.hint) from None
    if password is not None:
        add_slot(store, config, root, password, created=int(time.time()), doing=doing)
    return config
