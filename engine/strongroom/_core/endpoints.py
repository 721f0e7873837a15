"""Where bytes come from and go to: descriptors, or memory used where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from strongroom._native import ffi

if TYPE_CHECKING:
    from typing_extensions import Buffer

Endpoint: TypeAlias = "int | Buffer"
"""A file descriptor, used from its position on, or memory."""


@contextmanager
def bytes_of(data: Buffer, *, writable: bool = False) -> Iterator[memoryview]:
    """The bytes of any contiguous buffer, also of an array without elements, where they lie.

    Raises TypeError for what is none, or not writable.
    """
    try:
        given = ffi.from_buffer("uint8_t[]", data, require_writable=writable)
    except (BufferError, ValueError) as error:  # which of them depends on whose buffer it is
        raise TypeError(str(error)) from None
    with given as mem, memoryview(ffi.buffer(mem)) as view:
        yield view


def overlap(source: Any, target: Any) -> bool:
    """Do a `srm_source` and a `srm_sink` share memory?"""
    if source.fd >= 0 or target.fd >= 0:
        return False
    reads, writes = (int(ffi.cast("uintptr_t", each.mem)) for each in (source, target))
    return bool(reads < writes + target.mem_cap and writes < reads + source.mem_len)


@contextmanager
def source_of(source: Endpoint) -> Iterator[Any]:
    """A `srm_source *`, good within the block."""
    if isinstance(source, int):
        yield ffi.new("srm_source *", {"fd": source})
        return
    with ffi.from_buffer("uint8_t[]", source) as mem:
        yield ffi.new("srm_source *", {"fd": -1, "mem": mem, "mem_len": len(mem)})


@contextmanager
def sink_of(target: Endpoint) -> Iterator[Any]:
    """A `srm_sink *`, good within the block."""
    if isinstance(target, int):
        yield ffi.new("srm_sink *", {"fd": target})
        return
    with ffi.from_buffer("uint8_t[]", target, require_writable=True) as mem:
        yield ffi.new("srm_sink *", {"fd": -1, "mem": mem, "mem_cap": len(mem)})
