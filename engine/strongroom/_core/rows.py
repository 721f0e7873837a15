"""Rows that the core reads and fills in, as Python and as numpy see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct, calcsize
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray
    from typing_extensions import Buffer

Memory: TypeAlias = "Buffer | NDArray[Any]"
Ids: TypeAlias = "Buffer | NDArray[np.uint8]"
"""Of chunks, one after another: n times 32 bytes, or (n, 32)."""

ID_LEN = 32
_KINDS = {"i": "i4", "I": "u4", "q": "i8", "Q": "u8", f"{ID_LEN}s": f"({ID_LEN},)u1"}

Row = TypeVar("Row", bound=NamedTuple)


class Layout(Generic[Row]):
    """How a row lies in memory: a struct of the core without gaps. Also a numpy data type: what
    takes a dtype takes it."""

    def __init__(self, row: type[Row], codes: str) -> None:
        """codes: of the struct module, one for each field, with spaces between."""
        self.row = row
        self.struct = Struct("=" + codes)
        self._kinds = [_KINDS[code] for code in codes.split()]
        self.fields = {
            name: (code, sum(map(calcsize, codes.split()[:number])))
            for number, (name, code) in enumerate(zip(row._fields, codes.split(), strict=True))
        }
        """Code and offset of each."""

    @property
    def dtype(self) -> np.dtype[np.void]:
        """Of a structured array. Loads numpy."""
        import numpy as np

        return np.dtype(list(zip(self.row._fields, self._kinds, strict=True)))

    def zeros(self, count: int) -> Rows[Row]:
        """As many rows of zeros, for the core to fill in."""
        return Rows(self, bytearray(count * self.struct.size))

    def rows(self, items: Iterable[tuple[object, ...]]) -> Rows[Row]:
        """These, which may be plain tuples: to make very many of the others takes a while."""
        pack = self.struct.pack
        return Rows(self, bytearray().join([pack(*item) for item in items]))


class Rows(Generic[Row]):
    """Rows in memory, which the core works on too; each is read anew when it is asked for."""

    def __init__(self, layout: Layout[Row], memory: bytearray) -> None:
        self.layout = layout
        self.memory = memory

    @property
    def array(self) -> NDArray[np.void]:
        """A structured array of the same memory, not a copy. Loads numpy."""
        return as_array(self.memory, self.layout.dtype)

    def column(self, name: str) -> memoryview:
        """One field of all rows, which is an integer; the same memory, not a copy."""
        (code, at), length = self.layout.fields[name], self.layout.struct.size
        size = calcsize(code)
        return memoryview(self.memory).cast(cast("Any", code))[at // size :: length // size]

    def first(self, count: int) -> Rows[Row]:
        """A copy of so many."""
        return Rows(self.layout, self.memory[: count * self.layout.struct.size])

    def __len__(self) -> int:
        return len(self.memory) // self.layout.struct.size

    def __iter__(self) -> Iterator[Row]:
        return map(self.layout.row._make, self.layout.struct.iter_unpack(self.memory))

    def __getitem__(self, at: int) -> Row:
        struct = self.layout.struct
        start = range(len(self))[at] * struct.size
        return self.layout.row._make(struct.unpack_from(self.memory, start))


def view_of(memory: Memory) -> memoryview:
    """Of any buffer; numpy's types do not say that arrays are one."""
    return memoryview(cast("Buffer", memory))


def as_array(memory: Memory, dtype: DTypeLike) -> NDArray[Any]:
    """What lies in memory as an array of it, not a copy. Loads numpy."""
    # Takes as long to load as backing up 100 MB does: for those who look at very many rows.
    import numpy as np

    array: NDArray[Any] = np.frombuffer(view_of(memory), dtype)
    return array


def as_ids(joined: Buffer) -> NDArray[np.uint8]:
    """(n, 32) of ids that lie one after another, not a copy. Loads numpy."""
    return as_array(joined, "u1").reshape(-1, ID_LEN)


def each_id(joined: bytes) -> list[bytes]:
    """Ids that lie one after another."""
    return [joined[at : at + ID_LEN] for at in range(0, len(joined), ID_LEN)]
