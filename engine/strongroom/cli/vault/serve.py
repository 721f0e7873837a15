"""strongroom vault serve"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from strongroom.cli.console import Console, put
from strongroom.cli.options import with_console
from strongroom.cli.vault.options import with_config
from strongroom.vault.server.config import read_config
from strongroom.vault.server.service import serve


@click.command("serve")
@with_config
@with_console
def command(*, config: Path, console: Console) -> None:
    """Serve a vault until SIGTERM. One line on standard output says that it is ready, and where;
    what happens then goes to standard error, a JSON object a line.

    \b
    strongroom vault serve --config /etc/strongroom/vault.toml
    """

    def ready(address: str) -> None:
        if console.as_json:
            console.emit(ready=address)
        else:
            put(f"ready {address}")

    # Being told to stop is no failure. The server passes the signal on when it has stopped.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    serve(read_config(config), ready=ready)
