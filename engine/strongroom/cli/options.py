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
from strongroom.cli.secrets import SecretOptions, VaultOptions
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


def with_own_secret(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where the key or password comes from, gathered into `secret`; never the secret itself."""

    @click.option("--key-file", type=FILE, help="File with the 64 digits of the key.")
    @click.option("--password-file", type=FILE, help="File whose first line is the password.")
    @click.option("--password-command", help="Command that prints the password.")
    @click.option(
        "--password-fd", type=click.IntRange(0, 2**31 - 1), help="Descriptor to read it from."
    )
    @click.option(
        "--allow-kdf", is_flag=True, help="Open passwords that cost over 1 GiB or 8 passes."
    )
    @functools.wraps(function)
    def wrapped(
        *,
        key_file: Path | None,
        password_file: Path | None,
        password_command: str | None,
        password_fd: int | None,
        allow_kdf: bool,
        **rest: Any,
    ) -> Any:
        secret = SecretOptions(key_file, password_file, password_command, password_fd, allow_kdf)
        return function(secret=secret, **rest)

    return wrapped


def vault_url(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--vault, with or without a URL: url is None, empty or the URL."""
    return click.option("--vault", "url", is_flag=False, flag_value="", metavar="[URL]", help=help_)


def with_secret(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a repository, whose key a vault may give."""

    @with_own_secret
    @with_vault
    @click.option("--vault-password-file", type=FILE, help="File with the vault's password.")
    @vault_url(
        "Let a vault give the key; URL may be left out where this machine knows it. With "
        "--key-file: where the vault is, no more."
    )
    @functools.wraps(function)
    def wrapped(
        *,
        secret: SecretOptions,
        vault: VaultOptions,
        url: str | None,
        vault_password_file: Path | None,
        **rest: Any,
    ) -> Any:
        if url is None and vault_password_file is not None:
            url = ""
        vault = vault._replace(url=url, password_file=vault_password_file)
        return function(secret=secret._replace(vault=vault), **rest)

    return wrapped


def with_vault(function: Callable[..., Any]) -> Callable[..., Any]:
    """Who asks a vault, and whom to trust as one, gathered into `vault`."""

    @click.option("--token-file", type=FILE, help="File with the token of the vault's account.")
    @click.option("--vault-cert", type=FILE, help="PEM: trust this certificate of a vault only.")
    @click.option(
        "--remember/--no-remember", default=True, help="Keep which of a vault's guesses were wrong."
    )
    @functools.wraps(function)
    def wrapped(
        *, token_file: Path | None, vault_cert: Path | None, remember: bool, **rest: Any
    ) -> Any:
        options = VaultOptions(None, token_file, None, vault_cert, remember)
        return function(vault=options, **rest)

    return wrapped


def with_new_password(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where a new password comes from, gathered into `new`, and --force for a weak one."""

    @click.option("--new-password-file", type=FILE, help="File whose first line is the new one.")
    @click.option("--new-password-command", help="Command that prints the new password.")
    @click.option(
        "--new-password-fd", type=click.IntRange(0, 2**31 - 1), help="Descriptor to read it from."
    )
    @click.option(
        "--force", is_flag=True, help="Take a password that is easy to guess, or beside a vault."
    )
    @functools.wraps(function)
    def wrapped(
        *,
        new_password_file: Path | None,
        new_password_command: str | None,
        new_password_fd: int | None,
        **rest: Any,
    ) -> Any:
        new = SecretOptions(None, new_password_file, new_password_command, new_password_fd, False)
        return function(new=new, **rest)

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
