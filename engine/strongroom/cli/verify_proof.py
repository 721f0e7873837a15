"""strongroom verify-proof"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom._core import FRAME_LEN
from strongroom.cli.console import Console
from strongroom.cli.options import FILE, ROOT, with_console
from strongroom.errors import DamagedError, SourceError
from strongroom.ops.prove import verify_proof

_PROOF_LEN_MAX = 4096  # a longer file is no proof, whatever it is


@click.command("verify-proof")
@click.argument("proof", type=FILE, metavar="PROOF")
@click.option("--root", type=ROOT, required=True, metavar="HEX", help="Known from elsewhere.")
@click.option("--frame-file", type=FILE, required=True, help="The frame, as it is stored.")
@with_console
def command(*, proof: Path, root: bytes, frame_file: Path, console: Console) -> None:
    """Check, without a key, that a frame is part of the sealed file that a root names.

    \b
    strongroom verify-proof --root 5d1c... --frame-file 2.frame 2.proof
    """
    frame = _read(frame_file, FRAME_LEN)
    try:
        verify_proof(_read(proof, _PROOF_LEN_MAX), root=root, frame=frame)
    except DamagedError:
        raise DamagedError(
            f"checking {proof}: it does not lead from {frame_file} to that root",
            hint="frame, proof or root is not the one that belongs to the others",
        ) from None
    console.say(f"{proof}: {frame_file} is part of root {root.hex()}")
    console.emit(proof=str(proof), frame_file=str(frame_file), root=root.hex(), state="matches")


def _read(path: Path, limit: int) -> bytes:
    """A little more than limit at most: enough to see that it is too long."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise SourceError(f"reading {path}: {error.strerror}") from None
