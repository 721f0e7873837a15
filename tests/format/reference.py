"""A reader of the Strongroom format, version 1, written from docs/FORMAT.md alone.

It holds the whole segment in memory and values plainness over speed: it is what the engine is
compared with. Section numbers are those of docs/FORMAT.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import zstandard

from .header_reference import (
    CHUNK,
    DATA,
    DIRECTORY,
    END,
    FOOTER,
    FOOTER_FIELDS,
    FRAME,
    HEAD,
    PAGE,
    PLAIN,
    RAW,
    RECORD_HEAD,
    STREAM,
    TRAILER,
    ZSTD,
    Damaged,
    Keys,
    authenticate_header,
    gcm_open,
    parse_header,
    require,
    unwrap,
)
from .tree_reference import (
    make_trailer,
    root_of,
)

# --- Frames (section 3.2) ---


def shape(length: int) -> tuple[int, int]:
    """n and last_len of a segment, from its length."""
    body = length - PAGE - TRAILER
    require(body > 0 and body % PAGE == 0, "the length is impossible")
    n = -(-body // FRAME)
    require(n <= 2**24, "too many frames")
    return n, body - (n - 1) * FRAME


def split_frames(data: bytes) -> list[bytes]:
    n, _ = shape(len(data))
    body = data[PAGE:-TRAILER]
    return [body[i * FRAME : (i + 1) * FRAME] for i in range(n)]


def frame_nonce(keys: Keys, index: int, last: bool) -> bytes:
    mask = struct.pack(">I Q", last << 24, index)
    return bytes(a ^ b for a, b in zip(keys.base_nonce, mask, strict=True))


def frame_aad(kind: int, index: int, last: bool, stored_len: int) -> bytes:
    return struct.pack(">B B H I Q", kind, last, 0, stored_len, index)


def open_frame(keys: Keys, index: int, last: bool, stored: bytes, *, kind: int = STREAM) -> bytes:
    aad = frame_aad(kind, index, last, len(stored))
    nonce = frame_nonce(keys, index, last)
    return gcm_open(keys.key, nonce, stored, aad, what=f"frame {index}")


# --- Records (section 3.3) and footer (section 3.4) ---


Head = tuple[int, int, int, int, int, int, bytes]


def walk_records(plain: bytes) -> tuple[list[tuple[int, Head, bytes]], int]:
    """Offset, head and stored data of each data record, and where the end record's head is."""
    records: list[tuple[int, Head, bytes]] = []
    pos, limit = 0, len(plain) - FOOTER
    while True:
        room = PLAIN - pos % PLAIN
        if room < HEAD:
            require(not any(plain[pos : pos + room]), "skipped bytes are not zero")
            pos += room
        require(pos + HEAD <= limit, "records run into the footer")
        if plain[pos] == END:
            break
        head = RECORD_HEAD.unpack_from(plain, pos)
        stored = plain[pos + HEAD : min(pos + HEAD + head[3], limit)]
        require(len(stored) == head[3], "a record runs into the footer")
        records.append((pos, head, stored))
        pos += HEAD + len(stored)
    require(not any(plain[pos : pos + HEAD]), "the end record is not zero")
    return records, pos


def read_plaintext(plain: bytes, record_tag: bytes) -> bytes:
    records, end = walk_records(plain)
    require(len(records) <= 2**24, "too many records")
    starts = {at for at, _, _ in records}
    for at in range(0, len(plain) - PLAIN, PLAIN):
        stray = at not in starts and is_whole_chunk(plain[at : at + HEAD], record_tag)
        require(not stray, "a frame begins with a chunk where no record begins")
    chunks = [
        read_data_record(head, stored, record_tag + struct.pack(">Q", i))
        for i, (_, head, stored) in enumerate(records)
    ]
    require(all(len(c) == CHUNK for c in chunks[:-1]), "a chunk before the last one is short")
    compressed = any(head[1] == ZSTD for _, head, _ in records)
    data = struct.pack(f">{len(records)}Q", *(at for at, _, _ in records))
    directory = make_directory(data) if compressed else b""
    check_ending(plain, end, directory, [len(c) for c in chunks])
    return b"".join(chunks)


