"""Small results, written as whole files."""

from __future__ import annotations

import os
from pathlib import Path

from strongroom.errors import TargetError
from strongroom.ops.source import Source
from strongroom.ops.target import new_file


def write_file(path: Path, data: bytes, *, source: Source, overwrite: bool) -> None:
    """path gets data, all at once and durable. Raises TargetError, TargetExistsError; UsageError
    when path is the source that data was made from."""
    doing = f"writing {path}"
    with new_file(path, source=source, overwrite=overwrite, doing=doing) as fd:
        try:
            with memoryview(data) as view:
                done = 0
                while done < len(view):
                    done += os.write(fd, view[done:])
        except OSError as error:
            raise TargetError(f"{doing}: {error.strerror}") from None
