"""Merkle trees in the shape of RFC 6962 over SHA-256; leaves come hashed."""

from __future__ import annotations

from strongroom._core.failures import check
from strongroom._native import ffi, lib


def merkle_root(leaves: bytes) -> bytes:
    """The RFC 6962 root over leaf hashes of 32 bytes each, at least one."""
    root = ffi.new("uint8_t[32]")
    check(lib.srm_merkle_root(leaves, len(leaves) // 32, root), doing="building a Merkle tree")
    return bytes(ffi.buffer(root))


def merkle_path(leaves: bytes, index: int) -> bytes:
    """The audit path of one leaf, bottom up, 32 bytes a step."""
    path = ffi.new("uint8_t[2048]")
    path_len = ffi.new("size_t *")
    status = lib.srm_merkle_path(leaves, len(leaves) // 32, index, path, 2048, path_len)
    check(status, doing="proving a leaf")
    return bytes(ffi.buffer(path, path_len[0]))


def merkle_root_from_path(leaf: bytes, *, index: int, count: int, path: bytes) -> bytes:
    """The root that a leaf hash and its audit path lead to. Raises DamagedError."""
    root = ffi.new("uint8_t[32]")
    status = lib.srm_merkle_root_from_path(leaf, index, count, path, len(path), root)
    check(status, doing="checking a proof")
    return bytes(ffi.buffer(root))
