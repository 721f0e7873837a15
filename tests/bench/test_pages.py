"""Pages that fresh files are written to stay with the machine while programs are measured."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import pytest

from bench import pages
from bench.corpora import MIB

ANONYMOUS = re.compile(r"/dev/zero \(deleted\)\n.*?^Rss: +(\d+) kB$", re.DOTALL | re.MULTILINE)


def _shared() -> int:
    """Bytes of shared memory without a name that this process has in use."""
    maps = Path("/proc/self/smaps").read_text("utf-8")
    return sum(int(kib) * 1024 for kib in ANONYMOUS.findall(maps))


def test_one_page_of_each_mebibyte_is_held_and_let_go_afterwards() -> None:
    before = _shared()
    with pages.kept(16 * MIB) as kept:
        assert kept
        held = _shared() - before
    assert held == pages.OUTPUTS * 16 * mmap.PAGESIZE
    assert _shared() == before


def test_where_memory_is_too_little_nothing_is_held_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = _shared()
    with pages.kept(1 << 50) as kept:
        assert not kept
        assert _shared() == before
    assert "too little memory" in capsys.readouterr().err


def test_warming_leaves_nothing_behind(tmp_path: Path) -> None:
    pages.warm(tmp_path, 3 * MIB)
    assert list(tmp_path.iterdir()) == []
