"""What somebody without a key can make of a stored file, and how it is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from strongroom import (
    DamagedError,
    open_bytes,
    scrub,
)

from . import forge, reference
from .attacks import (
    DAMAGED,
    KEY,
    MEDIA,
    SECRET,
    UNSUPPORTED,
    WRONG_KEY,
    assert_refused,
    few,
    media,
)
from .forge import patch
from .header_reference import FRAME, PAGE, TAG


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
