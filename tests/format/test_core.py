"""The core and the reader written from FORMAT.md alone understand each other."""

from __future__ import annotations

import filecmp
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom import (
    KdfParameters,
    Password,
    RootKey,
    open_bytes,
    open_file,
    scrub,
    seal_bytes,
    seal_file,
)

from . import forge, header_reference, reference
from .header_reference import CHUNK, PLAIN

SECRET = bytes(range(32))
KEY = RootKey(SECRET)
WORDS = "correct horse battery staple"
PASSWORD = Password(WORDS, kdf=KdfParameters(65536, 3, 1))

LENGTHS = [0, 1, 47, 48, 4000, 65536, CHUNK - 1, CHUNK, CHUNK + 1, PLAIN, 2 * CHUNK, 2 * CHUNK + 1]


def noise(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def text(length: int) -> bytes:
    lines = (f"{i} sheep, {i * i % 977} of them asleep\n" for i in range(length // 16 + 1))
    return "".join(lines).encode()[:length]


def mixed(length: int) -> bytes:
    """Chunks that compress and chunks that do not, in turn, so that records lose alignment."""
    parts = []
    for index, at in enumerate(range(0, length, CHUNK)):
        parts.append((noise if index % 2 else text)(min(CHUNK, length - at)))
    return b"".join(parts)


@pytest.mark.parametrize("pad", [True, False], ids=["padded", "unpadded"])
@pytest.mark.parametrize("make", [noise, text, mixed])
@pytest.mark.parametrize("length", LENGTHS)
def test_reference_opens_what_the_core_seals(length, make, pad):
    data = make(length)
    sealed = seal_bytes(data, key=KEY, pad=pad)
    assert reference.open_sealed(sealed, root_key=SECRET) == data


@pytest.mark.parametrize("pad", [True, False], ids=["padded", "unpadded"])
@pytest.mark.parametrize("zstd", [forge.never, forge.always, lambda chunk: chunk % 2 == 1])
@pytest.mark.parametrize("length", LENGTHS)
def test_core_opens_what_the_reference_writer_seals(length, zstd, pad):
    data = text(length)
    sealed = forge.seal(data, root_key=SECRET, zstd=zstd, pad=pad)
    assert open_bytes(sealed, key=KEY) == data


@pytest.mark.parametrize("make", [noise, text, mixed])
def test_long_streams_agree(make):
    data = make(9 * CHUNK + 12345)
    sealed = seal_bytes(data, key=KEY)
    assert reference.open_sealed(sealed, root_key=SECRET) == data
    assert open_bytes(forge.seal(data, root_key=SECRET, zstd=forge.always), key=KEY) == data


def test_a_directory_head_across_a_frame_boundary_is_read(tmp_path):
    # 500 entries, the footer and 16 bytes of the head fill a last frame of 4096 bytes; what
    # stands before is made to fill one frame. Zeros cost almost nothing to store.
    chunks, crossing = 499, 16
    record = len(seal_bytes_records(bytes(2 * CHUNK))[0].pack())
    needed = PLAIN - (48 - crossing)  # records, end record, padding
    noise_len = needed - chunks * record - 48 - 48 - 100
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.truncate(chunks * CHUNK)
        file.seek(0, 2)
        file.write(noise(noise_len))
    sealed, opened = tmp_path / "sealed", tmp_path / "opened"
    assert seal_file(source, sealed, key=KEY, pad=False).frames == 2
    stored = sealed.read_bytes()
    assert len(stored) == 4096 + 2**20 + 4096 + 4160
    open_file(sealed, opened, key=KEY)
    assert filecmp.cmp(source, opened, shallow=False)
    assert reference.open_sealed(stored, root_key=SECRET) == source.read_bytes()


def seal_bytes_records(data: bytes) -> list[forge.Record]:
    """The records as the core's zstd makes them."""
    plan = forge.Plan(data, root_key=SECRET)
    stored = seal_bytes(data, key=KEY)
    header = header_reference.parse_header(stored[:4096])
    keys = header_reference.segment_keys(header_reference.unwrap(header, SECRET, None), header.raw)
    plain = reference.open_frame(keys, 0, True, reference.split_frames(stored)[0])
    head = header_reference.RECORD_HEAD.unpack_from(plain)
    return [replace(forge.Stream(plan).records()[0], data=plain[48 : 48 + head[3]])]


def test_both_compute_the_same_root(tmp_path):
    source, sealed = tmp_path / "film", tmp_path / "film.sealed"
    source.write_bytes(noise(3 * CHUNK))
    root = seal_file(source, sealed, key=KEY).root
    assert reference.segment_root(sealed.read_bytes()) == root
    assert scrub(sealed).root == root


def test_passwords_agree_both_ways():
    sealed = seal_bytes(b"letters", key=PASSWORD)
    assert reference.open_sealed(sealed, password=WORDS) == b"letters"
    forged = forge.seal(b"letters", password=WORDS)
    assert open_bytes(forged, key=PASSWORD) == b"letters"


def test_a_file_for_key_and_password_opens_with_either():
    both = forge.seal(b"for two", root_key=SECRET, password=WORDS)
    assert open_bytes(both, key=KEY) == b"for two"
    assert open_bytes(both, key=PASSWORD) == b"for two"


def test_any_amount_of_zero_padding_is_read():
    padded = forge.forged(b"x", root_key=SECRET, padding=lambda zeros: zeros + bytes(3 * PLAIN))
    assert reference.open_sealed(padded, root_key=SECRET) == b"x"
    assert open_bytes(padded, key=KEY) == b"x"


def test_the_same_input_sealed_twice_shares_nothing():
    first, second = (seal_bytes(b"same", key=KEY) for _ in range(2))
    for at in range(16, len(first) - 64, 32):
        piece = first[at : at + 32]
        assert piece != second[at : at + 32] or piece == bytes(32)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_mixture_of_chunks_agrees(data):
    kinds = data.draw(st.lists(st.sampled_from([noise, text, bytes]), max_size=4))
    tail = data.draw(st.integers(0, CHUNK - 1))
    plain = b"".join(kind(CHUNK) for kind in kinds) + text(tail)
    level = data.draw(st.sampled_from([0, 1, 3]))
    sealed = seal_bytes(plain, key=KEY, level=level, pad=data.draw(st.booleans()))
    assert open_bytes(sealed, key=KEY) == plain
    assert reference.open_sealed(sealed, root_key=SECRET) == plain
