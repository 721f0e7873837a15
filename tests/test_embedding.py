"""The Python examples of docs/EMBEDDING.md run as printed, in order, and succeed."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "EMBEDDING.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_every_example_works(tmp_path):
    assert len(BLOCKS) >= 7
    (tmp_path / "films").mkdir()
    for number in range(3):
        film = b"\x1a\x45\xdf\xa3" + random.Random(number).randbytes(1_500_000)
        (tmp_path / "films" / f"{number}.mkv").write_bytes(film)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(BLOCKS)],
        cwd=tmp_path,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3 files are back below again/films" in done.stdout
    assert "this key belongs to another repository" in done.stdout
    restored = (tmp_path / "again" / "films" / "1.mkv").read_bytes()
    assert restored == (tmp_path / "films" / "1.mkv").read_bytes()


def test_every_file_it_links_to_exists():
    for link in re.findall(r"\]\((?!http)([^)#]+)", TEXT):
        assert (ROOT / "docs" / link).exists(), link
