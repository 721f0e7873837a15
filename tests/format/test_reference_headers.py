"""The reference reader refuses wrong credentials, headers and envelopes."""

from __future__ import annotations

import os
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import forge
from . import header_reference as ref
from . import reference as reading
from .forge import Plan, Stream, forged, patch, rehash, remac, seal
from .header_reference import HEAD, PAGE, PLAIN
from .refusals import BIG, KEY, SK, SMALL, opened, refusal, rejects

OTHER_KEY = bytes(range(1, 33))
SALT, ID = bytes(32), bytes(16)
PASSWORD = "correct horse \u00e9"


@pytest.fixture(scope="module")
def two_envelopes() -> Stream:
    return Stream(Plan(SMALL, root_key=KEY, password=PASSWORD, sk=SK))


def test_each_envelope_opens_the_same_stream(two_envelopes: Stream) -> None:
    sealed = two_envelopes.assemble()
    assert opened(sealed) == SMALL
    # The same password typed with a combining accent.
    assert reading.open_sealed(sealed, password="correct horse e\u0301") == SMALL


def test_wrong_credentials_are_a_wrong_key(two_envelopes: Stream) -> None:
    sealed = two_envelopes.assemble()
    assert refusal(sealed, root_key=OTHER_KEY) == (12, "the root key does not fit")
    assert refusal(sealed, password="wrong") == (12, "the password does not fit")


def test_a_credential_without_an_envelope_is_a_wrong_key() -> None:
    owner_only = seal(SMALL, root_key=KEY)
    assert refusal(owner_only, password=PASSWORD) == (12, "no envelope for a password")
    password_only = seal(SMALL, password=PASSWORD)
    assert refusal(password_only, root_key=KEY) == (12, "no envelope for a root key")


def test_an_owner_envelope_that_does_not_unwrap_is_damaged() -> None:
    def noise(envelopes: list[bytes]) -> list[bytes]:
        return [patch(envelopes[0], 68, os.urandom(48))]

    sealed = forged(SMALL, root_key=KEY, envelopes=noise)
    rejects(sealed, "the owner envelope fails authentication")


def test_reader_recomputes_the_owner_salt() -> None:
    commit, wk = ref.owner_keys(ref.wrap_key(KEY, SALT), ID, bytes(32))
    wrapped = AESGCM(wk).encrypt(bytes(12), SK, ref.envelope_aad(1, SALT, ID))
    envelope = forge.envelope(1, bytes(32) + commit + wrapped)
    sealed = forged(SMALL, sk=SK, repo_id=SALT, session_id=ID, envelopes=lambda _: [envelope])
    rejects(sealed, "the owner envelope's salt is wrong")


def test_reader_rejects_a_frame_that_two_session_keys_open() -> None:
    def two_session_keys(envelopes: list[bytes]) -> list[bytes]:
        kdf = forge.CHEAPEST_KDF
        return [*envelopes, forge.password_envelope(PASSWORD, SALT, ID, sk=SALT, kdf=kdf)]

    plan = Plan(SMALL, root_key=KEY, sk=SK, repo_id=SALT, session_id=ID)
    plan.envelopes = two_session_keys
    stream = Stream(plan)
    keys = [stream.keys, ref.segment_keys(SALT, stream.header)]
    a, b = [(k.key, reading.frame_nonce(k, 0, last=True)) for k in keys]
    plain = stream.plaintext()
    aad = reading.frame_aad(1, 0, last=True, stored_len=len(plain) + 16)
    frame = forge.two_key_ciphertext(a, b, aad, plain, free=100)
    sealed = stream.assemble([frame])
    assert reading.open_frame(keys[1], 0, last=True, stored=frame) != plain
    file, given_up = opened(sealed), 16 * 100 - HEAD
    assert file == patch(SMALL, given_up, file[given_up : given_up + 16])
    assert refusal(sealed, password=PASSWORD) == (13, "the commitment is wrong")


