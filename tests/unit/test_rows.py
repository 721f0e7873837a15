"""Rows lie in memory as the core has them, and numpy sees the same ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strongroom._native import ffi

from strongroom._core.index import LOCATION
from strongroom._core.rows import Layout, as_ids, each_id
from strongroom._core.segments import CHUNK_ENTRY, SEGMENT_STATUS, WANT, Want
from strongroom._core.session import FILE_RESULT

LAYOUTS = {
    "srm_location": LOCATION,
    "srm_want": WANT,
    "srm_segment_status": SEGMENT_STATUS,
    "srm_chunk_entry": CHUNK_ENTRY,
    "srm_file_result": FILE_RESULT,
}
TWO = [Want(bytes([n]) * 32, 1 + n, 2, 1 << 40, 3, -4, -5, 6) for n in (7, 8)]


@pytest.mark.parametrize("name", LAYOUTS)
def test_rows_have_the_layout_of_the_core(name: str) -> None:
    layout: Layout[Any] = LAYOUTS[name]
    theirs = ffi.typeof(name)
    assert layout.struct.size == layout.dtype.itemsize == ffi.sizeof(theirs)
    fields = {field: (at.offset, ffi.sizeof(at.type)) for field, at in theirs.fields}
    dtype = layout.dtype
    assert dtype.fields is not None
    ours = [(at[1], at[0].itemsize) for at in dtype.fields.values()]
    assert ours == list(fields.values())
    numbers = [
        (at.type, dtype[i]) for i, (_, at) in enumerate(theirs.fields) if dtype[i].kind != "V"
    ]
    for type_, kind in numbers:
        assert (kind.kind == "i") == (ffi.cast(type_, -1) < ffi.cast(type_, 0))


def test_the_core_and_python_fill_the_same_rows() -> None:
    rows = WANT.rows(TWO)
    assert list(rows) == TWO
    assert (len(rows), rows[1], rows[-2]) == (2, TWO[1], TWO[0])
    with ffi.from_buffer("srm_want[]", rows.memory) as core:
        assert (core[1].raw_len, core[1].off, core[1].place) == (9, 1 << 40, -5)
        core[0].status = 13
    assert rows[0].status == 13
    with pytest.raises(IndexError):
        rows[2]
    assert list(rows.first(1)) == [rows[0]]
    assert list(WANT.zeros(1)) == [Want(bytes(32), 0, 0, 0)]


def test_a_column_is_the_same_memory_without_numpy() -> None:
    rows = WANT.rows(TWO)
    for name in ("raw_len", "off", "place"):
        assert list(rows.column(name)) == [getattr(row, name) for row in rows]
    rows.column("status")[1] = 7
    assert [row.status for row in rows] == [-4, 7]
    assert list(WANT.zeros(0).column("off")) == []


def test_numpy_sees_the_same_memory() -> None:
    rows = WANT.rows(TWO)
    rows.array["file"] = [5, 6]
    assert [row.file for row in rows] == [5, 6]
    assert rows.array["id"].tolist() == [list(row.id) for row in TWO]
    assert np.zeros(3, WANT).dtype == rows.array.dtype
    assert len(WANT.zeros(0).array) == 0


def test_ids_lie_one_after_another() -> None:
    joined = b"".join(row.id for row in TWO)
    assert each_id(joined) == [row.id for row in TWO]
    assert as_ids(joined).tolist() == [list(row.id) for row in TWO]
    assert (each_id(b""), as_ids(b"").shape) == ([], (0, 32))
