"""The order of a manifest: by components, every folder before what is in it."""

from __future__ import annotations


def sort_key(path: bytes) -> bytes:
    """Compares as the list of components does: NUL is in no path and below all that is."""
    return path.replace(b"/", b"\0")


class Order:
    """Sees paths go by. Keeps no more than the longest of them and one name a level."""

    def __init__(self) -> None:
        self._folder = b""  # the folder whose entries come; "" is the root
        self._last = b""  # the last name in it
        self._above: list[tuple[int, bytes]] = []  # length of the path, last name in it

    def follows(self, path: bytes, *, folder: bool) -> bool:
        """May this sound path come next? Once it may not, nothing more is said."""
        parent, _, name = path.rpartition(b"/")
        if parent != self._folder and not self._leave_to(parent):
            return False
        if name <= self._last:
            return False
        if folder:
            self._above.append((len(parent), name))
            self._folder = path
            self._last = b""
        else:
            self._last = name
        return True

    def _leave_to(self, parent: bytes) -> bool:
        """Go up to a folder that is open; there is no way to any other."""
        while self._above:
            length, last = self._above.pop()
            if length == len(parent) and self._folder.startswith(parent):
                self._folder, self._last = parent, last
                return True
        return False
