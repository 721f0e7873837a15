"""The SQLite store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.vault.server.sqlite import SqliteStore
from vault.conformance import Conformance, Open


class TestSqlite(Conformance):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Iterator[Open]:
        opened: list[SqliteStore] = []

        def open_one() -> SqliteStore:
            opened.append(SqliteStore(tmp_path / "vault.db"))
            return opened[-1]

        yield open_one
        for store in opened:
            store.close()
