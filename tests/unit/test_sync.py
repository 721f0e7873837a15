"""A file system is asked to bring everything to disk, and says when it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strongroom._core.sync import sync


def test_the_file_system_of_a_folder_can_be_synced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        sync(fd, doing="here")
    finally:
        os.close(fd)


def test_a_closed_descriptor_is_an_error(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        sync(fd, doing="here")
