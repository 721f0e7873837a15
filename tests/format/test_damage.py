"""What somebody without keys does to a repository, both readers refuse, and alike."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from .forge import patch
from .forge_repository import lie
from .judges import both

NAMES = list(lie())


@pytest.mark.parametrize("name", NAMES)
def test_both_refuse_flipped_bits(name: str, tmp_path: Path) -> None:
    honest, rng = lie(), random.Random(name)
    content = honest[name]
    places = sorted({*range(0, 16, 3), *(rng.randrange(len(content)) for _ in range(12))})
    for n, place in enumerate(places):
        flipped = patch(content, place, bytes([content[place] ^ 1 << rng.randrange(8)]))
        assert both(honest | {name: flipped}, tmp_path / str(n)) == 13


@pytest.mark.parametrize("name", NAMES)
def test_both_refuse_other_lengths(name: str, tmp_path: Path) -> None:
    honest = lie()
    content = honest[name]
    others = [b"", content[:8], content[:-1], content[:4096], content[:-4096], content + b"\0"]
    for n, other in enumerate({*others, content + bytes(4096)} - {content}):
        assert both(honest | {name: other}, tmp_path / str(n)) == 13


def test_both_refuse_objects_in_each_others_places(tmp_path: Path) -> None:
    honest = lie()
    for n, name in enumerate(NAMES):
        for m, other in enumerate(NAMES):
            if n != m:
                swapped = honest | {name: honest[other]}
                assert both(swapped, tmp_path / f"{n} {m}") == 13


def test_both_refuse_an_older_segment_of_the_same_session(tmp_path: Path) -> None:
    honest, name = lie(), NAMES[1]
    older = lie(records=lambda all_: [all_[0], *all_])[name]
    assert both(honest | {name: older}, tmp_path) == 13
