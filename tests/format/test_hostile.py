"""What a hostile author can store, with and without the keys, and how it is refused.

Every attack is put to the core, from memory and from a file, and to the reference reader: all
three refuse it with the same class, and no file appears.
"""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom import (
    DamagedError,
    Password,
    RootKey,
    StrongroomError,
    open_bytes,
    open_file,
    scrub,
)
from strongroom.ops.open import open_descriptor

from . import forge, header_reference, reference
from .forge import Record, forged, patch
from .header_reference import CHUNK, FRAME, PAGE, PLAIN, TAG

STRONGROOM = Path(sys.executable).with_name("strongroom")

SECRET = bytes(range(32))
KEY = RootKey(SECRET)
OTHER = RootKey(bytes(32))
WORDS = "correct horse battery staple"

DAMAGED, WRONG_KEY, UNSUPPORTED = 13, 12, 14

FEW = b"few bytes"
MEDIA = random.Random(1).randbytes(2 * CHUNK + 5000)
TEXT = b"".join(b"line %d of a long text\n" % i for i in range(140_000))


def few(**lies: object) -> bytes:
    return forged(FEW, root_key=SECRET, **lies)


def media(**lies: object) -> bytes:
    return forged(MEDIA, root_key=SECRET, **lies)


def text(**lies: object) -> bytes:
    return forged(TEXT, root_key=SECRET, zstd=forge.always, **lies)


def assert_refused(sealed: bytes, code: int, tmp_path, *, password: str | None = None) -> None:
    key = KEY if password is None else Password(password)
    secret = {"root_key": SECRET} if password is None else {"password": password}
    with pytest.raises(header_reference.Refused) as by_reference:
        reference.open_sealed(sealed, **secret)
    assert by_reference.value.code == code, by_reference.value
    with pytest.raises(StrongroomError) as from_memory:
        open_bytes(sealed, key=key)
    assert from_memory.value.exit_code == code, from_memory.value
    source, target = tmp_path / "hostile.sealed", tmp_path / "opened"
    source.write_bytes(sealed)
    with pytest.raises(StrongroomError) as from_file:
        open_file(source, target, key=key)
    assert from_file.value.exit_code == code, from_file.value
    assert list(tmp_path.iterdir()) == [source]


# --- By someone who has no key ---


def rehashed(at: int, new: bytes) -> bytes:
    """A header field changed and the public digest put right; the trailer agrees."""
    return few(header=lambda h: forge.rehash(patch(h, at, new)))


def flipped(at: int) -> bytes:
    sealed = few()
    return patch(sealed, at, bytes([sealed[at] ^ 1]))


def envelope_flipped(at: int) -> bytes:
    def edit(header: bytes) -> bytes:
        return forge.rehash(patch(header, 164 + at, bytes([header[164 + at] ^ 0x40])))

    return few(header=edit)


HEADER_FIELDS = {
    "magic": (0, b"X", DAMAGED),
    "version": (8, b"\0\2", UNSUPPORTED),
    "version zero": (8, b"\0\0", UNSUPPORTED),
    "suite": (10, b"\0\2", UNSUPPORTED),
    "type data": (12, b"\2", UNSUPPORTED),
    "type manifest": (12, b"\3", UNSUPPORTED),
    "type unknown": (12, b"\x7f", UNSUPPORTED),
    "frame_log2": (13, b"\x15", UNSUPPORTED),
    "header pages": (14, b"\2", UNSUPPORTED),
    "flags": (15, b"\1", UNSUPPORTED),
    "repo_id": (16, b"XX", WRONG_KEY),
    "session_id": (48, b"XX", WRONG_KEY),
    "salt": (64, b"XX", DAMAGED),
    "commitment": (96, b"XX", DAMAGED),
    "MAC": (128, b"XX", DAMAGED),
    "envelope type unknown": (160, b"\4", UNSUPPORTED),
    "envelope type reserved": (160, b"\3", UNSUPPORTED),
    "envelope zero byte": (161, b"\1", DAMAGED),
    "envelope length short": (162, b"\0\x6f", DAMAGED),
    "envelope length long": (162, b"\x0f\xff", DAMAGED),
    "fill after the envelopes": (4063, b"\1", DAMAGED),
    "no envelope at all": (160, bytes(116), DAMAGED),
}


