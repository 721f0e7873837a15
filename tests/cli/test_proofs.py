"""prove and verify-proof, and reading a part."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from format import reference, tree_reference
from program import Program, unblocking_pipe
from strongroom import (
    DamagedError,
    RootKey,
    StrongroomError,
    UsageError,
    prove,
    scrub,
    seal_bytes,
    verify_proof,
)

KEY = ("--key-file", "my.key")
CHUNK, FRAME = 2**20 - 64, 2**20


@pytest.fixture
def film(tmp_path: Path, key: RootKey, noise: bytes) -> Path:
    """Seven frames, the last one short."""
    path = tmp_path / "film.sealed"
    path.write_bytes(seal_bytes((noise * 2)[: 6 * CHUNK + 999], key=key))
    return path


def test_every_frame_can_be_proven(film: Path) -> None:
    root = scrub(film).root
    stored = film.read_bytes()
    frames = reference.split_frames(stored)
    assert len(frames) == 7
    hashes = tree_reference.leaves(stored[:4096], frames)
    for number, frame in enumerate(frames):
        made = prove(film, frame=number)
        assert made.root == root
        assert made.frame == frame
        assert made.proof[80:] == b"".join(tree_reference.audit_path(hashes, number))
        verify_proof(made.proof, root=root, frame=frame)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9])
def test_proofs_fit_trees_of_any_shape(
    count: int, tmp_path: Path, key: RootKey, noise: bytes
) -> None:
    data = (noise * 4)[: (count - 1) * CHUNK + 5]
    (tmp_path / "s").write_bytes(seal_bytes(data, key=key, pad=False))
    for number in range(count):
        made = prove(tmp_path / "s", frame=number, threads=1 + number % 3)
        verify_proof(made.proof, root=scrub(tmp_path / "s").root, frame=made.frame)


def refused(proof: bytes, root: bytes, frame: bytes) -> int:
    with pytest.raises(StrongroomError) as refusal:
        verify_proof(proof, root=root, frame=frame)
    return refusal.value.exit_code


def test_every_flipped_bit_of_a_proof_is_noticed(film: Path) -> None:
    made = prove(film, frame=2)
    for at in range(len(made.proof)):
        for bit in (1, 0x80):
            lie = bytearray(made.proof)
            lie[at] ^= bit
            code = refused(bytes(lie), made.root, made.frame)
            assert code == (14 if at in (8, 9) else 13), at


def test_a_proof_holds_for_its_frame_and_root_alone(
    film: Path, tmp_path: Path, key: RootKey, noise: bytes
) -> None:
    made, other = prove(film, frame=2), prove(film, frame=3)
    assert refused(made.proof, made.root, other.frame) == 13
    assert refused(other.proof, made.root, made.frame) == 13
    assert refused(made.proof, hashlib.sha256(b"").digest(), made.frame) == 13
    assert refused(made.proof, made.root, made.frame[:-1]) == 13
    assert refused(made.proof, made.root, made.frame + b"\0") == 13
    assert refused(made.proof, made.root, b"") == 13
    (tmp_path / "twin").write_bytes(seal_bytes((noise * 2)[: 6 * CHUNK + 999], key=key))
    twin = prove(tmp_path / "twin", frame=2)
    assert refused(twin.proof, made.root, made.frame) == 13


def test_proofs_of_the_wrong_length_are_refused(film: Path) -> None:
    made = prove(film, frame=2)
    for proof in (b"", made.proof[:79], made.proof[:-1], made.proof[:-32], made.proof + bytes(32)):
        assert refused(proof, made.root, made.frame) == 13
    steps = (len(made.proof) - 80) // 32
    for change in (-1, 1):
        lie = made.proof[:20] + (steps + change).to_bytes(4) + made.proof[24:]
        lie = lie[:-32] if change < 0 else lie + bytes(32)
        assert refused(lie, made.root, made.frame) == 13


def test_a_node_does_not_pass_for_a_leaf(film: Path) -> None:
    # A path that begins one level up, for a "frame" that is two hashes: RFC 6962 tells leaves
    # from nodes by their first byte, and a frame has a length of its own besides.
    made = prove(film, frame=2)
    stored = film.read_bytes()
    hashes = tree_reference.leaves(stored[:4096], reference.split_frames(stored))
    node = hashes[2] + hashes[3]
    lie = made.proof[:20] + (2).to_bytes(4) + (1).to_bytes(8) + made.proof[32:80]
    lie += made.proof[112:]
    assert refused(lie, made.root, node) == 13


def test_the_size_of_the_tree_is_part_of_the_root(film: Path) -> None:
    made = prove(film, frame=0)
    for count in (4, 5, 6, 8):
        lie = made.proof[:12] + count.to_bytes(4) + made.proof[16:]
        assert refused(lie, made.root, made.frame) == 13


def test_a_damaged_file_is_not_proven(film: Path) -> None:
    broken = bytearray(film.read_bytes())
    broken[2_000_000] ^= 1
    film.write_bytes(broken)
    with pytest.raises(DamagedError):
        prove(film, frame=0)


@pytest.mark.parametrize("length", [0, 100, 4096, 8256])
def test_a_file_cut_to_nothing_is_damaged(film: Path, length: int) -> None:
    film.write_bytes(film.read_bytes()[:length])
    with pytest.raises(DamagedError):
        prove(film, frame=0)


def test_a_frame_that_is_not_there_cannot_be_proven(film: Path) -> None:
    for frame in (7, 2**24, -1):
        with pytest.raises(UsageError, match="frames 0 to 6"):
            prove(film, frame=frame)


def test_the_command_line_proves_and_verifies(program: Program, film: Path) -> None:
    run = program("prove", film, "--frame", 6, "-o", "6.proof", "--frame-file", "6.frame", "--json")
    (made,) = run.lines
    check = ("verify-proof", "--frame-file", "6.frame", "6.proof")
    run = program(*check, "--root", made["root"], "--json")
    assert run.lines[0]["state"] == "matches"
    other = "0" * 64
    run = program(*check, "--root", other, code=13)
    assert "does not lead" in run.err
    program(*check, "--root", "abc", code=2)
    program("prove", film, "--frame", 7, "-o", "7.proof", code=2)
    assert "exists" in program("prove", film, "--frame", 0, "-o", "6.proof", code=1).err
    assert (
        "No such file"
        in program("verify-proof", "--root", other, "--frame-file", "x", "y", code=1).err
    )


def test_a_proof_replaces_neither_its_file_nor_the_frame(program: Program, film: Path) -> None:
    before = film.read_bytes()
    make = ("prove", film, "--frame", 0, "--force")
    for outputs in (("-o", film), ("-o", "p", "--frame-file", film)):
        assert "output and input are the same file" in program(*make, *outputs, code=2).err
    (program.folder / "link").symlink_to("q")
    program(*make, "-o", "q", "--frame-file", "link", code=2)
    assert film.read_bytes() == before
    assert not (program.folder / "q").exists()


def test_a_part_does_not_go_into_its_own_file(program: Program, film: Path) -> None:
    before = film.read_bytes()
    with film.open("ab") as target:
        program("open", *KEY, film, "--length", 9, "-o", "-", code=2, stdout=target)
    assert film.read_bytes() == before


def test_a_part_waits_for_who_reads_it(program: Program, film: Path, noise: bytes) -> None:
    with unblocking_pipe() as (theirs, read):
        program("open", *KEY, film, "--length", 300_000, "-o", "-", stdout=theirs)
    assert read.result() == noise[:300_000]


def test_a_part_is_opened_alone(program: Program, film: Path, key: RootKey, noise: bytes) -> None:
    data = (noise * 2)[: 6 * CHUNK + 999]
    for offset, length in ((0, 10), (CHUNK - 5, 10), (5 * CHUNK, 3 * FRAME), (2**40, 5), (7, 0)):
        where = ("--offset", offset, "--length", length)
        run = program("open", *KEY, film, *where, "-o", "-")
        assert run.out == data[offset : offset + length]
    run = program("open", *KEY, film, "--offset", 6 * CHUNK, "-o", "end", "--json")
    assert json.loads(run.out)["raw_bytes"] == 999
    assert (program.folder / "end").read_bytes() == data[6 * CHUNK :]
    program("open", *KEY, film, "--length", 3, "-o", "end", code=1)
    program("open", *KEY, "-", "--length", 3, "-o", "x", data=film.read_bytes(), code=2)
