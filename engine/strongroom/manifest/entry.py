"""One file, folder or link of a snapshot, and how it is stored (FORMAT.md, section 10)."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from strongroom._core import CHUNK_LEN
from strongroom.errors import DamagedError, LimitError

FILE: Final = 1
FOLDER: Final = 2
SYMLINK: Final = 3
FIFO: Final = 4
SOCKET: Final = 5
CHAR_DEVICE: Final = 6
BLOCK_DEVICE: Final = 7
DEVICES: Final = (CHAR_DEVICE, BLOCK_DEVICE)

SPARSE: Final = 1
"""Flag: the file had holes; blocks of zeros need not be written back."""

ENTRY_ITEM: Final = 1
IDS_ITEM: Final = 2
END_ITEM: Final = 3

ID_LEN: Final = 32
IDS_PER_ITEM: Final = 4096
BODY_MAX: Final = 2**24 - 1
HEAD_LEN: Final = 4
MODE_MAX: Final = 0o7777

# type, flags, zero, mode, uid, gid, mtime, ctime, ino, dev, nlink, size, rdev, five lengths
_FIXED = struct.Struct(">BBHIIIqqQQQQQHHIII")
ENTRY_FIXED_END: Final = HEAD_LEN + _FIXED.size
"""Where the five lengths end that an entry's fixed part ends with: u16, u16, u32, u32, u32."""
_HEAD = struct.Struct(">I")
_XATTR = struct.Struct(">HI")
# Of these, what a change of contents or attributes would show in.
_STATUS = struct.Struct(">IIIqqQQQQQ")
_STATUS_AT: Final = HEAD_LEN + 4
_STATUS_END: Final = _STATUS_AT + _STATUS.size

status_bytes = _STATUS.pack
"""(mode, uid, gid, mtime_ns, ctime_ns, ino, dev, nlink, size, rdev) as an item holds them."""


class Entry(NamedTuple):
    """What is known of a name. Paths, names and targets are bytes as the system has them."""

    path: bytes
    """Relative, separated by '/', without '.', '..' and empty components."""
    type: int
    mode: int
    """The 12 permission bits."""
    uid: int
    gid: int
    mtime_ns: int
    ctime_ns: int
    ino: int
    dev: int
    nlink: int
    size: int = 0
    """Bytes of a file; 0 for all else."""
    rdev: int = 0
    """Of a device; 0 for all else."""
    flags: int = 0
    user: bytes = b""
    group: bytes = b""
    target: bytes = b""
    """Of a symbolic link; empty for all else."""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    """(name, value), names ascending."""

    @property
    def chunks(self) -> int:
        """How many chunk ids belong to it."""
        return chunks_of(self.size)


_MODE: Final = Entry._fields.index("mode")
_FLAGS: Final = Entry._fields.index("flags")


