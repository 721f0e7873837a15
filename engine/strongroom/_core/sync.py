"""Bringing what was written to disk."""

from __future__ import annotations

import os

from strongroom._core.failures import check
from strongroom._native import ffi, lib


def sync(fd: int, *, doing: str) -> None:
    """Return once everything written to the file system of fd is on disk, as syncfs(2) says.

    Raises OSError.
    """
    os_error = ffi.new("int32_t *")
    status = lib.srm_sync(fd, os_error)
    if status == lib.SRM_EIO:
        raise OSError(os_error[0], os.strerror(os_error[0]))
    check(status, doing=doing)
