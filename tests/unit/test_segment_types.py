"""Sealed files are streams; what else is a segment belongs to a repository."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from strongroom import Opener, RootKey, _core, inspect_file, open_bytes, scrub
from strongroom.errors import DamagedError, UnsupportedError
from strongroom.keys.envelope import Session, seal_envelope

KEY = RootKey(bytes(range(32)))


def manifest(plaintext):
    session = Session.fresh()
    options = _core.SealOptions(
        repo_id=session.repo_id,
        session_id=session.session_id,
        session_key=bytes(32),
        envelopes=seal_envelope(KEY, session, bytes(32)),
        level=1,
        pad=True,
        kind=_core.TYPE_MANIFEST,
    )
    target = bytearray(1 << 20)
    result = _core.seal(options, plaintext, target, doing="sealing")
    return bytes(target[: result.stored_bytes])


def test_a_manifest_is_not_opened_as_a_sealed_file(tmp_path):
    path = tmp_path / "manifest"
    sealed = manifest(b"what was backed up")
    path.write_bytes(sealed)
    with pytest.raises(UnsupportedError, match="part of a repository"):
        open_bytes(sealed, key=KEY)
    with pytest.raises(UnsupportedError, match="part of a repository"):
        Opener(path, key=KEY)
    assert scrub(path).root == inspect_file(path).root


def test_the_key_in_options_is_not_shown():
    options = _core.SealOptions(
        repo_id=bytes(32),
        session_id=bytes(16),
        session_key=b"k" * 32,
        envelopes=b"",
        level=1,
        pad=True,
    )
    assert repr(options) == str(options) == "SealOptions(hidden)"
    assert not isinstance(options, Iterable)  # reporters of errors list what they can


def test_the_core_opens_a_manifest_and_says_that_it_is_one():
    sealed = manifest(b"what was backed up")
    header = _core.parse_header(sealed[: _core.HEADER_LEN], doing="reading")
    target = bytearray(100)
    rest = sealed[_core.HEADER_LEN :]
    result = _core.open_stream(header, bytes(32), rest, target, doing="opening")
    assert header.type == _core.TYPE_MANIFEST
    assert target[: result.raw_bytes] == b"what was backed up"


def test_a_manifest_relabelled_as_a_stream_does_not_open():
    sealed = bytearray(manifest(b"what was backed up"))
    sealed[12] = _core.TYPE_STREAM
    sealed[4064:4096] = hashlib.sha256(sealed[:4064]).digest()
    with pytest.raises(DamagedError):
        open_bytes(sealed, key=KEY)
