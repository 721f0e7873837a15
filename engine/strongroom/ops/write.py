"""Writing all of something to a descriptor, or as a whole file."""

from __future__ import annotations

import os
import select
from pathlib import Path

from strongroom.errors import TargetError
from strongroom.ops.source import Source
from strongroom.ops.target import new_file


def write_all(fd: int, data: memoryview, *, doing: str) -> None:
    """Wait for whoever reads, also where fd does not block. Raises TargetError."""
    done = 0
    while done < len(data):
        try:
            done += os.write(fd, data[done:])
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError as error:
            raise TargetError(f"{doing}: writing failed: {error.strerror}") from None


def write_file(path: Path, data: bytes, *, source: Source, overwrite: bool) -> None:
    """path gets data, all at once and durable. Raises TargetError, TargetExistsError; UsageError
    when path is the source that data was made from."""
    doing = f"writing {path}"
    with (
        new_file(path, source=source, overwrite=overwrite, doing=doing) as fd,
        memoryview(data) as view,
    ):
        write_all(fd, view, doing=doing)