@pytest.mark.parametrize("size", [16, 17, 31, 32, 4080, PLAIN])
def test_two_key_ciphertexts_verify_under_both_keys(size: int) -> None:
    plain = BIG[:size]
    a, b = (SK, bytes(12)), (KEY, b"another nonc")
    sealed = forge.two_key_ciphertext(a, b, b"associated", plain)
    under_a, under_b = (AESGCM(k).decrypt(n, sealed, b"associated") for k, n in (a, b))
    free = 16 * (size // 16 - 1)
    assert under_a == patch(plain, free, under_a[free : free + 16])
    assert under_b != under_a


def test_every_header_bit_is_covered_by_the_digest(two_envelopes: Stream) -> None:
    header = two_envelopes.header
    for at in range(PAGE):
        with pytest.raises(ref.Damaged):
            ref.parse_header(patch(header, at, bytes([header[at] ^ 1 << at % 8])))


def class_of_change(at: int) -> type[ref.Refused]:
    """How an owner is refused when the top bit of a byte changes and the digest is put right.

    The owner envelope is at 160, the password envelope at 276, zeros begin at 400.
    """
    unsupported = [range(8, 16), (160, 276, 280, 281, 284, 285, 400)]
    wrong_key = [range(16, 64), range(164, 228)]
    if any(at in places for places in unsupported):
        return ref.Unsupported
    return ref.WrongKey if any(at in places for places in wrong_key) else ref.Damaged


def test_changed_header_bytes_are_refused_with_their_class(two_envelopes: Stream) -> None:
    header = two_envelopes.header
    for at in range(4064):
        changed = rehash(patch(header, at, bytes([header[at] ^ 0x80])))
        with pytest.raises(ref.Refused) as caught:
            opened(changed)
        assert caught.type is class_of_change(at), f"offset {at}"


def test_a_changed_password_envelope_is_a_wrong_key_or_damaged(two_envelopes: Stream) -> None:
    for at, code in ((290, 12), (330, 12), (360, 13)):
        changed = rehash(patch(two_envelopes.header, at, b"new"))
        assert refusal(changed, password=PASSWORD)[0] == code


def test_header_checks_come_in_their_order(two_envelopes: Stream) -> None:
    header = two_envelopes.header
    version = patch(header, 8, b"\0\2")
    assert refusal(version) == (13, "the header's digest is wrong")
    assert refusal(patch(rehash(version), 0, b"x"))[1] == "the magic is wrong"
    broken_envelope = patch(header, 161, b"\1")
    assert refusal(rehash(patch(broken_envelope, 8, b"\0\2")))[0] == 14
    assert refusal(rehash(broken_envelope), root_key=OTHER_KEY)[0] == 13
    assert refusal(rehash(patch(header, 96, b"xxx")), root_key=OTHER_KEY)[0] == 12
    both = rehash(patch(header, 96, bytes(64)))
    assert refusal(both)[1] == "the commitment is wrong"
    assert refusal(rehash(patch(header, 128, b"xxx")))[1] == "the header's MAC is wrong"


def test_a_right_mac_does_not_save_a_header_that_breaks_the_rules() -> None:
    stream = Stream(Plan(SMALL, root_key=KEY, sk=SK))
    header = stream.header
    assert remac(patch(header, 96, bytes(64)), SK) == header
    for at, new, code in ((8, b"\0\2", 14), (12, b"\2", 14), (15, b"\1", 14), (500, b"\1", 13)):
        stream.header = remac(patch(header, at, new), SK)
        stream.keys = ref.segment_keys(SK, stream.header)
        assert refusal(stream.assemble())[0] == code


def test_envelopes_are_parsed_exactly() -> None:
    owner = Stream(Plan(root_key=KEY, sk=SK, repo_id=SALT, session_id=ID)).envelopes()[0]
    password = forge.envelope(2, struct.pack(">IBBH", *forge.CHEAPEST_KDF, 0) + bytes(112))

    def parse(*envelopes: bytes) -> dict[int, bytes]:
        return ref.parse_envelopes(b"".join(envelopes).ljust(3904, b"\0"))

    assert parse(owner, password) == {1: owner[4:], 2: password[4:]}
    assert parse(password) == {2: password[4:]}
    damaged: list[tuple[bytes, ...]] = [
        (),
        (password, owner),
        (owner, owner),
        (forge.envelope(1, owner[4:] + b"\0"),),
        (forge.envelope(1, owner[4:-1]),),
        (patch(owner, 1, b"\1"),),
        (patch(password, 10, b"\1"),),
        (owner, bytes(4), password),
        (owner, bytes(3904 - 117), b"\1"),
    ]
    for envelopes in damaged:
        with pytest.raises(ref.Damaged):
            parse(*envelopes)
    for unknown in (forge.envelope(3, bytes(8)), b"\xff\0\0\0", b"\3"):
        for envelopes in ((unknown,), (owner, unknown), (unknown, owner)):
            with pytest.raises(ref.Unsupported):
                parse(*envelopes)


@pytest.mark.parametrize(
    ("kdf", "code"),
    [
        *(((memory, 3, 1), 14) for memory in (0, 8, 65535, 2**22 + 1, 2**32 - 1)),
        *(((65536, passes, 1), 14) for passes in (0, 2, 17, 255)),
        *(((65536, 3, lanes), 14) for lanes in (0, 17, 255)),
    ],
)
def test_password_parameters_out_of_range_are_unsupported(
    kdf: tuple[int, int, int], code: int
) -> None:
    params = struct.pack(">IBBH", *kdf, 0)
    fake = forge.envelope(2, params + bytes(112))
    sealed = forged(SMALL, root_key=KEY, envelopes=lambda owner: [*owner, fake])
    assert refusal(sealed)[0] == code
    assert refusal(sealed, password=PASSWORD)[0] == code


def test_reader_refuses_to_take_half_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ref, "memory_available", lambda: 2**27 - 1)
    fake = forge.envelope(2, struct.pack(">IBBH", 65536, 3, 1, 0) + bytes(112))
    sealed = forged(SMALL, envelopes=lambda _: [fake])
    assert refusal(sealed, password=PASSWORD)[0] == 14
