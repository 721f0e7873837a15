"""Envelopes: a session key, wrapped for one kind of credential. docs/FORMAT.md, section 4."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple, TypeAlias

from strongroom._core.secrets import equal, unwrap, wrap
from strongroom.errors import DamagedError, WrongKeyError
from strongroom.keys.password import KdfParameters, Password
from strongroom.keys.rootkey import RootKey
from strongroom.keys.schedule import expand, label, mac, wrap_key

OWNER = 1
PASSWORD = 2
NAMES = {OWNER: "owner", PASSWORD: "password"}

_PASSWORD_PARAMS = struct.Struct(">IBBH")

Credential: TypeAlias = RootKey | Password


class Session(NamedTuple):
    """The ids that an envelope is bound to."""

    repo_id: bytes
    session_id: bytes

    @classmethod
    def fresh(cls) -> Session:
        """Random ids, for a stream on its own."""
        return cls(os.urandom(32), os.urandom(16))

    def aad(self, envelope_type: int) -> bytes:
        """What an envelope of this type authenticates beside the key it wraps."""
        return bytes([envelope_type]) + self.repo_id + self.session_id


def seal_envelope(credential: Credential, session: Session, session_key: bytes) -> bytes:
    """One envelope as stored, head included, that credential will open."""
    _check_type(credential)
    if isinstance(credential, RootKey):
        kind, body = OWNER, _owner_body(credential, session, session_key)
    else:
        kind, body = PASSWORD, password_body(credential, session, session_key)
    return struct.pack(">BBH", kind, 0, len(body)) + body


def open_envelopes(
    credential: Credential,
    session: Session,
    envelopes: tuple[tuple[int, bytes], ...],
    *,
    doing: str,
) -> bytes:
    """The session key, from the envelope for this kind of credential.

    envelopes: (type, body). Raises WrongKeyError, DamagedError, LimitError.
    """
    _check_type(credential)
    kind = OWNER if isinstance(credential, RootKey) else PASSWORD
    for envelope_type, body in envelopes:
        if envelope_type == kind and isinstance(credential, RootKey):
            return _open_owner(credential, session, body, doing=doing)
        if envelope_type == kind and isinstance(credential, Password):
            return open_password_body(credential, session, body, doing=doing)
    raise WrongKeyError(
        f"{doing}: it was not sealed for {_WORDS[kind]}",
        hint=f"open it with {_WORDS[OWNER + PASSWORD - kind]}",
    )


_WORDS = {OWNER: "a key", PASSWORD: "a password"}


def _check_type(credential: object) -> None:
    if not isinstance(credential, RootKey | Password):
        raise TypeError(f"a key is a RootKey or a Password, not {type(credential).__name__}")


def password_parameters(body: bytes) -> KdfParameters:
    """What a password envelope asks for. Raises UnsupportedError when out of range."""
    memory_kib, passes, lanes, _ = _PASSWORD_PARAMS.unpack_from(body)
    return KdfParameters(memory_kib, passes, lanes)


def _owner_keys(root: RootKey, session: Session, esalt: bytes) -> tuple[bytes, bytes]:
    """(commitment, wrapping key)."""
    info = label(b"env", session.session_id, esalt)
    okm = expand(wrap_key(root, session.repo_id), info, 64)
    return okm[:32], okm[32:]


def _owner_salt(root: RootKey, session: Session, session_key: bytes) -> bytes:
    data = label(b"env-salt", session.session_id, session_key)
    return mac(wrap_key(root, session.repo_id), data)


def _owner_body(root: RootKey, session: Session, session_key: bytes) -> bytes:
    esalt = _owner_salt(root, session, session_key)
    commitment, key = _owner_keys(root, session, esalt)
    return esalt + commitment + wrap(key, session_key, session.aad(OWNER))


def _open_owner(root: RootKey, session: Session, body: bytes, *, doing: str) -> bytes:
    esalt, stored, wrapped = body[:32], body[32:64], body[64:]
    commitment, key = _owner_keys(root, session, esalt)
    if not equal(commitment, stored):
        raise WrongKeyError(f"{doing}: wrong key, or the envelope was altered")
    session_key = unwrap(key, wrapped, session.aad(OWNER), doing=f"{doing}: envelope")
    if not equal(_owner_salt(root, session, session_key), esalt):
        raise DamagedError(f"{doing}: owner envelope: authentication failed")
    return session_key


def _password_keys(
    password: Password, session: Session, parameters: bytes, salt: bytes
) -> tuple[bytes, bytes]:
    """(commitment, wrapping key)."""
    stretched = password.stretch(salt, password_parameters(parameters))
    info = label(b"slot", session.repo_id, session.session_id, parameters, salt)
    okm = expand(stretched, info, 64)
    return okm[:32], okm[32:]


def password_body(password: Password, session: Session, session_key: bytes) -> bytes:
    """A password envelope's body; slots of repositories hold the same."""
    kdf = password.kdf
    parameters = _PASSWORD_PARAMS.pack(kdf.memory_kib, kdf.passes, kdf.lanes, 0)
    salt = os.urandom(32)
    commitment, key = _password_keys(password, session, parameters, salt)
    wrapped = wrap(key, session_key, session.aad(PASSWORD))
    return parameters + salt + commitment + wrapped


def open_password_body(password: Password, session: Session, body: bytes, *, doing: str) -> bytes:
    """The key in it. Raises WrongKeyError, DamagedError, LimitError."""
    parameters, salt, stored, wrapped = body[:8], body[8:40], body[40:72], body[72:]
    commitment, key = _password_keys(password, session, parameters, salt)
    if not equal(commitment, stored):
        raise WrongKeyError(f"{doing}: wrong password, or the envelope was altered")
    return unwrap(key, wrapped, session.aad(PASSWORD), doing=f"{doing}: envelope")
