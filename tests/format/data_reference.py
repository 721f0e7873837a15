"""A reader of data segments, written from docs/FORMAT.md, section 3.9, alone."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from blake3 import blake3

from . import header_reference as ref
from . import reference as reading
from . import tree_reference
from .header_reference import DATA_SEGMENT, FOOTER, FRAME, HEAD, PAGE, PLAIN, TAG, TRAILER, require

ENTRY = struct.Struct(">I I I B 3s 32s")
MOST_RECORDS = 21_841


def chunk_id(k_id: bytes, chunk: bytes) -> bytes:
    return blake3(chunk, key=k_id).digest()


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """The frames, and the digests that follow them."""
    rest = len(data) - PAGE - TRAILER
    require(rest > 0, "the length is impossible")
    length = rest - rest % PAGE
    n = -(-length // FRAME)
    require(1 <= n <= 65 and rest % PAGE == 32 * n, "the length is impossible")
    body = data[PAGE : PAGE + length]
    frames = [body[at : at + FRAME] for at in range(0, length, FRAME)]
    return frames, data[PAGE + length : -TRAILER]


def lengths(end: int, count: int) -> tuple[int, int]:
    """n and last_len."""
    tail = HEAD + 48 * count + FOOTER
    n, needed = end // PLAIN + 1, end % PLAIN + HEAD + tail
    if needed > PLAIN:
        n, needed = n + 1, tail
    return n, max(PAGE, 1 << (needed + TAG - 1).bit_length())


def root_of_segment(data: bytes) -> bytes:
    """Rebuilt from the header and the frames, without a key."""
    header = ref.parse_header(data[:PAGE], DATA_SEGMENT)
    return tree_reference.root_of(header.raw, split(data)[0])


def read_chunks(data: bytes, root_key: bytes, k_id: bytes) -> list[tuple[bytes, bytes]]:
    """Id and content of every chunk of a data segment, in order."""
    header = ref.parse_header(data[:PAGE], DATA_SEGMENT)
    keys = ref.authenticate_header(header, ref.unwrap_owner(header, root_key))
    frames, digests = split(data)
    last = len(frames) - 1
    plain = b"".join(
        reading.open_frame(keys, i, i == last, frame, kind=DATA_SEGMENT)
        for i, frame in enumerate(frames)
    )
    chunks = read_plaintext(plain, k_id, len(frames[-1]))
    require(digests == b"".join(blake3(f).digest() for f in frames), "a digest is wrong")
    require(
        data[-TRAILER:] == tree_reference.make_trailer(header.raw, frames), "the trailer is wrong"
    )
    return chunks


def read_plaintext(plain: bytes, k_id: bytes, last_len: int) -> list[tuple[bytes, bytes]]:
    records, end = reading.walk_records(plain)
    require(1 <= len(records) <= MOST_RECORDS, "too few or too many records")
    chunks: list[tuple[bytes, bytes]] = []
    for _, head, stored in records:
        chunk = reading.read_data_record(head, stored, head[6])
        require(chunk_id(k_id, chunk) == head[6], "a chunk is not what its id says")
        chunks.append((head[6], chunk))
    n = -(-len(plain) // PLAIN)
    require((n, last_len) == lengths(end, len(records)), "not the layout of these records")
    directory = reading.make_directory(entries_of(records))
    reading.check_ending(plain, end, directory, [len(chunk) for _, chunk in chunks])
    return chunks


def entries_of(records: Sequence[tuple[int, reading.Head, bytes]]) -> bytes:
    return b"".join(
        ENTRY.pack(at, stored_len, raw_len, codec, bytes(3), record_id)
        for at, (_, codec, _, stored_len, raw_len, _, record_id), _ in records
    )
