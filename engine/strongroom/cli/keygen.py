"""strongroom keygen"""

from __future__ import annotations

import os
from pathlib import Path

import click

from strongroom.cli.console import Console, put
from strongroom.cli.options import FILE, PIPE, with_console
from strongroom.errors import TargetError, TargetExistsError
from strongroom.keys.rootkey import RootKey
from strongroom.ops.target import sync_folder


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
    _write_key(output, key.to_digits().replace(" ", ""))
    console.say(f"{output}: a new key; keep a copy elsewhere, nobody can replace it")
    console.emit(output=str(output))


def _write_key(path: Path, digits: str) -> None:
    doing = f"writing the key to {path}"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise TargetExistsError(
            f"{doing}: it exists", hint="choose another name; a key is never replaced"
        ) from None
    except OSError as error:
        raise TargetError(f"{doing}: {error.strerror}") from None
    try:
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(digits + "\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.absolute().parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise TargetError(f"{doing}: {error.strerror}") from None
