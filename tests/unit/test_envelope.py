"""Envelopes answer damage and wrong keys exactly as docs/FORMAT.md, section 4, says."""

from __future__ import annotations

import hashlib

import pytest

from strongroom import (
    DamagedError,
    KdfParameters,
    LimitError,
    Password,
    RootKey,
    StrongroomError,
    UnsupportedError,
    WrongKeyError,
    open_bytes,
    seal_bytes,
)
from strongroom.keys.envelope import (
    OWNER,
    PASSWORD,
    Credential,
    Session,
    open_envelopes,
    password_parameters,
    seal_envelope,
)

SESSION = Session(repo_id=bytes(range(32)), session_id=bytes(range(16)))
SESSION_KEY = bytes(range(100, 132))
OWNER_LEN, PASSWORD_LEN = 112, 120
FLOOR = KdfParameters(64 * 1024, 3, 1)


class Remembering(Password):
    """Stretches once for each salt and cost, so that a test can try many envelopes."""

    def stretch(self, salt: bytes, parameters: KdfParameters) -> bytes:
        known = self.__dict__.setdefault("known", {})
        if (salt, parameters) not in known:
            known[salt, parameters] = super().stretch(salt, parameters)
        return known[salt, parameters]


@pytest.fixture
def password() -> Password:
    return Remembering("correct horse", kdf=FLOOR)


def body_for(credential: Credential) -> bytes:
    return seal_envelope(credential, SESSION, SESSION_KEY)[4:]


def opened(credential: Credential, kind: int, body: bytes, session: Session = SESSION) -> bytes:
    return open_envelopes(credential, session, ((kind, body),), doing="opening x")


def flipped(body: bytes, place: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 0x10]) + body[place + 1 :]


def refusal(credential: Credential, kind: int, body: bytes) -> type[StrongroomError]:
    with pytest.raises(StrongroomError) as caught:
        opened(credential, kind, body)
    return type(caught.value)


def test_envelopes_have_the_formats_heads_and_lengths(key: RootKey, password: Password) -> None:
    for credential, kind, length in ((key, OWNER, OWNER_LEN), (password, PASSWORD, PASSWORD_LEN)):
        envelope = seal_envelope(credential, SESSION, SESSION_KEY)
        assert envelope[:4] == bytes([kind, 0, 0, length])
        assert len(envelope) == 4 + length
        assert opened(credential, kind, envelope[4:]) == SESSION_KEY


def test_owner_envelopes_are_deterministic_and_password_envelopes_salted(
    key: RootKey, password: Password
) -> None:
    assert body_for(key) == body_for(key)
    assert body_for(password)[8:40] != body_for(password)[8:40]


def test_a_credential_finds_its_envelope_among_others(key: RootKey, password: Password) -> None:
    both = ((OWNER, body_for(key)), (PASSWORD, body_for(password)))
    for credential in (key, password):
        assert open_envelopes(credential, SESSION, both, doing="opening x") == SESSION_KEY


def test_a_credential_of_the_other_kind_is_a_wrong_key(key: RootKey, password: Password) -> None:
    with pytest.raises(WrongKeyError, match="opening x: it was not sealed for a key") as caught:
        opened(key, PASSWORD, body_for(password))
    assert caught.value.hint == "open it with a password"
    with pytest.raises(WrongKeyError, match="it was not sealed for a password") as caught:
        opened(password, OWNER, body_for(key))
    assert caught.value.hint == "open it with a key"


def test_another_key_or_password_is_a_wrong_key(key: RootKey, password: Password) -> None:
    with pytest.raises(WrongKeyError, match="opening x: wrong key"):
        opened(RootKey.generate(), OWNER, body_for(key))
    with pytest.raises(WrongKeyError, match="opening x: wrong password"):
        opened(Password("Correct horse"), PASSWORD, body_for(password))


def test_every_altered_byte_of_an_owner_envelope_is_answered(key: RootKey) -> None:
    body = body_for(key)
    expected = [WrongKeyError] * 64 + [DamagedError] * 48
    for place in range(OWNER_LEN):
        assert refusal(key, OWNER, flipped(body, place)) is expected[place], place


