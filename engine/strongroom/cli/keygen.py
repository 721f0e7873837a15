"""strongroom keygen"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console, put
from strongroom.cli.options import FILE, PIPE, with_console
from strongroom.cli.private import write_private
from strongroom.keys.rootkey import RootKey


@click.command("keygen")
@click.option("-o", "--output", type=FILE, metavar="KEYFILE", help="Write the digits here.")
@with_console
def command(*, output: Path | None, console: Console) -> None:
    """Make a random 256-bit key, as 64 digits.

    With -o the digits go to a new file that only you can read. An existing file is never
    replaced: it may be the only copy of a key. Keep a second copy elsewhere, on paper too:
    without the key, nobody can open what it sealed.

    \b
    strongroom keygen -o my.key
    """
    key = RootKey.generate()
    if output is None or output == PIPE:
        if console.as_json:
            console.emit(digits=key.to_digits())
        else:
            put(key.to_digits())
        return
    digits = key.to_digits().replace(" ", "")
    write_private(output, digits + "\n", doing=f"writing the key to {output}")
    console.say(f"{output}: a new key; keep a copy elsewhere, nobody can replace it")
    console.emit(output=str(output))
