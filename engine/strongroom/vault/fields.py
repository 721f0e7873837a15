"""Records of fixed fields, to and from bytes."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any, ClassVar, TypeVar

_T = TypeVar("_T", bound="Fields")


class Fields:
    """A frozen dataclass whose fields are packed in order by LAYOUT, big-endian, no padding."""

    __slots__ = ()
    LAYOUT: ClassVar[struct.Struct]

    def pack(self) -> bytes:
        """As bytes. Raises ValueError where a field does not have its length."""
        values = [getattr(self, name) for name in _names(type(self))]
        packed = self.LAYOUT.pack(*values)
        if list(self.LAYOUT.unpack(packed)) != values:
            raise ValueError(f"{type(self).__name__}: a field has another length")
        return packed

    @classmethod
    def unpack(cls: type[_T], data: bytes) -> _T:
        """From exactly as many bytes. Raises ValueError."""
        if len(data) != cls.LAYOUT.size:
            raise ValueError(f"{cls.__name__} has {cls.LAYOUT.size} bytes, not {len(data)}")
        return cls(*cls.LAYOUT.unpack(data))


def _names(cls: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]