def chunks_of(size: int) -> int:
    """Chunks that size bytes are cut into."""
    return -(-size // CHUNK_LEN)


def encode(entry: Entry) -> bytes:
    """The entry's item, head included. Raises LimitError if it is too long to be stored."""
    xattrs = b"" if not entry.xattrs else _encode_xattrs(entry.xattrs)
    path, user, group, target = entry.path, entry.user, entry.group, entry.target
    try:
        fixed = _FIXED.pack(
            entry.type,
            entry.flags,
            0,
            *entry[_MODE:_FLAGS],
            len(user),
            len(group),
            len(path),
            len(target),
            len(xattrs),
        )
    except struct.error as error:
        raise LimitError(f"recording {path!r}: {error}") from None
    body = b"".join((fixed, user, group, path, target, xattrs))
    if len(body) > BODY_MAX:
        raise LimitError(f"recording {path[:200]!r}: its attributes are too long to be stored")
    return _HEAD.pack(ENTRY_ITEM << 24 | len(body)) + body


def encode_ids(ids: bytes) -> bytes:
    """The items that hold the ids of a file's chunks, 32 bytes each."""
    if len(ids) == ID_LEN:  # most files are small
        return b"\x02\x00\x00\x20" + ids
    step = ID_LEN * IDS_PER_ITEM
    pieces = (ids[at : at + step] for at in range(0, len(ids), step))
    return b"".join(_HEAD.pack(IDS_ITEM << 24 | len(piece)) + piece for piece in pieces)


def stored_status(items: bytes) -> bytes:
    """What status_bytes made of an entry; items may go on."""
    return items[_STATUS_AT:_STATUS_END]


def decode(item: bytes) -> Entry:
    """Exactly what encode made. Raises DamagedError for anything it would not make."""
    if len(item) < ENTRY_FIXED_END:
        raise DamagedError("an entry is too short")
    fixed = _FIXED.unpack_from(item, HEAD_LEN)
    type_, flags, zero, mode = fixed[:4]
    size, rdev, user_len, group_len, path_len, target_len, xattrs_len = fixed[11:]
    user_end = ENTRY_FIXED_END + user_len
    group_end = user_end + group_len
    path_end = group_end + path_len
    target_end = path_end + target_len
    if target_end + xattrs_len != len(item):
        raise DamagedError("an entry's lengths do not add up")
    path = item[group_end:path_end]
    if (zero | flags >> 1) or mode > MODE_MAX or not FILE <= type_ <= BLOCK_DEVICE:
        raise DamagedError("an entry has a type, flag or mode that does not exist")
    if type_ != FILE:
        _check_not_file(type_, flags, size, rdev, target_len)
    elif rdev or target_len:
        raise DamagedError("a file has a device number or a target")
    _check_texts(path, item[ENTRY_FIXED_END:target_end])
    texts = (
        item[ENTRY_FIXED_END:user_end],
        item[user_end:group_end],
        item[path_end:target_end],
        _decode_xattrs(item[target_end:]) if xattrs_len else (),
    )
    return Entry._make((path, type_, *fixed[3:13], flags, *texts))


def is_sound(path: bytes) -> bool:
    """Is it relative, free of '.', '..' and empty components and of NUL?"""
    within = b"/" + path + b"/"
    return not (b"//" in within or b"/./" in within or b"/../" in within or b"\0" in path)


def _check_texts(path: bytes, texts: bytes) -> None:
    if b"\0" in texts:
        raise DamagedError("a path, name or target holds a NUL")
    if not is_sound(path):
        raise DamagedError(f"the path {path[:200]!r} is not one that a snapshot may have")


def _check_not_file(type_: int, flags: int, size: int, rdev: int, target_len: int) -> None:
    if flags or size:
        raise DamagedError("an entry that is no file has a size or a file's flags")
    if rdev and type_ not in DEVICES:
        raise DamagedError("an entry that is no device has a device number")
    if (target_len > 0) != (type_ == SYMLINK):
        raise DamagedError("an entry has a target and is no link, or the other way round")


def _encode_xattrs(xattrs: tuple[tuple[bytes, bytes], ...]) -> bytes:
    pieces: list[bytes] = []
    for name, value in xattrs:
        pieces += (_XATTR.pack(len(name), len(value)), name, value)
    return b"".join(pieces)


def _decode_xattrs(stored: bytes) -> tuple[tuple[bytes, bytes], ...]:
    found: list[tuple[bytes, bytes]] = []
    at, before = 0, b""
    while at < len(stored):
        if len(stored) - at < _XATTR.size:
            raise DamagedError("an extended attribute is cut off")
        name_len, value_len = _XATTR.unpack_from(stored, at)
        at += _XATTR.size
        if name_len + value_len > len(stored) - at:
            raise DamagedError("an extended attribute is cut off")
        name = stored[at : at + name_len]
        if name <= before or b"\0" in name:
            raise DamagedError("extended attributes are empty, doubled or out of order")
        found.append((name, stored[at + name_len : at + name_len + value_len]))
        at, before = at + name_len + value_len, name
    return tuple(found)
