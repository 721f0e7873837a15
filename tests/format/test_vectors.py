"""The worked example of FORMAT.md, computed again; and files sealed once, opened for ever."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from strongroom import Password, RootKey, open_bytes, scrub

from . import forge, header_reference, reference, tree_reference

HERE = Path(__file__).parent
FORMAT = HERE.parent.parent / "docs/FORMAT.md"
GOLDEN = HERE / "golden"

ROOT_KEY = bytes(range(0x20))
PLAN = forge.Plan(
    b"abc",
    root_key=ROOT_KEY,
    pad=False,
    sk=bytes(range(0x20, 0x40)),
    repo_id=bytes(range(0x40, 0x60)),
    session_id=bytes(range(0x60, 0x70)),
    salt=bytes(range(0x80, 0xA0)),
)


def example() -> dict[str, bytes]:
    """Every intermediate value that the example names."""
    stream = forge.Stream(PLAN)
    keys, header = stream.keys, stream.header
    (frame,) = stream.frames()
    leaf = tree_reference.leaf(header, 0, True, frame)
    return {
        "RK": ROOT_KEY,
        "SK": PLAN.sk,
        "repo_id": PLAN.repo_id,
        "session_id": PLAN.session_id,
        "salt": PLAN.salt,
        "K_wrap": header_reference.wrap_key(ROOT_KEY, PLAN.repo_id),
        "owner envelope": header[160:276],
        "key": keys.key,
        "base_nonce": keys.base_nonce,
        "commitment": keys.commitment,
        "record_tag": keys.record_tag,
        "header_key": keys.header_key,
        "header MAC": header[128:160],
        "header digest": header[4064:],
        "frame 0, nonce": reference.frame_nonce(keys, 0, True),
        "frame 0, aad": reference.frame_aad(header_reference.STREAM, 0, True, 4096),
        "frame 0, first 64": frame[:64],
        "frame 0, tag": frame[-16:],
        "leaf_0": leaf,
        "segment_root": tree_reference.root_of(header, [frame]),
        "whole segment, SHA-256": header_reference.sha256(stream.assemble()),
    }


def published() -> dict[str, bytes]:
    appendix = FORMAT.read_text().split("## Appendix")[1].split("## Errata")[0]
    rows = re.findall(r"^\| (.+?) \| `([0-9a-f ]+)` \|$", appendix, re.MULTILINE)
    return {name: bytes.fromhex(digits) for name, digits in rows}


def test_the_worked_example_of_the_format_is_right():
    assert published() == example()


def test_the_core_opens_the_worked_example(tmp_path):
    stored = forge.Stream(PLAN).assemble()
    assert open_bytes(stored, key=RootKey(ROOT_KEY)) == b"abc"
    (tmp_path / "example").write_bytes(stored)
    assert scrub(tmp_path / "example").root == example()["segment_root"]


GOLDEN_WORDS = "correct horse battery staple"
GOLDEN_FILES = {
    "empty": b"",
    "abc": b"abc",
    "text": b"".join(b"%d bottles\n" % n for n in range(50_000)),
    "unpadded": b"abc" * 1000,
    "password": b"opened with a password",
}


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_golden_files_still_open(name, tmp_path):
    path = GOLDEN / f"{name}.sealed"
    stored = path.read_bytes()
    by_password = name == "password"
    key = Password(GOLDEN_WORDS) if by_password else RootKey(ROOT_KEY)
    secret = {"password": GOLDEN_WORDS} if by_password else {"root_key": ROOT_KEY}
    assert open_bytes(stored, key=key) == GOLDEN_FILES[name]
    assert reference.open_sealed(stored, **secret) == GOLDEN_FILES[name]
    assert scrub(path).root.hex() == (GOLDEN / "roots.txt").read_text().split(f"{name} ")[1][:64]