def is_whole_chunk(head: bytes, record_tag: bytes) -> bool:
    """Section 5: what a reader may decrypt to where it belongs."""
    kept = RECORD_HEAD.pack(DATA, RAW, 0, CHUNK, CHUNK, 0, record_tag + head[-8:])
    return head == kept


def check_ending(plain: bytes, end: int, directory: bytes, raw_lengths: Sequence[int]) -> None:
    """What follows the end record: zeros, the directory record (or none), the footer."""
    ending_at = len(plain) - FOOTER - len(directory)
    footer = FOOTER_FIELDS.pack(
        b"srm-foot",
        end,
        ending_at if directory else 0,
        len(directory) - HEAD if directory else 0,
        len(raw_lengths),
        sum(raw_lengths),
        bytes(16),
    )
    require(end + HEAD <= ending_at, "the directory runs into the records")
    require(not any(plain[end + HEAD : ending_at]), "the padding is not zero")
    require(plain[ending_at:] == directory + footer, "the directory or the footer is wrong")


def read_data_record(head: Head, stored: bytes, expected_id: bytes) -> bytes:
    kind, codec, zero_a, stored_len, raw_len, zero_b, record_id = head
    require(kind == DATA and codec in (RAW, ZSTD), "unknown record type or codec")
    require(zero_a == 0 and zero_b == 0, "a zero field is not zero")
    require(1 <= raw_len <= CHUNK, "impossible raw length")
    require(record_id == expected_id, "wrong record id")
    if codec == RAW:
        require(stored_len == raw_len, "impossible stored length")
        return stored
    require(1 <= len(stored) < raw_len, "impossible stored length")
    return decompress(stored, raw_len)


def decompress(stored: bytes, raw_len: int) -> bytes:
    check_zstd_header(stored, raw_len)
    try:
        raw = zstandard.ZstdDecompressor().decompress(
            stored, max_output_size=raw_len, read_across_frames=False, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise Damaged(f"zstd: {error}") from None
    require(len(raw) == raw_len, "zstd: wrong length")
    return raw


def check_zstd_header(stored: bytes, raw_len: int) -> None:
    """RFC 8878, section 3.1.1.1."""
    require(stored[:4] == bytes.fromhex("28B52FFD") and len(stored) > 5, "zstd: no frame")
    descriptor = stored[4]
    size_flag, single_segment = descriptor >> 6, bool(descriptor & 0x20)
    require(descriptor & 0b0001_1000 == 0, "zstd: unused or reserved bit set")
    require(descriptor & 0b0000_0011 == 0, "zstd: dictionary")
    require(single_segment or size_flag != 0, "zstd: no content size")
    size_at, size_bytes = (5 if single_segment else 6), 1 << size_flag
    require(len(stored) >= size_at + size_bytes, "zstd: header is cut short")
    content = int.from_bytes(stored[size_at : size_at + size_bytes], "little")
    content += 256 if size_bytes == 2 else 0
    require(content == raw_len, "zstd: wrong content size")
    base = 1 << (10 + (stored[5] >> 3))
    window = content if single_segment else base + base // 8 * (stored[5] & 7)
    require(window <= 2**20, "zstd: window too large")


def make_directory(data: bytes) -> bytes:
    return RECORD_HEAD.pack(DIRECTORY, RAW, 0, len(data), len(data), 0, bytes(32)) + data


# --- The whole ---


def segment_root(data: bytes) -> bytes:
    """Rebuilt from the header and the frames, without a key; the trailer has no say."""
    header = parse_header(data[:PAGE])
    return root_of(header.raw, split_frames(data))


def open_sealed(
    data: bytes,
    *,
    root_key: bytes | None = None,
    password: str | None = None,
    kind: int = STREAM,
) -> bytes:
    """The file in `data`, or a manifest's bytes; raises WrongKey, Damaged or Unsupported."""
    header = parse_header(data[:PAGE], kind)
    keys = authenticate_header(header, unwrap(header, root_key, password))
    frames = split_frames(data)
    last = len(frames) - 1
    plain = b"".join(
        open_frame(keys, i, i == last, frame, kind=kind) for i, frame in enumerate(frames)
    )
    file = read_plaintext(plain, keys.record_tag)
    require(data[-TRAILER:] == make_trailer(header.raw, frames), "the trailer is wrong")
    return file