def test_every_altered_byte_of_a_password_envelope_is_answered(password: Password) -> None:
    body = body_for(password)
    expected = [WrongKeyError] * 64 + [DamagedError] * 48
    salt = range(8, 40, 8)  # each of these costs a derivation
    for place in (*salt, *range(40, PASSWORD_LEN)):
        assert refusal(password, PASSWORD, flipped(body, place)) is expected[place - 8], place


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (0, 0x01, LimitError),  # 16 GiB and more than the format allows, in KiB units
        (0, 0x80, UnsupportedError),
        (1, 0x00, UnsupportedError),
        (3, 0x01, WrongKeyError),
        (4, 0x02, UnsupportedError),
        (4, 0x04, WrongKeyError),
        (4, 0x09, LimitError),
        (4, 0x11, UnsupportedError),
        (5, 0x00, UnsupportedError),
        (5, 0x02, WrongKeyError),
        (5, 0x11, UnsupportedError),
    ],
)
def test_altered_costs_of_a_password_envelope_are_answered(
    place: int, value: int, expected: type[StrongroomError], password: Password
) -> None:
    body = bytearray(body_for(password))
    body[place] = value
    if (place, value) == (0, 0x01):
        body[:4] = (2 * 1024 * 1024).to_bytes(4, "big")
    assert refusal(password, PASSWORD, bytes(body)) is expected


def test_costs_are_read_from_the_envelope() -> None:
    dear = KdfParameters(65 * 1024, 4, 2)
    assert password_parameters(body_for(Password("x", kdf=dear))) == dear


@pytest.mark.parametrize("swapped", ["repo_id", "session_id"])
def test_an_envelope_moved_to_another_session_is_a_wrong_key(
    swapped: str, key: RootKey, password: Password
) -> None:
    length = len(getattr(SESSION, swapped))
    other = SESSION._replace(**{swapped: bytes(length)})
    for credential, kind in ((key, OWNER), (password, PASSWORD)):
        with pytest.raises(WrongKeyError):
            opened(credential, kind, body_for(credential), other)


def test_sessions_are_fresh() -> None:
    one, other = Session.fresh(), Session.fresh()
    assert (len(one.repo_id), len(one.session_id)) == (32, 16)
    assert one.repo_id != other.repo_id
    assert one.session_id != other.session_id


# --- The same through a whole sealed file, its header's digest made right again ---

BODY_AT = 160 + 4


def altered(sealed: bytes, place: int) -> bytes:
    data = flipped(sealed, place)
    return data[:4064] + hashlib.sha256(data[:4064]).digest() + data[4096:]


@pytest.mark.parametrize("place", range(0, OWNER_LEN, 15))
def test_an_altered_owner_envelope_is_answered_in_a_file(key: RootKey, place: int) -> None:
    sealed = altered(seal_bytes(b"data", key=key), BODY_AT + place)
    with pytest.raises(StrongroomError) as caught:
        open_bytes(sealed, key=key)
    assert type(caught.value) is (WrongKeyError if place < 64 else DamagedError)


def test_zero_fields_and_heads_of_envelopes_are_checked(key: RootKey, password: Password) -> None:
    by_key, by_password = seal_bytes(b"x", key=key), seal_bytes(b"x", key=password)
    for sealed, credential, place in (
        (by_password, password, BODY_AT + 6),
        (by_password, password, BODY_AT + 7),
        (by_key, key, 161),
        (by_key, key, 163),
        (by_key, key, BODY_AT + OWNER_LEN + 100),
    ):
        with pytest.raises(StrongroomError) as caught:
            open_bytes(altered(sealed, place), key=credential)
        assert caught.value.exit_code in (13, 14)


def test_an_altered_header_that_keeps_its_digest_is_damaged(key: RootKey) -> None:
    sealed = seal_bytes(b"x", key=key)
    for place in (64, 96, 128):  # salt, commitment, MAC
        with pytest.raises(DamagedError, match="authentication failed"):
            open_bytes(altered(sealed, place), key=key)
