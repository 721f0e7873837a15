"""The command line. Each verb is a module of this package, loaded when it is called."""

from __future__ import annotations

import importlib
import signal
import sys
from types import FrameType
from typing import Final

import click

from strongroom import __version__
from strongroom.cli.console import say_error
from strongroom.errors import StrongroomError

VERBS: Final = {
    "keygen": "Make a key: 64 digits.",
    "seal": "Encrypt files, folders or a pipe.",
    "open": "Decrypt what seal made.",
    "scrub": "Check sealed files without a key.",
    "info": "Describe this installation, or a sealed file.",
}

EXIT_INTERRUPTED: Final = 130


class _Verbs(click.Group):
    """Loads a verb's module when the verb is called, so that starting stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"strongroom.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=_Verbs,
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 some files failed (each named), 12 wrong key, "
    "13 damaged, 14 unsupported or over a limit, 130 interrupted.",
)
@click.version_option(__version__, prog_name="strongroom", message="%(prog)s %(version)s")
def _cli() -> None:
    """Encrypt large media end to end, at the speed of the disk."""


def main() -> None:
    """Run the command line and exit with its documented code."""
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    try:
        code = _cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
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
    except BrokenPipeError:
        code = StrongroomError.exit_code
    sys.exit(code)


def _terminated(number: int, _frame: FrameType | None) -> None:
    """Leave by an exception, so that nothing half-written stays behind."""
    sys.exit(128 + number)