@pytest.mark.parametrize("field", HEADER_FIELDS)
def test_a_changed_header_field_is_refused(field, tmp_path):
    at, new, code = HEADER_FIELDS[field]
    assert_refused(rehashed(at, new), code, tmp_path)


@pytest.mark.parametrize("at", range(112))
def test_every_changed_envelope_byte_is_refused(at, tmp_path):
    # esalt feeds the commitment, so both give "wrong key"; the wrapped key is behind it.
    assert_refused(envelope_flipped(at), WRONG_KEY if at < 64 else DAMAGED, tmp_path)


def test_every_flipped_header_byte_is_caught_by_the_digest(tmp_path):
    sealed = few()
    for at in range(PAGE):
        with pytest.raises(DamagedError):
            open_bytes(patch(sealed, at, bytes([sealed[at] ^ 1])), key=KEY)


def test_two_hundred_random_flipped_bits_are_refused():
    sealed = media()
    dice = random.Random(200)
    for _ in range(200):
        bit = dice.randrange(8 * len(sealed))
        broken = patch(sealed, bit // 8, bytes([sealed[bit // 8] ^ 1 << bit % 8]))
        with pytest.raises(DamagedError):
            open_bytes(broken, key=KEY)


def test_two_hundred_random_flipped_bits_are_found_without_a_key(tmp_path):
    sealed, path = media(), tmp_path / "sealed"
    dice = random.Random(201)
    for _ in range(200):
        bit = dice.randrange(8 * len(sealed))
        path.write_bytes(patch(sealed, bit // 8, bytes([sealed[bit // 8] ^ 1 << bit % 8])))
        with pytest.raises(DamagedError):
            scrub(path)


def frames_of(sealed: bytes) -> list[bytes]:
    return reference.split_frames(sealed)


def rearranged(arrange: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Frames moved about by someone without a key, who then makes a matching trailer."""
    plan = forge.Plan(MEDIA, root_key=SECRET)
    stream = forge.Stream(plan)
    return stream.assemble(arrange(stream.frames()))


def of_the_same_session() -> tuple[forge.Stream, forge.Stream]:
    """Two streams under one session key and session id, each with its own salt."""
    first = forge.Plan(MEDIA, root_key=SECRET)
    second = replace(first, salt=bytes(32), data=MEDIA[::-1])
    return forge.Stream(first), forge.Stream(second)


def with_a_frame_of_another_segment() -> bytes:
    first, second = of_the_same_session()
    mine, other = first.frames(), second.frames()
    return first.assemble([mine[0], other[1], mine[2]])


def with_the_body_of_another_segment() -> bytes:
    first, second = of_the_same_session()
    return first.assemble(second.frames())


REARRANGED = {
    "two frames swapped": lambda: rearranged(lambda f: [f[1], f[0], *f[2:]]),
    "first frame dropped": lambda: rearranged(lambda f: f[1:]),
    "middle frame dropped": lambda: rearranged(lambda f: [f[0], *f[2:]]),
    "last frame dropped": lambda: rearranged(lambda f: f[:-1]),
    "frame twice": lambda: rearranged(lambda f: [f[0], f[0], *f[1:]]),
    "last frame twice": lambda: rearranged(lambda f: [*f[:-1], f[0], f[-1]]),
    "only the last frame": lambda: rearranged(lambda f: f[-1:]),
    "last frame shortened": lambda: rearranged(lambda f: [*f[:-1], f[-1][:PAGE]]),
    "last frame lengthened": lambda: rearranged(lambda f: [*f[:-1], f[-1] + bytes(PAGE)]),
    "frame of another segment": with_a_frame_of_another_segment,
    "all frames of another segment": with_the_body_of_another_segment,
    "zero frames": lambda: rearranged(lambda _: []),
}


@pytest.mark.parametrize("attack", REARRANGED)
def test_rearranged_frames_are_refused(attack, tmp_path):
    assert_refused(REARRANGED[attack](), DAMAGED, tmp_path)


@pytest.mark.parametrize(
    "last", [[True, False, False], [False, True, True], [False] * 3, [True] * 3]
)
def test_a_last_flag_cleared_or_set_early_is_refused(last, tmp_path):
    def edit(frames: list[forge.Frame]) -> list[forge.Frame]:
        return [replace(f, last=flag) for f, flag in zip(frames, last, strict=True)]

    assert_refused(media(frames=edit), DAMAGED, tmp_path)


@pytest.mark.parametrize("field", ["type", "stored_len", "index"])
def test_every_bound_fact_of_a_frame_counts(field, tmp_path):
    def edit(frames: list[forge.Frame]) -> list[forge.Frame]:
        lie = replace(frames[1], **{field: getattr(frames[1], field) + 1})
        return [frames[0], lie, *frames[2:]]

    assert_refused(media(frames=edit), DAMAGED, tmp_path)


BOUNDARIES = [0, 1, PAGE - 1, PAGE, PAGE + 1, PAGE + FRAME - TAG, PAGE + FRAME, PAGE + FRAME + 1]
BOUNDARIES += [PAGE + 2 * FRAME, -4161, -4160, -4159, -64, -8, -1]


@pytest.mark.parametrize("end", BOUNDARIES)
def test_a_truncated_file_is_refused(end, tmp_path):
    assert_refused(media()[:end], DAMAGED, tmp_path)


def test_truncation_at_random_is_refused(tmp_path):
    sealed, dice = media(), random.Random(3)
    for _ in range(50):
        with pytest.raises(DamagedError):
            open_bytes(sealed[: dice.randrange(len(sealed))], key=KEY)


@pytest.mark.parametrize("extra", [b"\0", b"x" * 64, bytes(PAGE), bytes(FRAME), bytes(4160)])
def test_bytes_after_the_trailer_are_refused(extra, tmp_path):
    assert_refused(media() + extra, DAMAGED, tmp_path)


def test_a_file_twice_in_a_row_is_refused(tmp_path):
    assert_refused(media() * 2, DAMAGED, tmp_path)


TRAILERS = {
    "header copy": lambda t: replace(t, header=patch(t.header, 4000, b"x")),
    "root": lambda t: replace(t, root=bytes(32)),
    "n": lambda t: replace(t, n=t.n + 1),
    "n huge": lambda t: replace(t, n=2**32 - 1),
    "last_len": lambda t: replace(t, last_len=t.last_len - PAGE),
    "last_len huge": lambda t: replace(t, last_len=2**32 - 1),
    "total": lambda t: replace(t, total=t.total + PAGE),
    "total huge": lambda t: replace(t, total=2**64 - 1),
    "zero": lambda t: replace(t, zero=b"\1" + bytes(7)),
    "magic": lambda t: replace(t, magic=b"12345678"),
}


@pytest.mark.parametrize("lie", TRAILERS)
def test_a_forged_trailer_is_refused_with_and_without_a_key(lie, tmp_path):
    sealed = media(trailer=TRAILERS[lie])
    assert_refused(sealed, DAMAGED, tmp_path)
    with pytest.raises(DamagedError):
        scrub(tmp_path / "hostile.sealed")


# --- By someone who has the keys: the author himself is hostile ---


def record(index: int, **lie: object) -> Callable[[list[Record]], list[Record]]:
    def edit(records: list[Record]) -> list[Record]:
        return [replace(r, **lie) if i == index else r for i, r in enumerate(records)]

    return edit


def zstd_chunk(data: bytes, raw_len: int = CHUNK) -> Callable[[list[Record]], list[Record]]:
    """The first chunk, stored as the given codec 1 data."""
    return record(0, codec=header_reference.ZSTD, data=data, raw_len=raw_len)


def window(log: int) -> bytes:
    return bytes([log - 10 << 3])


SMALL = 1000  # raw length of a chunk in a stream of that one chunk
SIZE = struct.pack("<I", SMALL)
ZEROS = bytes(SMALL)


def one_zstd(data: bytes, raw_len: int = SMALL) -> bytes:
    return forged(ZEROS, root_key=SECRET, records=zstd_chunk(data, raw_len))


def good_zstd() -> bytes:
    return forge.zstd_frame(b"", SMALL)


def skippable() -> bytes:
    return bytes.fromhex("502A4D18") + struct.pack("<I", 4) + b"skip"


def bomb() -> bytes:
    """Declares a chunk, expands to a gigabyte."""
    return forge.zstd_frame(b"", 2**30, fields=struct.pack("<I", CHUNK))


FORGED = {
    "record type unknown": lambda: few(records=record(0, type=3)),
    "record type huge": lambda: few(records=record(0, type=255)),
    "codec unknown": lambda: few(records=record(0, codec=2)),
    "record zero field": lambda: few(records=record(0, zero_a=1)),
    "record other zero field": lambda: few(records=record(0, zero_b=1)),
    "raw length differs": lambda: few(records=record(0, raw_len=10)),
    "raw length zero": lambda: few(records=record(0, raw_len=0)),
    "stored length huge": lambda: few(records=record(0, stored_len=2**32 - 1)),
    "both lengths huge": lambda: few(records=record(0, stored_len=2**32 - 1, raw_len=2**32 - 1)),
    "raw length over a chunk": lambda: media(records=record(0, raw_len=CHUNK + 1)),
    "record id": lambda: few(records=record(0, id=bytes(32))),
    "record index": lambda: media(records=lambda r: [r[0], replace(r[1], id=r[0].id), *r[2:]]),
    "records swapped": lambda: media(records=lambda r: [r[1], r[0], *r[2:]]),
    "record twice": lambda: media(records=lambda r: [r[0], *r]),
    "record missing": lambda: media(records=lambda r: r[1:]),
    "short record in the middle": lambda: media(
        records=lambda r: [replace(r[0], data=r[0].data[:-1], raw_len=CHUNK - 1), *r[1:]]
    ),
    "no end record": lambda: few(records=lambda r: r[:-1]),
    "end record twice": lambda: few(
        records=lambda r: [*r, Record(type=header_reference.END, id=b"x" * 32)]
    ),
    "end record with data": lambda: few(
        records=lambda r: [*r[:-1], Record(type=header_reference.END, data=b"x", raw_len=1)]
    ),
    "data record after the end": lambda: few(records=lambda r: [r[1], r[0], r[1]]),
    "end record first": lambda: media(records=lambda r: [r[-1], *r]),
    "directory among the records": lambda: few(
        records=lambda r: [Record(type=header_reference.DIRECTORY, data=bytes(8), raw_len=8), *r]
    ),
    "record not where it belongs": lambda: few(records=record(0, at=16)),
    "skipped bytes not zero": lambda: text(
        records=lambda r: [
            replace(r[0], codec=header_reference.RAW, data=bytes(CHUNK - 20), raw_len=CHUNK - 20),
            replace(r[1], skipped=b"\1"),
            *r[2:],
        ]
    ),
    "padding not zero": lambda: few(padding=lambda z: z[:-1] + b"\1"),
    "padding begins like a directory": lambda: few(padding=lambda z: z[:-60] + b"\2" + bytes(59)),
    "padding not zero, in a text": lambda: text(padding=lambda z: b"\1" + z[1:]),
    "directory missing": lambda: text(directory=lambda _: None),
    "directory where none belongs": lambda: few(
        padding=lambda z: z[56:],
        directory=lambda _: Record(type=header_reference.DIRECTORY, data=bytes(8), raw_len=8),
    ),
    "directory offset wrong": lambda: text(
        directory=lambda d: d and replace(d, data=d.data[:-1] + b"\1")
    ),
    "directory reversed": lambda: text(directory=lambda d: d and replace(d, data=d.data[::-1])),
    "directory id": lambda: text(directory=lambda d: d and replace(d, id=b"x" * 32)),
    "directory codec": lambda: text(directory=lambda d: d and replace(d, codec=1)),
    "directory raw length": lambda: text(directory=lambda d: d and replace(d, raw_len=8)),
    "directory length huge": lambda: text(
        directory=lambda d: d and replace(d, stored_len=2**32 - 1, raw_len=2**32 - 1)
    ),
    "directory length not whole entries": lambda: text(
        directory=lambda d: d and replace(d, stored_len=len(d.data) - 1, raw_len=len(d.data) - 1)
    ),
    "footer magic": lambda: few(footer=lambda f: replace(f, magic=b"srm-fool")),
    "footer zero": lambda: few(footer=lambda f: replace(f, zero=bytes(15) + b"\1")),
    "footer records_end": lambda: few(footer=lambda f: replace(f, records_end=f.records_end + 1)),
    "footer directory_offset": lambda: text(footer=lambda f: replace(f, directory_offset=48)),
    "footer directory_offset out of nothing": lambda: few(
        footer=lambda f: replace(f, directory_offset=48, directory_bytes=8)
    ),
    "footer directory_bytes": lambda: text(footer=lambda f: replace(f, directory_bytes=8)),
    "footer directory_bytes huge": lambda: text(
        footer=lambda f: replace(f, directory_bytes=2**64 - 8)
    ),
    "footer count": lambda: few(footer=lambda f: replace(f, count=2)),
    "footer count huge": lambda: few(footer=lambda f: replace(f, count=2**64 - 1)),
    "footer raw_total": lambda: few(footer=lambda f: replace(f, raw_total=f.raw_total + 1)),
    "footer raw_total huge": lambda: few(
        footer=lambda f: replace(f, raw_total=2**24 * CHUNK, count=2**24)
    ),
    "footer missing": lambda: few(plaintext=lambda p: p[:-64] + bytes(64)),
    "nothing but zeros": lambda: few(plaintext=lambda p: bytes(len(p))),
    "zstd not smaller than raw": lambda: one_zstd(
        forge.zstd_frame(random.Random(4).randbytes(SMALL), 0)
    ),
    "zstd garbage": lambda: one_zstd(b"\x28\xb5\x2f\xfd" + b"\xff" * 30),
    "zstd empty": lambda: one_zstd(b""),
    "zstd of another length": lambda: one_zstd(forge.zstd_frame(b"", SMALL - 1)),
    "zstd longer than declared": lambda: one_zstd(forge.zstd_frame(b"", SMALL + 1, fields=SIZE)),
    "zstd shorter than declared": lambda: one_zstd(forge.zstd_frame(b"", SMALL - 1, fields=SIZE)),
    "zstd twice": lambda: one_zstd(good_zstd() * 2),
    "zstd with a skippable frame before": lambda: one_zstd(skippable() + good_zstd()),
    "zstd with a skippable frame after": lambda: one_zstd(good_zstd() + skippable()),
    "zstd with a byte after": lambda: one_zstd(good_zstd() + b"\0"),
    "zstd cut short": lambda: one_zstd(good_zstd()[:-1]),
    "zstd without content size": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0x00, fields=window(20))
    ),
    "zstd with a dictionary id": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0xA1, fields=b"\7" + SIZE)
    ),
    "zstd with a reserved bit": lambda: one_zstd(forge.zstd_frame(b"", SMALL, descriptor=0xA8)),
    "zstd with an unused bit": lambda: one_zstd(forge.zstd_frame(b"", SMALL, descriptor=0xB0)),
    "zstd with a window of 2^21": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0x80, fields=window(21) + SIZE)
    ),
    "zstd with a window of 2^41": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0x80, fields=b"\xff" + SIZE)
    ),
    "zstd with a window a little over 2^20": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0x80, fields=bytes([10 << 3 | 1]) + SIZE)
    ),
    "zstd with a wrong checksum": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0xA4, checksum=b"1234")
    ),
    "zstd bomb": lambda: forged(bytes(CHUNK), root_key=SECRET, records=zstd_chunk(bomb())),
    "zstd bomb that declares itself": lambda: one_zstd(forge.zstd_frame(b"", 2**30), raw_len=2**30),
    "declared sizes of 2^32-1 in zstd": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, fields=b"\xff" * 4), raw_len=2**32 - 1
    ),
    "MAC of another session key": lambda: few(header=lambda h: forge.remac(h, bytes(32))),
    "envelopes reordered": lambda: forged(
        FEW, root_key=SECRET, password=WORDS, envelopes=lambda e: e[::-1]
    ),
    "owner envelope twice": lambda: few(envelopes=lambda e: e * 2),
}


@pytest.mark.parametrize("attack", FORGED)
def test_a_hostile_author_is_refused(attack, tmp_path):
    assert_refused(FORGED[attack](), DAMAGED, tmp_path)


def test_the_honest_counterparts_open():
    for make, data in ((few, FEW), (media, MEDIA), (text, TEXT)):
        assert open_bytes(make(), key=KEY) == data
    assert open_bytes(one_zstd(good_zstd()), key=KEY) == ZEROS
    widest = forge.zstd_frame(b"", SMALL, descriptor=0x80, fields=window(20) + SIZE)
    assert open_bytes(one_zstd(widest), key=KEY) == ZEROS


# --- Keys and passwords ---


def test_another_key_is_told_from_damage():
    with pytest.raises(StrongroomError) as refusal:
        open_bytes(media(), key=OTHER)
    assert refusal.value.exit_code == WRONG_KEY


def test_another_password_is_told_from_damage(tmp_path):
    sealed = forged(FEW, password=WORDS)
    with pytest.raises(StrongroomError) as refusal:
        open_bytes(sealed, key=Password("incorrect horse"))
    assert refusal.value.exit_code == WRONG_KEY


def kdf_lie(params: bytes) -> bytes:
    """A password file whose public parameters someone without the password changed."""
    return forged(FEW, password=WORDS, header=lambda h: forge.rehash(patch(h, 164, params)))


@pytest.mark.parametrize(
    "params",
    [
        pytest.param(struct.pack(">I", 65535), id="memory below the floor"),
        pytest.param(struct.pack(">I", 0), id="no memory"),
        pytest.param(struct.pack(">I", 4 * 2**20 + 1), id="memory above the ceiling"),
        pytest.param(struct.pack(">I", 2**32 - 1), id="memory absurd"),
        pytest.param(struct.pack(">IB", 65536, 2), id="passes below the floor"),
        pytest.param(struct.pack(">IB", 65536, 17), id="passes above the ceiling"),
        pytest.param(struct.pack(">IBB", 65536, 3, 0), id="no lane"),
        pytest.param(struct.pack(">IBB", 65536, 3, 17), id="lanes above the ceiling"),
    ],
)
def test_kdf_parameters_out_of_range_are_refused_before_they_cost(params, tmp_path):
    assert_refused(kdf_lie(params), UNSUPPORTED, tmp_path, password=WORDS)


def test_kdf_parameters_in_range_but_changed_are_a_wrong_password(tmp_path):
    assert_refused(kdf_lie(struct.pack(">IBB", 65536, 3, 2)), WRONG_KEY, tmp_path, password=WORDS)


def test_a_password_envelope_with_its_zero_field_set_is_refused(tmp_path):
    lie = kdf_lie(struct.pack(">IBBH", 65536, 3, 1, 1))
    assert_refused(lie, DAMAGED, tmp_path, password=WORDS)


@pytest.mark.parametrize("at", [8, 39, 40, 71, 72, 119])
def test_a_changed_password_envelope_is_refused(at, tmp_path):
    def edit(header: bytes) -> bytes:
        return forge.rehash(patch(header, 164 + at, bytes([header[164 + at] ^ 1])))

    code = WRONG_KEY if at < 72 else DAMAGED
    assert_refused(forged(FEW, password=WORDS, header=edit), code, tmp_path, password=WORDS)


def test_a_frame_that_opens_under_two_keys_is_refused_by_the_commitment(tmp_path):
    # AES-GCM alone would accept this frame under both session keys. Only one of them can be
    # committed to in the header, so the other one never gets as far as the frame.
    plan = forge.Plan(FEW, root_key=SECRET)
    other_sk = bytes(reversed(range(32)))
    stream = forge.Stream(plan)
    ids = stream.header[:96]
    mine, theirs = (header_reference.segment_keys(sk, ids) for sk in (plan.sk, other_sk))
    aad = reference.frame_aad(header_reference.STREAM, 0, True, PAGE)
    pairs = [(k.key, reference.frame_nonce(k, 0, True)) for k in (mine, theirs)]
    plain = stream.plaintext()
    frame = forge.two_key_ciphertext(pairs[0], pairs[1], aad, plain, free=100)
    for keys in (mine, theirs):
        assert reference.open_frame(keys, 0, True, frame) is not None
    theirs_envelope = forge.owner_envelope(SECRET, plan.repo_id, plan.session_id, sk=other_sk)
    for_both = replace(plan, envelopes=lambda _: [theirs_envelope])
    lie = forge.Stream(for_both)
    assert lie.header[96:128] == stream.header[96:128]
    assert_refused(lie.assemble([frame]), DAMAGED, tmp_path)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_pipe_gets_all_before_a_chunk_that_does_not_open(threads, tmp_path):
    # Chunk 2 is authentic but no zstd; frames behind it are damaged too, and may be met earlier.
    garbage = b"\x28\xb5\x2f\xfd" + b"\xff" * 300_000
    data = random.Random(9).randbytes(6 * CHUNK)
    sealed = forged(
        data,
        root_key=SECRET,
        records=lambda r: [
            replace(x, codec=header_reference.ZSTD, data=garbage) if i == 2 else x
            for i, x in enumerate(r)
        ],
    )
    spoilt = PAGE + 4 * FRAME + 100
    source = tmp_path / "hostile.sealed"
    source.write_bytes(patch(sealed, spoilt, bytes([sealed[spoilt] ^ 1])))
    for _ in range(10):
        command = [STRONGROOM, "open", "--threads", str(threads), "--key-file", "/dev/fd/0"]
        done = subprocess.run(
            [*command, source, "-o", "-"],
            input=KEY.to_digits().encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == DAMAGED
        assert b"frame 2, record: damaged" in done.stderr
        assert done.stdout == data[: 2 * CHUNK]


def test_plaintext_of_a_refused_frame_never_comes_out(tmp_path):
    # The first frame is honest, the second is not: what a pipe may show is the first alone.
    sealed = media()
    broken = patch(sealed, PAGE + FRAME + 100, bytes([sealed[PAGE + FRAME + 100] ^ 1]))
    source = tmp_path / "broken.sealed"
    source.write_bytes(broken)
    shown = tmp_path / "shown"
    with pytest.raises(DamagedError, match="frame 1: authentication failed"):
        open_through_descriptor(source, shown)
    assert shown.read_bytes() == MEDIA[: len(shown.read_bytes())]
    assert shown.stat().st_size <= PLAIN


def open_through_descriptor(source, shown) -> None:
    from_, to = source.open("rb", buffering=0), shown.open("wb", buffering=0)
    with from_, to:
        open_descriptor(from_.fileno(), to.fileno(), key=KEY, doing=f"opening {source}")
