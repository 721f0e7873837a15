"""The reference reader and the forging writer agree, and the reader refuses what it must."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import forge, tree_reference
from . import header_reference as ref
from . import reference as reading
from .forge import Footer, Plan, Record, Stream, forged, patch, rehash, remac, seal
from .header_reference import CHUNK, FRAME, HEAD, PAGE, PLAIN, TRAILER

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
SK = bytes(range(64, 96))
SALT, ID = bytes(32), bytes(16)
PASSWORD = "correct horse \u00e9"
BIG = random.Random(1).randbytes(3 * CHUNK + 5000)
SMALL = BIG[:4000]
TEXT = b"some text that a compressor makes short " * 80_000


def opened(data: bytes) -> bytes:
    return reading.open_sealed(data, root_key=KEY)


def refusal(data: bytes, **credential: Any) -> tuple[int, str]:
    with pytest.raises(ref.Refused) as caught:
        reading.open_sealed(data, **(credential or {"root_key": KEY}))
    return caught.value.code, str(caught.value)


def rejects(data: bytes, fault: str, code: int = 13) -> None:
    assert refusal(data) == (code, fault)


@pytest.fixture(scope="module")
def two_envelopes() -> Stream:
    return Stream(Plan(SMALL, root_key=KEY, password=PASSWORD, sk=SK))


# --- What is written correctly is read back ---

SIZES = [
    *(0, 1, 47, 48, 4000, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1),
    *(PLAIN - 1, PLAIN, PLAIN + 1, FRAME, 3 * CHUNK),
    # Sizes around which the footer, the end record or a page moves to the next frame.
    *(CHUNK - 64 + d for d in (-49, -48, -47, -1, 0, 1, 15, 16, 17)),
    *(4096 - 16 - 64 - 96 + d for d in (-1, 0, 1)),
]


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_reader_returns_what_was_sealed(size: int, pad: bool) -> None:
    assert opened(seal(BIG[:size], root_key=KEY, pad=pad)) == BIG[:size]


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("size", [1, 4000, CHUNK, CHUNK + 1, 2 * CHUNK, len(TEXT)])
def test_reader_returns_what_was_compressed(size: int, pad: bool) -> None:
    sealed = seal(TEXT[:size], root_key=KEY, zstd=forge.always, pad=pad)
    assert opened(sealed) == TEXT[:size]
    assert len(sealed) < size / 10 + 13_000


def test_reader_mixes_raw_and_compressed_records() -> None:
    data = BIG[:CHUNK] + TEXT[: 2 * CHUNK] + BIG[: CHUNK + 7]
    assert opened(seal(data, root_key=KEY, zstd=lambda i: i in (1, 2, 3))) == data
    assert opened(seal(data, root_key=KEY, zstd=lambda i: i == 2)) == data


def with_zstd_frames(frames: Sequence[tuple[bytes, int]]) -> Callable[[Stream], list[Record]]:
    """Records of predictable stored length: each holds a literal and zeros up to CHUNK."""

    def records(stream: Stream) -> list[Record]:
        made = []
        for index, (literal, zeros) in enumerate(frames):
            record_id = stream.keys.record_tag + struct.pack(">Q", index)
            data = forge.zstd_frame(literal, zeros)
            raw_len = len(literal) + zeros
            made.append(Record(codec=1, data=data, raw_len=raw_len, id=record_id))
        return [*made, Record(type=0)]

    return records


def stream_of(frames: Sequence[tuple[bytes, int]], **plan: Any) -> Stream:
    stream = Stream(Plan(root_key=KEY, **plan))
    records, edit = with_zstd_frames(frames)(stream), stream.plan.records
    stream.plan.records = lambda _: edit(records)
    return stream


def filling(left: int) -> list[tuple[bytes, int]]:
    """Two chunks whose records leave `left` bytes of the first frame."""
    first = len(forge.zstd_frame(SMALL, CHUNK - 4000))
    want = PLAIN - left - 2 * HEAD - first
    size = next(
        n for n in range(want - 80, want) if len(forge.zstd_frame(BIG[:n], CHUNK - n)) == want
    )
    return [(SMALL, CHUNK - 4000), (BIG[:size], CHUNK - size)]


@pytest.mark.parametrize("left", [0, 1, 47, 48, 49])
@pytest.mark.parametrize("further", [0, 1])
def test_heads_skip_to_the_next_frame_when_fewer_than_48_bytes_remain(
    left: int, further: int
) -> None:
    chunks = filling(left) + further * [(b"more", 5000)]
    stream = stream_of(chunks)
    plain = stream.plaintext()
    footer = ref.FOOTER_FIELDS.unpack(plain[-64:])
    offsets = struct.unpack_from(f">{len(chunks)}Q", plain, footer[2] + HEAD)
    third_head = [*offsets, footer[1]][2]
    assert third_head == (PLAIN if left < HEAD else PLAIN - left)
    expected = b"".join(literal + bytes(zeros) for literal, zeros in chunks)
    assert opened(stream.assemble()) == expected


@pytest.mark.parametrize("left", [1, 47])
def test_reader_rejects_skipped_bytes_that_are_not_zero(left: int) -> None:
    def dirty(records: list[Record]) -> list[Record]:
        return [*records[:-1], replace(records[-1], skipped=b"\1")]

    rejects(stream_of(filling(left), records=dirty).assemble(), "skipped bytes are not zero")


def test_reader_rejects_a_head_that_crosses_a_frame_boundary() -> None:
    def crossing(records: list[Record]) -> list[Record]:
        return [*records[:-1], replace(records[-1], at=PLAIN - 47)]

    chunks = [*filling(47), (b"more", 5000)]
    assert opened(stream_of(chunks).assemble())

    def crossing_data(records: list[Record]) -> list[Record]:
        return [*records[:2], replace(records[2], at=PLAIN - 47), *records[3:]]

    rejects(stream_of(chunks, records=crossing_data).assemble(), "skipped bytes are not zero")
    # An end record that crosses is zeros, so that only the footer can tell.
    rejects(
        stream_of(filling(47), records=crossing).assemble(), "the directory or the footer is wrong"
    )


@pytest.mark.parametrize("overhang", [8, 24, 40])
def test_the_directory_head_may_cross_a_frame_boundary(
    overhang: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A directory this long takes some 500 chunks: small ones do as well.
    for module in (reading, forge):
        monkeypatch.setattr(module, "CHUNK", 1000)
    last_plain = PAGE - 16
    count = (last_plain - (HEAD - overhang) - 64) // 8
    data = bytes(1000 * count)
    stream = Stream(Plan(data, root_key=KEY, zstd=forge.always))
    used = len(forge.lay_out(stream.records())[0]) + HEAD + 8 * count + 64
    stream.plan.padding = lambda _: bytes(PLAIN + last_plain - used)
    plain = stream.plaintext()
    assert ref.FOOTER_FIELDS.unpack(plain[-64:])[2] == PLAIN - overhang
    assert opened(stream.assemble(stream.frames(plain))) == data


# --- Credentials ---


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


# --- Header ---


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


# --- Frames ---


@pytest.fixture(scope="module")
def three_frames() -> Stream:
    return Stream(Plan(BIG[: 2 * CHUNK + 4000], root_key=KEY, pad=False))


def test_reader_rejects_swapped_frames(three_frames: Stream) -> None:
    a, b, c = three_frames.frames()
    rejects(three_frames.assemble([b, a, c]), "frame 0 fails authentication")


def test_reader_rejects_dropped_frames(three_frames: Stream) -> None:
    a, b, c = three_frames.frames()
    rejects(three_frames.assemble([a, c]), "frame 1 fails authentication")
    rejects(three_frames.assemble([b, c]), "frame 0 fails authentication")
    rejects(three_frames.assemble([a, b]), "frame 1 fails authentication")
    rejects(three_frames.assemble([]), "the length is impossible")


def test_reader_rejects_repeated_frames(three_frames: Stream) -> None:
    a, b, c = three_frames.frames()
    rejects(three_frames.assemble([a, a, b, c]), "frame 1 fails authentication")
    rejects(three_frames.assemble([a, b, c, c]), "frame 2 fails authentication")


def test_reader_rejects_every_truncation_and_extension() -> None:
    sealed = seal(SMALL, root_key=KEY)
    for cut in (1, 100, TRAILER - 1, TRAILER, TRAILER + 1, TRAILER + PAGE, len(sealed) - PAGE):
        assert refusal(sealed[:-cut])[0] == 13
    for more in (1, PAGE - 1, PAGE, TRAILER, FRAME):
        assert refusal(sealed + bytes(more))[0] == 13
    for length in (0, 7, 4095):
        rejects(sealed[:length], "the header is cut short")


@pytest.mark.parametrize(
    "change",
    [{"last": False}, {"index": 1}, {"stored_len": 4095}, {"type": 2}, {"plain": bytes(4080)}],
)
def test_reader_rejects_frames_sealed_for_another_place(change: dict[str, Any]) -> None:
    code, _ = refusal(forged(SMALL, root_key=KEY, frames=lambda f: [replace(f[0], **change)]))
    assert code == 13


def test_reader_rejects_a_last_flag_on_an_inner_frame() -> None:
    sealed = forged(
        BIG[: CHUNK + 1], root_key=KEY, frames=lambda f: [replace(f[0], last=True), *f[1:]]
    )
    rejects(sealed, "frame 0 fails authentication")


def test_bit_flips_anywhere_are_refused() -> None:
    sealed = seal(SMALL, root_key=KEY)
    rng = random.Random(2)
    for at in [*rng.sample(range(len(sealed)), 200), 4096, len(sealed) - 1]:
        assert refusal(patch(sealed, at, bytes([sealed[at] ^ 1 << at % 8])))[0] == 13


# --- Records ---


def edit_record(number: int, **change: Any) -> Callable[[list[Record]], list[Record]]:
    def edit(records: list[Record]) -> list[Record]:
        records[number] = replace(records[number], **change)
        return records

    return edit


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"type": 2}, "unknown record type or codec"),
        ({"type": 3}, "unknown record type or codec"),
        ({"codec": 2}, "unknown record type or codec"),
        ({"zero_a": 1}, "a zero field is not zero"),
        ({"zero_b": 1}, "a zero field is not zero"),
        ({"raw_len": 0}, "impossible raw length"),
        ({"raw_len": 0, "data": b""}, "impossible raw length"),
        ({"raw_len": CHUNK + 1}, "impossible raw length"),
        ({"raw_len": 3999}, "impossible stored length"),
        ({"raw_len": 4001}, "impossible stored length"),
        ({"stored_len": 9000}, "a record runs into the footer"),
        ({"stored_len": 2**32 - 1}, "a record runs into the footer"),
        ({"id": bytes(32)}, "wrong record id"),
        ({"codec": 1}, "impossible stored length"),
        ({"codec": 1, "raw_len": 4001}, "zstd: no frame"),
        ({"at": 4}, "the end record is not zero"),
        ({"at": 48}, "the padding is not zero"),
    ],
)
def test_reader_rejects_a_lying_data_record(change: dict[str, Any], fault: str) -> None:
    sealed = forged(SMALL, root_key=KEY, records=edit_record(0, **change))
    rejects(sealed, fault)


@pytest.mark.parametrize(
    "change", [{"codec": 1}, {"zero_a": 1}, {"stored_len": 1}, {"raw_len": 1}, {"id": SK}]
)
def test_reader_rejects_an_end_record_that_is_not_zero(change: dict[str, Any]) -> None:
    sealed = forged(SMALL, root_key=KEY, records=edit_record(-1, **change))
    rejects(sealed, "the end record is not zero")


def test_reader_rejects_records_out_of_order() -> None:
    data = BIG[: 2 * CHUNK]
    for edit in (
        lambda r: [r[1], r[0], r[2]],
        lambda r: [r[0], r[0], r[2]],
        lambda r: [r[1], r[2]],
    ):
        rejects(forged(data, root_key=KEY, records=edit), "wrong record id")


def test_reader_rejects_records_of_another_segment() -> None:
    foreign = Stream(Plan(SMALL, root_key=KEY)).records()
    rejects(forged(SMALL, root_key=KEY, records=lambda _: foreign), "wrong record id")


def test_reader_rejects_a_missing_end_record() -> None:
    # The record ends exactly where the footer begins.
    size = PAGE - 16 - HEAD - 64
    sealed = forged(BIG[:size], root_key=KEY, records=lambda records: records[:1])
    rejects(sealed, "records run into the footer")


def test_reader_rejects_a_short_chunk_before_another() -> None:
    def cut_in_two(records: list[Record]) -> list[Record]:
        first = replace(records[0], data=SMALL[:2000], raw_len=2000)
        tag = first.id[:24]
        second = Record(data=SMALL[2000:], raw_len=2000, id=tag + struct.pack(">Q", 1))
        return [first, second, records[1]]

    sealed = forged(SMALL, root_key=KEY, records=cut_in_two)
    rejects(sealed, "a chunk before the last one is short")


# --- zstd ---


def zstd_record(data: bytes, raw_len: int) -> Any:
    return edit_record(0, codec=1, data=data, raw_len=raw_len)


def zstd_sealed(
    *, literal: bytes = b"abc", zeros: int = 1000, tail: bytes = b"", **kw: Any
) -> bytes:
    data = forge.zstd_frame(literal, zeros, **kw) + tail
    return forged(SMALL, root_key=KEY, records=zstd_record(data, len(literal) + zeros))


SIZE_4 = struct.pack("<I", 1003)


@pytest.mark.parametrize(
    ("descriptor", "fields"),
    [
        (0xA0, SIZE_4),
        (0xE0, struct.pack("<Q", 1003)),
        (0x60, struct.pack("<H", 1003 - 256)),
        (0x80, b"\x00" + SIZE_4),  # a window of 1 KiB
        (0x80, b"\x50" + SIZE_4),  # a window of 1 MiB
    ],
)
def test_reader_takes_every_way_to_state_the_content_size(descriptor: int, fields: bytes) -> None:
    assert opened(zstd_sealed(descriptor=descriptor, fields=fields)) == b"abc" + bytes(1000)


@pytest.mark.parametrize(
    ("descriptor", "fields", "fault"),
    [
        (0xB0, SIZE_4, "zstd: unused or reserved bit set"),
        (0xA8, SIZE_4, "zstd: unused or reserved bit set"),
        (0xA1, b"\1" + SIZE_4, "zstd: dictionary"),
        (0xA1, b"\0" + SIZE_4, "zstd: dictionary"),
        (0x00, b"\x50", "zstd: no content size"),
        (0xA0, struct.pack("<I", 1002), "zstd: wrong content size"),
        (0xE0, struct.pack("<Q", 1003 + 2**32), "zstd: wrong content size"),
        (0x80, b"\x51" + SIZE_4, "zstd: window too large"),
        (0x80, b"\xff" + SIZE_4, "zstd: window too large"),
    ],
)
def test_reader_rejects_a_lying_zstd_header(descriptor: int, fields: bytes, fault: str) -> None:
    rejects(zstd_sealed(descriptor=descriptor, fields=fields), fault)


@pytest.mark.parametrize("tail", [b"\0", forge.zstd_frame(b"", 5), b"\x50\x2a\x4d\x18\0\0\0\0"])
def test_reader_rejects_anything_after_the_zstd_frame(tail: bytes) -> None:
    code, fault = refusal(zstd_sealed(tail=tail))
    assert code == 13
    assert fault.startswith("zstd: ")


def test_reader_rejects_a_leading_skippable_frame() -> None:
    data = b"\x50\x2a\x4d\x18\0\0\0\0" + forge.zstd_frame(b"abc", 1000)
    sealed = forged(SMALL, root_key=KEY, records=zstd_record(data, 1003))
    rejects(sealed, "zstd: no frame")


@pytest.mark.parametrize("actual", [999, 1001, 2**20])
def test_reader_rejects_zstd_content_of_another_length(actual: int) -> None:
    data = forge.zstd_frame(b"abc", actual, fields=SIZE_4)
    sealed = forged(SMALL, root_key=KEY, records=zstd_record(data, 1003))
    assert refusal(sealed)[0] == 13


def test_reader_rejects_cut_zstd_frames() -> None:
    whole = forge.zstd_frame(b"abc", 1000)
    for length in range(1, len(whole)):
        sealed = forged(SMALL, root_key=KEY, records=zstd_record(whole[:length], 1003))
        code, fault = refusal(sealed)
        assert code == 13
        assert fault.startswith("zstd: ")


def test_reader_rejects_a_wrong_zstd_checksum() -> None:
    code, _ = refusal(zstd_sealed(descriptor=0xA4, checksum=b"\0\0\0\0"))
    assert code == 13


def test_reader_rejects_compressed_data_that_is_not_shorter() -> None:
    data = forge.zstd_frame(b"abc", 0)
    sealed = forged(SMALL, root_key=KEY, records=zstd_record(data, 3))
    rejects(sealed, "impossible stored length")


# --- Directory, footer, padding, trailer ---

WRONG_ENDING = "the directory or the footer is wrong"


def edit_directory(**change: Any) -> Any:
    return lambda record: replace(record, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"type": 1},
        {"codec": 1},
        {"zero_a": 1},
        {"zero_b": 1},
        {"stored_len": 16},
        {"raw_len": 0},
        {"id": SK},
        {"data": struct.pack(">Q", 1)},
    ],
)
def test_reader_rejects_a_lying_directory(change: dict[str, Any]) -> None:
    plan = {"root_key": KEY, "zstd": forge.always, "directory": edit_directory(**change)}
    rejects(forged(TEXT[:4000], **plan), WRONG_ENDING)


def test_reader_rejects_a_missing_or_needless_directory() -> None:
    missing = forged(
        TEXT[:4000],
        root_key=KEY,
        zstd=forge.always,
        directory=lambda _: None,
        padding=lambda zeros: zeros + bytes(HEAD + 8),
    )
    assert refusal(missing)[0] == 13
    needless = forged(
        BIG[:1000],
        root_key=KEY,
        directory=lambda _: Record(type=2, data=bytes(8), raw_len=8),
        padding=lambda zeros: zeros[: -HEAD - 8],
    )
    assert refusal(needless)[0] == 13


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "field", ["records_end", "directory_offset", "directory_bytes", "count", "raw_total"]
)
def test_reader_rejects_a_lying_footer(field: str, compressed: bool) -> None:
    def lie(footer: Footer) -> Footer:
        return replace(footer, **{field: getattr(footer, field) + 1})

    zstd = forge.always if compressed else forge.never
    rejects(forged(TEXT[:3000], root_key=KEY, zstd=zstd, footer=lie), WRONG_ENDING)


@pytest.mark.parametrize("change", [{"magic": b"srm-fOot"}, {"zero": bytes(15) + b"\1"}])
def test_reader_rejects_a_malformed_footer(change: dict[str, bytes]) -> None:
    rejects(forged(SMALL, root_key=KEY, footer=lambda f: replace(f, **change)), WRONG_ENDING)


def test_reader_takes_any_number_of_zeros_as_padding() -> None:
    for pages in (1, 3, 300, 600):
        extra = pages * PAGE - 16 * (pages * PAGE // FRAME)
        sealed = forged(SMALL, root_key=KEY, padding=lambda zeros, n=extra: zeros + bytes(n))
        assert opened(sealed) == SMALL


@pytest.mark.parametrize("at", [0, 500, -1])
def test_reader_rejects_padding_that_is_not_zero(at: int) -> None:
    def dirty(zeros: bytes) -> bytes:
        return patch(zeros, at % len(zeros), b"\1")

    rejects(forged(BIG[:1000], root_key=KEY, padding=dirty), "the padding is not zero")


@pytest.mark.parametrize(
    "change",
    [
        {"header": bytes(PAGE)},
        {"root": bytes(32)},
        {"n": 2},
        {"last_len": 4096},
        {"total": 0},
        {"zero": b"\0\0\0\0\0\0\0\1"},
        {"magic": ref.MAGIC},
    ],
)
def test_reader_rejects_a_lying_trailer(change: dict[str, Any]) -> None:
    sealed = forged(SMALL, root_key=KEY, trailer=lambda t: replace(t, **change))
    rejects(sealed, "the trailer is wrong")


# --- Length, tree and root ---


def test_the_length_gives_the_frames() -> None:
    around = PAGE + TRAILER
    assert reading.shape(around + PAGE) == (1, PAGE)
    assert reading.shape(around + FRAME) == (1, FRAME)
    assert reading.shape(around + FRAME + PAGE) == (2, PAGE)
    assert reading.shape(around + 2**44) == (2**24, FRAME)
    for length in (0, around, around + 1, around + FRAME + 1, around + 2**44 + PAGE):
        with pytest.raises(ref.Damaged):
            reading.shape(length)


@pytest.mark.parametrize(
    ("length", "padded"),
    [
        *((2, 2), (3, 3), (7, 7), (8, 8), (9, 10), (10, 10), (128, 128), (129, 144), (1000, 1024)),
        *((2**20, 2**20), (2**20 + 1, 2**20 + 2**15), (2**40 + 1, 2**40 + 2**34)),
    ],
)
def test_padme_rounds_as_in_the_paper(length: int, padded: int) -> None:
    assert forge.padme(length) == padded


def test_padme_costs_less_than_an_eighth() -> None:
    for length in [*range(2, 5000), *(2**e + 1 for e in range(13, 45))]:
        assert length <= forge.padme(length) < length * 1.12


# The leaves and roots of the Certificate Transparency reference implementation.
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
CT_LEAVES += [bytes(range(0x60, 0x70)).hex()]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_tree_is_the_one_of_rfc_6962() -> None:
    hashes = [ref.sha256(b"\0" + bytes.fromhex(leaf)) for leaf in CT_LEAVES]
    roots = [tree_reference.tree_root(hashes[:n]).hex() for n in range(1, 9)]
    assert roots == CT_ROOTS


@pytest.mark.parametrize("n", range(1, 21))
def test_audit_paths_prove_each_leaf_and_no_other(n: int) -> None:
    hashes = [ref.sha256(bytes([i])) for i in range(n)]
    root = tree_reference.tree_root(hashes)
    for i, leaf in enumerate(hashes):
        path = tree_reference.audit_path(hashes, i)
        assert tree_reference.root_from_path(leaf, i, n, path) == root
        assert tree_reference.root_from_path(ref.sha256(leaf), i, n, path) != root
        for wrong in {*range(n)} - {i}:
            try:
                assert tree_reference.root_from_path(leaf, wrong, n, path) != root
            except ref.Damaged:
                continue
        with pytest.raises(ref.Damaged):
            tree_reference.root_from_path(leaf, i, n, [*path, root])
        if path:
            with pytest.raises(ref.Damaged):
                tree_reference.root_from_path(leaf, i, n, path[:-1])
    with pytest.raises(ref.Damaged):
        tree_reference.root_from_path(root, n, n, [])


def test_the_root_in_the_trailer_can_be_rebuilt_without_a_key() -> None:
    sealed = seal(BIG[: CHUNK + 1], root_key=KEY)
    assert reading.segment_root(sealed) == sealed[-TRAILER + PAGE :][:32]


def test_the_root_names_every_stored_byte() -> None:
    sealed = seal(SMALL, root_key=KEY)
    root = reading.segment_root(sealed)
    for at in range(PAGE, 2 * PAGE, 97):
        assert reading.segment_root(patch(sealed, at, bytes([sealed[at] ^ 1]))) != root
    changed = rehash(patch(sealed[:PAGE], 128, bytes(32)))
    assert reading.segment_root(changed + sealed[PAGE:]) != root
