"""How many threads an operation may use."""

from strongroom._core import THREADS_MAX
from strongroom.errors import UsageError


def thread_limit(threads: int | None) -> int:
    """As the core takes it: 0 for as many as there are processors. Raises UsageError."""
    if threads is None:
        return 0
    if not 1 <= threads <= THREADS_MAX:
        raise UsageError(f"the number of threads is 1 to {THREADS_MAX}, not {threads}")
    return threads
