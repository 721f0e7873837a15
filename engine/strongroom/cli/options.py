"""Options that several verbs share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from strongroom._core import THREADS_MAX
from strongroom.cli.console import Console
from strongroom.stores.locate import open_store

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

PIPE = Path("-")
"""Standard input or output; a file of that name comes as an absolute path."""


def names_files(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete it as the name of a file or folder."""
    return click.Path().shell_complete(ctx, param, incomplete)


class _Location(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A path, or - for PIPE."""

    name = "path"

    def convert(
        self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None
    ) -> Path:
        if isinstance(value, Path):
            return value
        if not value:
            self.fail("an empty path names nothing")
        path = Path(value)
        return path.absolute() if path == PIPE and value != "-" else path

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return names_files(ctx, param, incomplete)


FILE = _Location()


class _Root(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A segment root: 64 hexadecimal digits."""

    name = "root"

    def convert(
        self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None
    ) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            root = bytes.fromhex(value)
        except ValueError:
            root = b""
        if len(root) != 32:
            self.fail("a root is 64 hexadecimal digits, as seal --json prints them")
        return root


ROOT = _Root()


def with_console(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json, -q, -v and --no-progress, gathered into `console`."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
    @click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more.")
    @click.option("--progress/--no-progress", default=True, help="Progress on a terminal.")
    @functools.wraps(function)
    def wrapped(*, as_json: bool, quiet: bool, verbose: bool, progress: bool, **rest: Any) -> Any:
        return function(console=Console(as_json, quiet, verbose, progress), **rest)

    return wrapped


def with_repository(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which repository, as a `store`."""

    @click.option(
        "-r",
        "--repo",
        metavar="URL",
        shell_complete=names_files,
        help="Path or file:// URL of the repository; STRONGROOM_REPOSITORY if not given.",
    )
    @functools.wraps(function)
    def wrapped(*, repo: str | None, **rest: Any) -> Any:
        if repo is None:
            repo = os.environ.get("STRONGROOM_REPOSITORY")
        if repo is None:
            raise click.UsageError("no repository was named: pass -r, or set STRONGROOM_REPOSITORY")
        return function(store=open_store(repo), **rest)

    return wrapped


_ACCEPTS: Final = "strongroom.accept_rollback"


def with_freshness(function: Callable[..., Any]) -> Callable[..., Any]:
    """--accept-rollback, for verbs that read the log; accepts_rollback tells."""

    def keep(ctx: click.Context, _param: click.Parameter, accepted: bool) -> None:
        ctx.meta[_ACCEPTS] = accepted

    option = click.option(
        "--accept-rollback",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Take an older state than this machine saw, or another repository.",
    )
    return option(function)


def accepts_rollback() -> bool:
    """Was that given to the verb that runs?"""
    return bool(click.get_current_context().meta.get(_ACCEPTS, False))


_SALVAGES: Final = "strongroom.salvage"


def with_salvage(function: Callable[..., Any]) -> Callable[..., Any]:
    """--salvage, for verbs that only read; salvages tells."""

    def keep(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
        ctx.meta[_SALVAGES] = wanted

    option = click.option(
        "--salvage",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Read what is left where the log or the config is damaged.",
    )
    return option(function)


def salvages() -> bool:
    """Was that given to the verb that runs?"""
    return bool(click.get_current_context().meta.get(_SALVAGES, False))


def with_threads(function: Callable[..., Any]) -> Callable[..., Any]:
    """--threads, an upper limit."""
    option = click.option(
        "--threads",
        type=click.IntRange(min=1, max=THREADS_MAX),
        help="Use at most N threads; by default as many as there are processors.",
        metavar="N",
    )
    return option(function)
