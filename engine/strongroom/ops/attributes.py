"""What a restored file gets beside its contents."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from typing import Final

from strongroom._core.landing import OWNER_STAYS
from strongroom.manifest.entry import SYMLINK, Entry

_SET_ID: Final = 0o6000
# Others than root can neither set nor see these.
_PRIVILEGED: Final = (b"trusted.", b"security.")


class Attributes:
    """Sets owners (as root only), modes, extended attributes and times."""

    def __init__(self, *, numeric_owners: bool) -> None:
        """numeric_owners: by number even if this system knows the name."""
        self._uid = os.geteuid()
        self._numeric = numeric_owners
        self._owners: dict[tuple[int, int, bytes, bytes], tuple[int, int]] = {}

    def of_file(self, entry: Entry) -> tuple[int, int, int]:
        """Owner, group, each OWNER_STAYS where it is not to be set, and mode, of a regular file."""
        if self._uid == 0:
            return *self._owners_of(entry), entry.mode
        return OWNER_STAYS, OWNER_STAYS, self._mode(entry, safe=False)

    def set(self, at: int | bytes, entry: Entry) -> OSError | None:
        """at: a descriptor, or the path of a link. Does all it can; returns what failed first."""
        link = entry.type == SYMLINK
        failed: OSError | None = None
        owned = True
        try:
            if self._uid == 0:
                os.chown(at, *self._owners_of(entry), follow_symlinks=not link)
        except OSError as error:
            failed, owned = error, False
        for name, value in entry.xattrs:
            if self._uid != 0 and name.startswith(_PRIVILEGED):
                continue
            try:
                os.setxattr(at, name, value, follow_symlinks=not link)
            except OSError as error:
                failed = failed or error
        try:
            os.utime(at, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=not link)
        except OSError as error:
            failed = failed or error
        try:
            if not link:  # last: it may forbid the rest, and until then a folder is unfinished
                os.chmod(at, self._mode(entry, safe=owned))  # noqa: PTH101  # descriptor
        except OSError as error:
            failed = failed or error
        return failed

    def _mode(self, entry: Entry, *, safe: bool) -> int:
        """A program that ran as its owner must not run as somebody else."""
        kept = safe if self._uid == 0 else entry.uid == self._uid and entry.gid == os.getegid()
        return entry.mode if kept else entry.mode & ~_SET_ID

    def _owners_of(self, entry: Entry) -> tuple[int, int]:
        """The numbers of user and group here."""
        key = entry.uid, entry.gid, entry.user, entry.group
        found = self._owners.get(key)
        if found is None:
            uid, gid = entry.uid, entry.gid
            if entry.user and not self._numeric:
                with contextlib.suppress(KeyError):
                    uid = pwd.getpwnam(os.fsdecode(entry.user)).pw_uid
            if entry.group and not self._numeric:
                with contextlib.suppress(KeyError):
                    gid = grp.getgrnam(os.fsdecode(entry.group)).gr_gid
            found = self._owners[key] = uid, gid
        return found
