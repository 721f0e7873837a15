"""Wrong keys and passwords, costly ones, and frames that open under two keys."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from strongroom import (
    Password,
    RootKey,
    StrongroomError,
    open_bytes,
)

from . import forge, header_reference, reference
from .attacks import (
    DAMAGED,
    FEW,
    SECRET,
    UNSUPPORTED,
    WORDS,
    WRONG_KEY,
    assert_refused,
    media,
)
from .forge import forged, patch
from .header_reference import PAGE

OTHER = RootKey(bytes(32))


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
