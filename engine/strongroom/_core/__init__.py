"""The C core, as Python sees it. The only package that touches ffi."""

from strongroom._core.constants import (
    CHUNK_LEN,
    FRAME_LEN,
    HEADER_LEN,
    LEVEL_MAX,
    THREADS_MAX,
    TRAILER_LEN,
    TYPE_DATA,
    TYPE_MANIFEST,
    TYPE_STREAM,
)
from strongroom._core.endpoints import Endpoint, bytes_of
from strongroom._core.feed import FEED_LEN, Feed
from strongroom._core.headers import Header, parse_header
from strongroom._core.jobs import (
    UNWATCHED,
    Cancel,
    Job,
    Progress,
    Result,
    SealOptions,
    Watch,
    check_proof,
    open_stream,
    prove,
    scrub,
    seal,
    start_seal,
)
from strongroom._core.piped import PipedSeal
from strongroom._core.view import View

__all__ = [
    "CHUNK_LEN",
    "FEED_LEN",
    "FRAME_LEN",
    "HEADER_LEN",
    "LEVEL_MAX",
    "THREADS_MAX",
    "TRAILER_LEN",
    "TYPE_DATA",
    "TYPE_MANIFEST",
    "TYPE_STREAM",
    "UNWATCHED",
    "Cancel",
    "Endpoint",
    "Feed",
    "Header",
    "Job",
    "PipedSeal",
    "Progress",
    "Result",
    "SealOptions",
    "View",
    "Watch",
    "bytes_of",
    "check_proof",
    "open_stream",
    "parse_header",
    "prove",
    "scrub",
    "seal",
    "start_seal",
]
