"""A reader of the Strongroom format, version 1, written from docs/FORMAT.md alone.

It holds the whole segment in memory and values plainness over speed: it is what the engine is
compared with. Section numbers are those of docs/FORMAT.md.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

FRAME, TAG, HEAD, FOOTER, CHUNK, TRAILER = 2**20, 16, 48, 64, 2**20 - 64, 4160
PLAIN = FRAME - TAG
PAGE = 4096
MAGIC = bytes.fromhex("8953524D0D0A1A0A")
TRAILER_MAGIC = bytes.fromhex("895352540D0A1A0A")
STREAM, DATA_SEGMENT, MANIFEST = 1, 2, 3
OWNER, PASSWORD = 1, 2
ENVELOPE_LENGTH = {OWNER: 112, PASSWORD: 120}
END, DATA, DIRECTORY = 0, 1, 2
RAW, ZSTD = 0, 1
NO_NONCE = bytes(12)

HEADER_FIELDS = struct.Struct(">8s H H B B B B 32s 16s 32s 32s 32s")
RECORD_HEAD = struct.Struct(">B B H I I I 32s")
FOOTER_FIELDS = struct.Struct(">8s Q Q Q Q Q 16s")
TRAILER_FIELDS = struct.Struct(">4096s 32s I I Q 8s 8s")


class Refused(Exception):  # noqa: N818
    code = 0


class WrongKey(Refused):
    code = 12


class Damaged(Refused):
    code = 13


class Unsupported(Refused):
    code = 14


def require(holds: bool, fault: str, refusal: type[Refused] = Damaged) -> None:
    if not holds:
        raise refusal(fault)


# --- Primitives (section 1) ---


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(prk)


def gcm_open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes, *, what: str) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise Damaged(f"{what} fails authentication") from None


# --- Header (section 3.1) and envelopes (section 4) ---


@dataclass(frozen=True)
class Header:
    raw: bytes
    repo_id: bytes
    session_id: bytes
    commitment: bytes
    mac: bytes
    envelopes: dict[int, bytes]


def parse_header(raw: bytes, kind: int = STREAM) -> Header:
    """Steps 1 to 3, which need no key, of a segment that is asked to be of this type."""
    require(len(raw) == PAGE, "the header is cut short")
    require(raw[:8] == MAGIC, "the magic is wrong")
    require(sha256(raw[:4064]) == raw[4064:], "the header's digest is wrong")
    _, *numbers, repo_id, session_id, _, commitment, header_mac = HEADER_FIELDS.unpack(raw[:160])
    require(numbers == [1, 1, kind, 20, 1, 0], "unknown version, suite, type, ...", Unsupported)
    envelopes = parse_envelopes(raw[160:4064])
    return Header(raw, repo_id, session_id, commitment, header_mac, envelopes)


def parse_envelopes(area: bytes) -> dict[int, bytes]:
    envelopes: dict[int, bytes] = {}
    pos = 0
    while pos < len(area) and area[pos] != 0:
        require(area[pos] in ENVELOPE_LENGTH, "unknown envelope", Unsupported)
        require(len(area) - pos >= 4, "malformed envelope")
        kind, zero, length = struct.unpack_from(">B B H", area, pos)
        require(kind > max(envelopes, default=0), "envelope types do not ascend")
        require(zero == 0 and length == ENVELOPE_LENGTH[kind], "malformed envelope")
        require(len(area) - pos - 4 >= length, "malformed envelope")
        envelopes[kind] = area[pos + 4 : pos + 4 + length]
        if kind == PASSWORD:
            check_parameters(envelopes[kind])
        pos += 4 + length
    require(not any(area[pos:]), "bytes after the envelopes are not zero")
    require(bool(envelopes), "no envelope")
    return envelopes


def check_parameters(body: bytes) -> None:
    memory, passes, lanes, zero = struct.unpack_from(">I B B H", body)
    require(zero == 0, "a zero field is not zero")
    in_range = 2**16 <= memory <= 2**22 and 3 <= passes <= 16 and 1 <= lanes <= 16
    require(in_range, "password parameters out of range", Unsupported)


def envelope_aad(kind: int, repo_id: bytes, session_id: bytes) -> bytes:
    return bytes([kind]) + repo_id + session_id


def wrap_key(root_key: bytes, repo_id: bytes) -> bytes:
    # HKDF-Extract(salt, ikm) is HMAC keyed with the salt.
    return hkdf_expand(mac(repo_id, root_key), b"strongroom/1 wrap\0", 32)


def owner_salt(k_wrap: bytes, session_id: bytes, sk: bytes) -> bytes:
    return mac(k_wrap, b"strongroom/1 env-salt\0" + session_id + sk)


def owner_keys(k_wrap: bytes, session_id: bytes, esalt: bytes) -> tuple[bytes, bytes]:
    okm = hkdf_expand(k_wrap, b"strongroom/1 env\0" + session_id + esalt, 64)
    return okm[:32], okm[32:]


def password_keys(
    password: str, repo_id: bytes, session_id: bytes, *, params: bytes, salt: bytes
) -> tuple[bytes, bytes]:
    memory, passes, lanes, _ = struct.unpack(">I B B H", params)
    argon = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    stretched = argon.derive(unicodedata.normalize("NFC", password).encode())
    info = b"strongroom/1 slot\0" + repo_id + session_id + params + salt
    okm = hkdf_expand(stretched, info, 64)
    return okm[:32], okm[32:]


def memory_available() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def unwrap(header: Header, root_key: bytes | None, password: str | None) -> bytes:
    """Step 4: the session key."""
    if root_key is not None:
        return unwrap_owner(header, root_key)
    if password is not None:
        return unwrap_password(header, password)
    raise ValueError("a root key or a password is needed")


def unwrap_owner(header: Header, root_key: bytes) -> bytes:
    require(OWNER in header.envelopes, "no envelope for a root key", WrongKey)
    body = header.envelopes[OWNER]
    esalt, ecommit, wrapped = body[:32], body[32:64], body[64:]
    k_wrap = wrap_key(root_key, header.repo_id)
    commit, wk = owner_keys(k_wrap, header.session_id, esalt)
    require(hmac.compare_digest(commit, ecommit), "the root key does not fit", WrongKey)
    aad = envelope_aad(OWNER, header.repo_id, header.session_id)
    sk = gcm_open(wk, NO_NONCE, wrapped, aad, what="the owner envelope")
    again = owner_salt(k_wrap, header.session_id, sk)
    require(hmac.compare_digest(again, esalt), "the owner envelope's salt is wrong")
    return sk


def unwrap_password(header: Header, password: str) -> bytes:
    require(PASSWORD in header.envelopes, "no envelope for a password", WrongKey)
    body = header.envelopes[PASSWORD]
    params, salt, commit, wrapped = body[:8], body[8:40], body[40:72], body[72:]
    memory = int.from_bytes(params[:4]) * 1024
    require(memory <= memory_available() // 2, "not enough memory for the password", Unsupported)
    ids = (header.repo_id, header.session_id)
    expected, kek = password_keys(password, *ids, params=params, salt=salt)
    require(hmac.compare_digest(expected, commit), "the password does not fit", WrongKey)
    aad = envelope_aad(PASSWORD, *ids)
    return gcm_open(kek, NO_NONCE, wrapped, aad, what="the password envelope")


@dataclass(frozen=True)
class Keys:
    key: bytes
    base_nonce: bytes
    commitment: bytes
    record_tag: bytes
    header_key: bytes


def segment_keys(sk: bytes, header: bytes) -> Keys:
    okm = hkdf_expand(sk, b"strongroom/1 segment\0" + header[:96], 100)
    header_key = hkdf_expand(sk, b"strongroom/1 header\0" + header[:96], 32)
    return Keys(okm[:32], okm[32:44], okm[44:76], okm[76:], header_key)


def header_mac(keys: Keys, header: bytes) -> bytes:
    return mac(keys.header_key, header[:128] + bytes(32) + header[160:4064])


def authenticate_header(header: Header, sk: bytes) -> Keys:
    """Step 5."""
    keys = segment_keys(sk, header.raw)
    require(hmac.compare_digest(keys.commitment, header.commitment), "the commitment is wrong")
    expected = header_mac(keys, header.raw)
    require(hmac.compare_digest(expected, header.mac), "the header's MAC is wrong")
    return keys


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


def open_frame(
    keys: Keys, index: int, last: bool, stored: bytes, *, kind: int = STREAM
) -> bytes:
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


# --- Merkle tree (section 3.6) and trailer (section 3.7) ---


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
