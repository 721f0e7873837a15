"""What a vault does with its keys: it seals with the newest, and still knows those before."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Iterable, Sequence
from typing import Final

from strongroom.errors import SourceError
from strongroom.vault.server.keys.source import Source
from strongroom.vault.wire import NO_ID, label

_GENERATION_LEN: Final = 4
TAG_LEN: Final = _GENERATION_LEN + 32
SEALED_MORE: Final = _GENERATION_LEN + 16 + 12 + 16
"""How much longer what is sealed is."""


class Keeper:
    """The keys of one vault, from one source or several: during a move, both. Thread-safe.

    Everything here raises SourceError while a source does not answer.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        """New generations are made in the first source."""
        self._sources = sources
        self._lock = threading.Lock()
        self._found: dict[int, Source] = {}
        self.generation = 0
        """The newest that the store is known to use."""

    @property
    def vault_id(self) -> bytes:
        """16 bytes."""
        return self._sources[0].vault_id

    def describe(self) -> str:
        """Where the keys are, for the operator."""
        return "; ".join(source.describe() for source in self._sources)

    def copyable(self) -> list[str]:
        """Where keys lie that whoever is root on this machine can take."""
        soft = [source for source in self._sources if not source.hardware]
        return [source.describe() for source in soft if source.generations()]

    def use(self, generation: int) -> None:
        """The store uses this one."""
        with self._lock:
            self.generation = max(generation, self.generation)

    def check(self) -> None:
        """Raise SourceError unless the newest keys can be used now."""
        generation = self.generation
        self._source(generation).check(generation)

    def mac(self, name: bytes, data: bytes) -> bytes:
        """32 bytes by the newest keys; names part uses."""
        return self._mac(self.generation, name, data)

    def tag(self, name: bytes, data: bytes, generation: int) -> bytes:
        """TAG_LEN bytes that name the generation, for what is kept."""
        return _packed(generation) + self._mac(generation, name, data)

    def fits(self, name: bytes, data: bytes, tag: bytes) -> bool:
        """Whether the tag is of this data."""
        if len(tag) != TAG_LEN:
            return False
        return hmac.compare_digest(self._mac(generation_of(tag), name, data), tag[_GENERATION_LEN:])

    def seal(self, secret: bytes, context: bytes, record_id: bytes = NO_ID) -> bytes:
        """secret encrypted by the newest keys, SEALED_MORE bytes longer, bound to context; by a key
        of the record's own where the vault is set up so."""
        generation = self.generation
        sealed = self._source(generation).seal(generation, record_id, secret, context)
        return _packed(generation) + sealed

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Raises DamagedError."""
        generation = generation_of(sealed)
        return self._source(generation).unseal(generation, sealed[_GENERATION_LEN:], context)

    def forget(self, record_id: bytes) -> None:
        """Destroy a record's own keys, if it has any."""
        for source in self._sources:
            source.forget(record_id)

    def records(self) -> Iterable[bytes]:
        """The ids of all records that have keys of their own."""
        for source in self._sources:
            yield from source.records()

    def generations(self) -> frozenset[int]:
        """All that there are, looked up anew."""
        with self._lock:
            self._found = {n: source for source in self._sources for n in source.generations()}
            return frozenset(self._found)

    def create(self, generation: int) -> None:
        """New keys, unless there are. Raises TargetError."""
        if generation not in self.generations():
            self._sources[0].create(generation)

    def destroy_before(self, generation: int) -> None:
        """Destroy older keys, wherever they lie. Raises TargetError."""
        for source in self._sources:
            source.destroy_before(generation)
        self.generations()

    def _mac(self, generation: int, name: bytes, data: bytes) -> bytes:
        return self._source(generation).mac(generation, label(name) + data)

    def _source(self, generation: int) -> Source:
        found = self._found.get(generation)
        if found is None:
            self.generations()
            found = self._found.get(generation)
        if found is None:
            raise SourceError(
                f"the vault's keys of generation {generation} are missing: {self.describe()}",
                hint="put them back; the keys that a rotation made belong to each machine",
            )
        return found


def generation_of(kept: bytes) -> int:
    """Which keys a tag or something sealed is from."""
    return int.from_bytes(kept[:_GENERATION_LEN], "big")


def _packed(generation: int) -> bytes:
    return generation.to_bytes(_GENERATION_LEN, "big")
