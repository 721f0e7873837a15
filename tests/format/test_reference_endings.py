"""The reference reader refuses wrong directories, footers, padding, trailers, lengths and roots."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest

from . import forge, tree_reference
from . import header_reference as ref
from . import reference as reading
from .forge import Footer, Record, forged, patch, rehash, seal
from .header_reference import CHUNK, FRAME, HEAD, PAGE, TRAILER
from .refusals import BIG, KEY, SK, SMALL, TEXT, opened, refusal, rejects

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
