"""The command line. Each verb is a module of this package, loaded when it is called."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import signal
import sys
from types import FrameType
from typing import Any, Final

import click

from strongroom import __version__
from strongroom.cli.console import say_error
from strongroom.errors import StrongroomError, TargetError, UsageError

VERBS: Final = {
    "keygen": "Make a key: 64 digits.",
    "seal": "Encrypt files, folders or a pipe.",
    "open": "Decrypt what seal made.",
    "scrub": "Check sealed files or a repository, without a key.",
    "prove": "Prove that a frame is part of a sealed file.",
    "verify-proof": "Check such a proof.",
    "info": "Describe this installation, or a sealed file.",
    "init": "Make a repository.",
    "backup": "Store files and folders as a snapshot.",
    "snapshots": "List snapshots.",
    "ls": "List what is in a snapshot.",
    "find": "Find paths in snapshots.",
    "diff": "Say what changed from one snapshot to another.",
    "tag": "Change the tags of snapshots.",
    "forget": "Forget snapshots: by name, or all that a policy does not keep.",
    "repair": "Store again what was lost, from files that still have it.",
    "prune": "Remove what no snapshot needs any more.",
    "restore": "Bring back a snapshot, or some of it.",
    "cat": "Write a file of a snapshot to standard output.",
    "verify": "Check that every snapshot can be restored.",
    "stats": "Say how much a repository holds.",
    "key": "Manage the ways into a repository.",
    "rebuild-index": "Make the index of a repository anew.",
    "vault": "Keep the Backup Key Vault, as its operator.",
    "bench": "Measure this machine, and what limits it.",
}

KEY_VERBS: Final = {
    "list": "Show the key slots.",
    "add-password": "Add a password.",
    "add-vault": "Add a vault, which counts the guesses at a password.",
    "change-password": "Replace a password by another.",
    "remove": "Remove a key slot.",
    "show-digits": "Show the 64 digits of the key.",
    "log": "Show what happened at the vault.",
    "revoke": "Stop what waits to replace your record at the vault.",
    "check": "Tell a mistyped key from damage.",
}

VAULT_VERBS: Final = {
    "init": "Make a vault.",
    "serve": "Serve it.",
    "status": "Say how it is.",
    "log": "Show what happened to an account.",
    "add-account": "Make an account and its token.",
    "backup": "Copy all rows.",
    "restore": "Fill an empty store from such a copy.",
    "unlock": "Serve a copy that was put back.",
    "rotate-keys": "Write everything anew with new keys.",
}

EXIT_INTERRUPTED: Final = 130


class _Verbs(click.Group):
    """Loads a verb's module when the verb is called, so that starting stays quick."""

    def __init__(self, *, verbs: dict[str, str], package: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._verbs = verbs
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._verbs:
            return None
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        module = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}")
        if not gc.isenabled():  # see strongroom.__main__
            gc.freeze()
            gc.enable()
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._verbs.items()))


@click.group(
    cls=_Verbs,
    verbs=VERBS,
    package="strongroom.cli",
    invoke_without_command=True,
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 some files failed (each named), 10 no "
    "repository there, 11 conflict, 12 wrong key, 13 damaged, 14 unsupported or over a "
    "limit, 15 rolled back, 16 refused by the vault, 17 vault unreachable, 130 interrupted.",
)
@click.version_option(__version__, prog_name="strongroom", message="%(prog)s %(version)s")
@click.pass_context
def _cli(ctx: click.Context) -> None:
    """Encrypt large media end to end, at the speed of the disk."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(UsageError.exit_code)


_cli.add_command(
    _Verbs(
        name="key",
        verbs=KEY_VERBS,
        package="strongroom.cli.key",
        help=VERBS["key"],
        epilog="A password slot holds the key, wrapped for one password; there are at most 8. An "
        "old copy of a slot that was changed or removed still opens with its password.",
    )
)
_cli.add_command(
    _Verbs(
        name="vault",
        verbs=VAULT_VERBS,
        package="strongroom.cli.vault",
        help=VERBS["vault"],
        epilog="docs/VAULT.md tells how to run it, and what it does not protect against.",
    )
)


def main() -> None:
    """Run the command line and exit with its documented code."""
    _occupy_closed()
    # numpy is used to look at arrays; the threads it starts for linear algebra only cost.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for number in (signal.SIGTERM, signal.SIGHUP):
        # What nohup ignores stays ignored.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _terminated)
    try:
        code = _cli.main(standalone_mode=False)
    except click.UsageError as error:
        verb = error.ctx.command_path if error.ctx is not None else "strongroom"
        say_error(UsageError(error.format_message(), hint=f'see "{verb} --help"'))
        code = error.exit_code
    except StrongroomError as error:
        say_error(error)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("strongroom: interrupted", err=True)
        code = EXIT_INTERRUPTED
    except MemoryError as error:
        say_error(StrongroomError(f"{error}: out of memory"))
        code = StrongroomError.exit_code
    except OSError as error:
        _leave_output()
        # Of what has no name only the current folder can be missing.
        nameless = "." if error.errno == errno.ENOENT else "writing to standard output"
        what = error.filename or nameless
        say_error(TargetError(f"{what}: {error.strerror}"))
        code = TargetError.exit_code
    # Python would look through all there is for garbage before it ends: a tenth of a short command.
    gc.freeze()
    sys.exit(code)


def _occupy_closed() -> None:
    """Put something unusable where standard descriptors are closed, before a file gets there."""
    for fd, unusable in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, unusable)


def _leave_output() -> None:
    """Let what standard output did not take go nowhere, so that leaving does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _terminated(number: int, _frame: FrameType | None) -> None:
    """Leave by an exception, so that nothing half-written stays behind."""
    sys.exit(128 + number)
