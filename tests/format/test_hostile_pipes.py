"""What comes out of a pipe before damage is met, and what never does."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom import (
    DamagedError,
)
from strongroom.ops.open import open_descriptor

from . import header_reference
from .attacks import (
    DAMAGED,
    KEY,
    MEDIA,
    SECRET,
    media,
)
from .forge import forged, patch
from .header_reference import CHUNK, FRAME, PAGE, PLAIN

STRONGROOM = Path(sys.executable).with_name("strongroom")


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_pipe_gets_all_before_a_chunk_that_does_not_open(threads, tmp_path):
    # Chunk 2 is authentic but no zstd; frames behind it are damaged too, and may be met earlier.
    garbage = b"\x28\xb5\x2f\xfd" + b"\xff" * 300_000
    data = random.Random(9).randbytes(6 * CHUNK)
    sealed = forged(
        data,
        root_key=SECRET,
        records=lambda r: [
            replace(x, codec=header_reference.ZSTD, data=garbage) if i == 2 else x
            for i, x in enumerate(r)
        ],
    )
    spoilt = PAGE + 4 * FRAME + 100
    source = tmp_path / "hostile.sealed"
    source.write_bytes(patch(sealed, spoilt, bytes([sealed[spoilt] ^ 1])))
    for _ in range(10):
        command = [STRONGROOM, "open", "--threads", str(threads), "--key-file", "/dev/fd/0"]
        done = subprocess.run(
            [*command, source, "-o", "-"],
            input=KEY.to_digits().encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == DAMAGED
        assert b"frame 2, record: damaged" in done.stderr
        assert done.stdout == data[: 2 * CHUNK]


def test_plaintext_of_a_refused_frame_never_comes_out(tmp_path):
    # The first frame is honest, the second is not: what a pipe may show is the first alone.
    sealed = media()
    broken = patch(sealed, PAGE + FRAME + 100, bytes([sealed[PAGE + FRAME + 100] ^ 1]))
    source = tmp_path / "broken.sealed"
    source.write_bytes(broken)
    shown = tmp_path / "shown"
    with pytest.raises(DamagedError, match="frame 1: authentication failed"):
        open_through_descriptor(source, shown)
    assert shown.read_bytes() == MEDIA[: len(shown.read_bytes())]
    assert shown.stat().st_size <= PLAIN


def open_through_descriptor(source, shown) -> None:
    from_, to = source.open("rb", buffering=0), shown.open("wb", buffering=0)
    with from_, to:
        open_descriptor(from_.fileno(), to.fileno(), key=KEY, doing=f"opening {source}")
