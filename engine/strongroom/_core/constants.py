"""Sizes of the format, as the core has them. Bytes."""

from typing import Final

from strongroom._native import lib

HEADER_LEN: Final[int] = lib.SRM_HEADER_LEN
TRAILER_LEN: Final[int] = lib.SRM_TRAILER_LEN
FRAME_LEN: Final[int] = lib.SRM_FRAME_LEN
CHUNK_LEN: Final[int] = lib.SRM_CHUNK_LEN
LEVEL_MAX: Final[int] = lib.SRM_LEVEL_MAX
THREADS_MAX: Final[int] = lib.SRM_THREADS_MAX

# Types of segments.
TYPE_STREAM: Final = 1
TYPE_DATA: Final = 2
TYPE_MANIFEST: Final = 3
