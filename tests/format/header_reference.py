"""Of the reader: constants, primitives, headers, envelopes and keys. See reference.py."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import unicodedata
from dataclasses import dataclass
from pathlib import Path

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
    version, suite, found, *rest = numbers
    known = found in (1, 2, 3) and [version, suite, *rest] == [1, 1, 20, 1, 0]
    require(known, "unknown version, suite, type, ...", Unsupported)
    envelopes = parse_envelopes(raw[160:4064])
    require(found == kind, "a segment of another type", Unsupported)
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
