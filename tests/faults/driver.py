"""Backs up, restores and guesses as told, each time in a child that a fault may end. A program.

Reads an object of JSON a line, answers with one. Loading everything once and forking costs 10 ms a
run; a new interpreter would cost 300.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from faults.guesses import guess
from faults.library import Library
from strongroom import StrongroomError
from strongroom.__main__ import run
from strongroom.ops.overwrite import Overwrite


def back_up(order: dict[str, Any]) -> dict[str, Any]:
    errors: list[StrongroomError] = []
    notes: list[str] = []
    snapshot = Library(Path(order["base"])).back_up(errors=errors, notes=notes)
    return {"snapshot": snapshot.id.hex(), "errors": [str(error) for error in errors] + notes}


def restore(order: dict[str, Any]) -> dict[str, Any]:
    errors: list[StrongroomError] = []
    target, overwrite = Path(order["target"]), Overwrite(order["overwrite"])
    library = Library(Path(order["base"]))
    snapshot = next((s for s in library.snapshots() if s.id.hex() == order["snapshot"]), None)
    counts = library.restore(snapshot, target, overwrite=overwrite, errors=errors)
    return {"kept": counts.kept, "errors": [str(error) for error in errors]}


def verify(order: dict[str, Any]) -> dict[str, Any]:
    result, found = Library(Path(order["base"])).verify()
    return {"snapshots": result.snapshots, "errors": [str(finding.error) for finding in found]}


def program(order: dict[str, Any]) -> dict[str, Any]:
    """The whole program, with its own standard streams."""
    os.chdir(order["cwd"])
    with (
        Path(os.devnull).open("rb") as empty,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        for number, file in enumerate((empty, out, err)):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = (open(fd, "w", closefd=False) for fd in (1, 2))  # noqa: SIM115
        sys.argv = ["strongroom", *order["words"]]
        try:
            run()
            code: Any = 0
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        texts = [os.pread(file.fileno(), 2**24, 0).decode(errors="replace") for file in (out, err)]
    return {"exit": code or 0, "out": texts[0], "err": texts[1], "errors": []}


def nothing(_: dict[str, Any]) -> dict[str, Any]:
    return {"errors": []}


DO = {
    "back_up": back_up,
    "restore": restore,
    "verify": verify,
    "guess": guess,
    "program": program,
    "nothing": nothing,
}


def child(order: dict[str, Any], answer: int) -> None:
    """Never returns."""
    os.environ.update(order["env"])
    ctypes.CDLL(None).fault_begin()
    try:
        told = DO[order["do"]](order)
    except StrongroomError as error:
        told = {"error": str(error), "exit": error.exit_code, "errors": []}
    except BaseException:
        told = {"traceback": traceback.format_exc(), "errors": []}
    os.write(answer, json.dumps(told).encode())
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            child(json.loads(line), theirs)
        os.close(theirs)
        with os.fdopen(ours, "rb") as answer:
            told = answer.read()
        _, status = os.waitpid(pid, 0)
        found = json.loads(told) if told else {"errors": []}
        found["code"] = os.waitstatus_to_exitcode(status)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
