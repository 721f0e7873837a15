"""How many files an operation holds open."""

from __future__ import annotations

import resource
from typing import Final

_USUAL: Final = 1024
_OTHERS: Final = 96  # the core keeps 64 segments open


def fitting(usual: int) -> int:
    """usual: how many where the usual limit of descriptors, or a higher one, holds."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= _USUAL:
        return usual
    return max(1, usual * (limit - _OTHERS) // (_USUAL - _OTHERS))
