"""A writer of the Strongroom format that can lie.

`seal` writes a correct segment. A `Plan` holds the writer's inputs and one edit for each thing it
is about to store: an edit gets the honest value and returns what is stored instead, correctly
authenticated with the right keys. So a test forges exactly one fact:

    forge.forged(data, root_key=key, footer=lambda f: replace(f, count=7))
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import header_reference as ref
from . import reference as reading
from . import tree_reference
from .header_reference import CHUNK, FOOTER, FRAME, HEAD, PAGE, PLAIN, TAG

T = TypeVar("T")
Edit = Callable[[T], T]

# Magic, version, suite, type, frame_log2, header pages, flags.
PREFIX = ref.MAGIC + bytes([0, 1, 0, 1, 1, 20, 1, 0])
CHEAPEST_KDF = (65536, 3, 1)
ENVELOPES_AT = 160


def honest(value: Any) -> Any:
    return value


def never(_chunk: int) -> bool:
    return False


def always(_chunk: int) -> bool:
    return True


def random_id() -> bytes:
    return os.urandom(32)


def patch(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


# --- What is stored ---


@dataclass
class Record:
    type: int = ref.DATA
    codec: int = ref.RAW
    data: bytes = b""
    raw_len: int = 0
    id: bytes = bytes(32)
    stored_len: int | None = None  # None: the length of data
    zero_a: int = 0
    zero_b: int = 0
    at: int | None = None  # None: where section 3.3 puts it
    skipped: bytes = b"\0"  # the byte that fills what is skipped before the head

    def pack(self) -> bytes:
        length = len(self.data) if self.stored_len is None else self.stored_len
        numbers = (self.type, self.codec, self.zero_a, length, self.raw_len, self.zero_b)
        return ref.RECORD_HEAD.pack(*numbers, self.id) + self.data


@dataclass
class Footer:
    records_end: int
    directory_offset: int
    directory_bytes: int
    count: int
    raw_total: int
    magic: bytes = b"srm-foot"
    zero: bytes = bytes(16)

    def pack(self) -> bytes:
        numbers = (self.records_end, self.directory_offset, self.directory_bytes)
        totals = (self.count, self.raw_total)
        return ref.FOOTER_FIELDS.pack(self.magic, *numbers, *totals, self.zero)


@dataclass
class Frame:
    plain: bytes
    index: int
    last: bool
    stored_len: int  # as the associated data say; the frame is as long as its plaintext and tag
    type: int = ref.STREAM

    def seal(self, keys: ref.Keys) -> bytes:
        nonce = reading.frame_nonce(keys, self.index, self.last)
        aad = reading.frame_aad(self.type, self.index, self.last, self.stored_len)
        return AESGCM(keys.key).encrypt(nonce, self.plain, aad)


@dataclass
class Trailer:
    header: bytes
    root: bytes
    n: int
    last_len: int
    total: int
    zero: bytes = bytes(8)
    magic: bytes = ref.TRAILER_MAGIC

    def pack(self) -> bytes:
        numbers = (self.n, self.last_len, self.total)
        return ref.TRAILER_FIELDS.pack(self.header, self.root, *numbers, self.zero, self.magic)


@dataclass
class Plan:
    data: bytes = b""
    root_key: bytes | None = None
    password: str | None = None
    kdf: tuple[int, int, int] = CHEAPEST_KDF  # KiB, passes, lanes
    zstd: Callable[[int], bool] = never  # which chunks to try to compress, by number
    pad: bool = True
    sk: bytes = field(default_factory=random_id)
    repo_id: bytes = field(default_factory=random_id)
    session_id: bytes = field(default_factory=lambda: os.urandom(16))
    salt: bytes = field(default_factory=random_id)
    prefix: bytes = PREFIX
    # Edits, in the order in which they apply.
    envelopes: Edit[list[bytes]] = honest  # each with its own head
    header: Edit[bytes] = honest  # complete; edit and then rehash or remac
    records: Edit[list[Record]] = honest  # data records and the end record
    padding: Edit[bytes] = honest  # what stands between the end record and the next thing
    directory: Edit[Record | None] = honest
    footer: Edit[Footer] = honest
    plaintext: Edit[bytes] = honest
    frames: Edit[list[Frame]] = honest
    trailer: Edit[Trailer] = honest


# --- Header ---


def envelope(kind: int, body: bytes) -> bytes:
    return struct.pack(">B B H", kind, 0, len(body)) + body


def owner_envelope(root_key: bytes, repo_id: bytes, session_id: bytes, *, sk: bytes) -> bytes:
    k_wrap = ref.wrap_key(root_key, repo_id)
    esalt = ref.owner_salt(k_wrap, session_id, sk)
    ecommit, wk = ref.owner_keys(k_wrap, session_id, esalt)
    aad = ref.envelope_aad(ref.OWNER, repo_id, session_id)
    return envelope(ref.OWNER, esalt + ecommit + AESGCM(wk).encrypt(ref.NO_NONCE, sk, aad))


def password_envelope(
    password: str, repo_id: bytes, session_id: bytes, *, sk: bytes, kdf: tuple[int, int, int]
) -> bytes:
    params, salt = struct.pack(">I B B H", *kdf, 0), os.urandom(32)
    commit, kek = ref.password_keys(password, repo_id, session_id, params=params, salt=salt)
    aad = ref.envelope_aad(ref.PASSWORD, repo_id, session_id)
    wrapped = AESGCM(kek).encrypt(ref.NO_NONCE, sk, aad)
    return envelope(ref.PASSWORD, params + salt + commit + wrapped)


def rehash(header: bytes) -> bytes:
    """Puts only the public digest right, as somebody without a key can."""
    return header[:4064] + ref.sha256(header[:4064])


def remac(header: bytes, sk: bytes) -> bytes:
    """Puts commitment, MAC and digest right, as somebody with the session key can."""
    keys = ref.segment_keys(sk, header)
    header = patch(header, 96, keys.commitment)
    return rehash(patch(header, 128, ref.header_mac(keys, header)))


# --- Compression and length ---


def compress(raw: bytes, level: int = 1) -> bytes:
    return zstandard.ZstdCompressor(level=level).compress(raw)


def zstd_frame(
    literal: bytes,
    zeros: int,
    *,
    descriptor: int = 0xA0,
    fields: bytes | None = None,
    checksum: bytes = b"",
) -> bytes:
    """A zstd frame of `literal` and then zeros, of predictable length, with any descriptor.

    The default descriptor means a single segment and a content size of 4 bytes. `fields` is what
    follows the descriptor: window, dictionary id, content size.
    """
    size = struct.pack("<I", len(literal) + zeros)
    blocks = []
    for at in range(0, len(literal), 2**17):
        part = literal[at : at + 2**17]
        blocks.append((0, len(part), part))
    blocks += [(1, min(2**17, zeros - at), b"\0") for at in range(0, zeros, 2**17)]
    out = bytes.fromhex("28B52FFD") + bytes([descriptor]) + (size if fields is None else fields)
    for i, (kind, length, content) in enumerate(blocks):
        last = i == len(blocks) - 1
        out += (length << 3 | kind << 1 | last).to_bytes(3, "little") + content
    return out + checksum


def padme(length: int) -> int:
    e = length.bit_length() - 1
    s = e.bit_length()
    mask = (1 << e - s) - 1 if s < e else 0
    return (length + mask) & ~mask


def frames_length(plain: int, pad: bool) -> int:
    """F of section 3.5."""
    needed = plain + TAG * -(-plain // PLAIN)
    padded = padme(needed) if pad else needed
    return min(PAGE * -(-padded // PAGE), 2**44)


# --- The stream ---


class Stream:
    """One segment under construction; the plan's edits apply along the way."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.sk = plan.sk
        ids = plan.prefix + plan.repo_id + plan.session_id + plan.salt
        self.keys = ref.segment_keys(self.sk, ids)
        area = b"".join(plan.envelopes(self.envelopes()))
        header = (ids + bytes(64) + area).ljust(PAGE, b"\0")
        self.header = plan.header(remac(header, self.sk))

    def envelopes(self) -> list[bytes]:
        plan, made = self.plan, []
        ids = (plan.repo_id, plan.session_id)
        if plan.root_key is not None:
            made.append(owner_envelope(plan.root_key, *ids, sk=self.sk))
        if plan.password is not None:
            made.append(password_envelope(plan.password, *ids, sk=self.sk, kdf=plan.kdf))
        return made

    def records(self) -> list[Record]:
        made = []
        for index, at in enumerate(range(0, len(self.plan.data), CHUNK)):
            raw = self.plan.data[at : at + CHUNK]
            record_id = self.keys.record_tag + struct.pack(">Q", index)
            packed = compress(raw) if self.plan.zstd(index) else raw
            if len(packed) < len(raw):
                made.append(Record(codec=ref.ZSTD, data=packed, raw_len=len(raw), id=record_id))
            else:
                made.append(Record(data=raw, raw_len=len(raw), id=record_id))
        return [*made, Record(type=ref.END)]

    def plaintext(self) -> bytes:
        """The plaintext of the whole segment."""
        plan = self.plan
        records = plan.records(self.records())
        plain, offsets = lay_out(records)
        data = [(r, at) for r, at in zip(records, offsets, strict=True) if r.type == ref.DATA]
        body = struct.pack(f">{len(data)}Q", *(at for _, at in data))
        directory: Record | None = None
        if any(r.codec == ref.ZSTD for r, _ in data):
            directory = Record(type=ref.DIRECTORY, data=body, raw_len=len(body))
        needed = len(plain) + (len(directory.pack()) if directory else 0) + FOOTER
        length = frames_length(needed, plan.pad)
        plain += plan.padding(bytes(length - TAG * -(-length // FRAME) - needed))
        directory_at = len(plain)
        directory = plan.directory(directory)
        plain += directory.pack() if directory else b""
        footer = Footer(
            records_end=offsets[-1] if offsets else 0,
            directory_offset=directory_at if directory else 0,
            directory_bytes=len(directory.data) if directory else 0,
            count=len(data),
            raw_total=sum(r.raw_len for r, _ in data),
        )
        return plan.plaintext(plain + plan.footer(footer).pack())

    def frames(self, plaintext: bytes | None = None) -> list[bytes]:
        """The frames as stored."""
        plain = self.plaintext() if plaintext is None else plaintext
        parts = [plain[at : at + PLAIN] for at in range(0, len(plain), PLAIN)]
        last = len(parts) - 1
        kind = self.header[12]
        made = [Frame(part, i, i == last, len(part) + TAG, kind) for i, part in enumerate(parts)]
        return [frame.seal(self.keys) for frame in self.plan.frames(made)]

    def assemble(self, frames: Sequence[bytes] | None = None) -> bytes:
        """The segment; its trailer fits the frames as a reader will cut them."""
        body = b"".join(self.frames() if frames is None else frames)
        cut = [body[at : at + FRAME] for at in range(0, len(body), FRAME)] or [b""]
        root = tree_reference.root_of(self.header, cut)
        trailer = Trailer(self.header, root, len(cut), len(cut[-1]), PAGE + len(body))
        return self.header + body + self.plan.trailer(trailer).pack()


def lay_out(records: Sequence[Record]) -> tuple[bytes, list[int]]:
    """The records with what is skipped between them, and where their heads are."""
    plain, offsets = bytearray(), []
    for record in records:
        room = PLAIN - len(plain) % PLAIN
        at = record.at
        if at is None:
            at = len(plain) + (room if room < HEAD else 0)
        del plain[at:]
        plain += record.skipped * (at - len(plain)) + record.pack()
        offsets.append(at)
    return bytes(plain), offsets


def seal(
    data: bytes,
    *,
    root_key: bytes | None = None,
    password: str | None = None,
    kdf: tuple[int, int, int] = CHEAPEST_KDF,
    zstd: Callable[[int], bool] = never,
    pad: bool = True,
) -> bytes:
    """A correct segment."""
    return Stream(Plan(data, root_key, password, kdf, zstd, pad)).assemble()


def forged(data: bytes, **plan: Any) -> bytes:
    """A segment with the lies given as fields of `Plan`."""
    return Stream(Plan(data, **plan)).assemble()


# --- A ciphertext that two keys accept (AES-GCM does not commit to its key) ---


def gf_double(x: int) -> int:
    """Times u in GF(2^128), whose bits NIST SP 800-38D orders from the left."""
    return x >> 1 ^ (0xE1 << 120 if x & 1 else 0)


def gf_mul(x: int, y: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = gf_double(y)
    return product


def gf_power(x: int, exponent: int) -> int:
    power = 1 << 127
    while exponent:
        if exponent & 1:
            power = gf_mul(power, x)
        x, exponent = gf_mul(x, x), exponent >> 1
    return power


def blocks_of(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 16].ljust(16, b"\0")) for at in range(0, len(data), 16)]


def ghash(h: int, blocks: Sequence[int]) -> int:
    # A full frame is 65 535 blocks, too many for gf_mul: one table for each byte of the state.
    tables = []
    for _ in range(16):
        multiples = [h]
        for _ in range(8):
            multiples.append(gf_double(multiples[-1]))
        h = multiples.pop()
        table = [0]
        for multiple in reversed(multiples):
            table += [multiple ^ entry for entry in table]
        tables.append(table)
    state = 0
    for block in blocks:
        product = 0
        for table, byte in zip(tables, (state ^ block).to_bytes(16), strict=True):
            product ^= table[byte]
        state = product
    return state


def two_key_ciphertext(
    a: tuple[bytes, bytes], b: tuple[bytes, bytes], aad: bytes, plain: bytes, *, free: int = -1
) -> bytes:
    """An AES-256-GCM ciphertext with a tag that verifies under two pairs of key and nonce.

    Under `a` it decrypts to `plain`, except for the 16 bytes of block number `free` (by default
    the last whole one), which are given up to make the tags agree; under `b` to noise.
    """
    free = free if free >= 0 else len(plain) // 16 - 1
    sealed = AESGCM(a[0]).encrypt(a[1], plain, None)[:-TAG]
    sealed = patch(sealed, 16 * free, bytes(16))
    lengths = len(aad) * 8 << 64 | len(plain) * 8
    blocks = [*blocks_of(aad), *blocks_of(sealed), lengths]
    exponent = len(blocks) - len(blocks_of(aad)) - free
    tags, weights = [], []
    for key, nonce in (a, b):
        ecb = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
        h = int.from_bytes(ecb.update(bytes(16)))
        tags.append(ghash(h, blocks) ^ int.from_bytes(ecb.update(nonce + b"\0\0\0\1")))
        weights.append(gf_power(h, exponent))
    # The free block x adds x * h**exponent to each tag: solve for equal tags.
    inverse = gf_power(weights[0] ^ weights[1], 2**128 - 2)
    x = gf_mul(tags[0] ^ tags[1], inverse)
    tag = tags[0] ^ gf_mul(x, weights[0])
    return patch(sealed, 16 * free, x.to_bytes(16)) + tag.to_bytes(16)
