"""What all verbs of an operator share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from strongroom.cli.options import FILE


def with_config(function: Callable[..., Any]) -> Callable[..., Any]:
    """--config, as `config`."""

    @click.option("--config", type=FILE, required=True, help="The vault's configuration file.")
    @functools.wraps(function)
    def wrapped(*, config: Path, **rest: Any) -> Any:
        return function(config=config, **rest)

    return wrapped
