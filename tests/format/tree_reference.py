"""Of the reader: the Merkle tree (section 3.6) and the trailer (section 3.7). See reference.py."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from blake3 import blake3

from .header_reference import PAGE, TRAILER_FIELDS, TRAILER_MAGIC, require, sha256


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right)


def leaf(header: bytes, index: int, last: bool, frame: bytes) -> bytes:
    record = struct.pack(">B B B B I Q", 1, header[12], last, 0, len(frame), index)
    return sha256(b"\0" + record + header[64:80] + blake3(frame).digest())


def leaves(header: bytes, frames: Sequence[bytes]) -> list[bytes]:
    return [leaf(header, i, i == len(frames) - 1, frame) for i, frame in enumerate(frames)]


def split_point(n: int) -> int:
    """The largest power of two smaller than n."""
    return 1 << (n - 1).bit_length() - 1


def tree_root(hashes: Sequence[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    k = split_point(len(hashes))
    return node(tree_root(hashes[:k]), tree_root(hashes[k:]))


def audit_path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """RFC 6962, section 2.1.1: from the leaf's sibling up to a child of the root."""
    if len(hashes) == 1:
        return []
    k = split_point(len(hashes))
    if index < k:
        return [*audit_path(hashes[:k], index), tree_root(hashes[k:])]
    return [*audit_path(hashes[k:], index - k), tree_root(hashes[:k])]


def root_from_path(leaf_hash: bytes, index: int, n: int, path: Sequence[bytes]) -> bytes:
    """RFC 9162, section 2.1.3.2, up to the comparison with the expected root."""
    require(0 <= index < n, "no such leaf")
    fn, sn, root = index, n - 1, leaf_hash
    for sibling in path:
        require(sn != 0, "the path is too long")
        if fn & 1 or fn == sn:
            root = node(sibling, root)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node(root, sibling)
        fn, sn = fn >> 1, sn >> 1
    require(sn == 0, "the path is too short")
    return root


def root_of(header: bytes, frames: Sequence[bytes]) -> bytes:
    total = PAGE + sum(map(len, frames))
    shape = struct.pack(">I I Q", len(frames), len(frames[-1]), total)
    return sha256(b"\2" + sha256(header) + shape + tree_root(leaves(header, frames)))


def make_trailer(header: bytes, frames: Sequence[bytes]) -> bytes:
    total = PAGE + sum(map(len, frames))
    root, n, last_len = root_of(header, frames), len(frames), len(frames[-1])
    return TRAILER_FIELDS.pack(header, root, n, last_len, total, bytes(8), TRAILER_MAGIC)
