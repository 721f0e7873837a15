"""Is it the key that is wrong, or the repository that is damaged?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from strongroom.keys.rootkey import DIGIT_COUNT, GROUP_LEN, RootKey
from strongroom.repository.config import Config

_DIGITS = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Mistyping:
    """What was typed for what."""

    groups: tuple[int, ...]
    """Counted from 1: the groups of four digits that are wrong, one or two neighbours."""
    right: tuple[str, ...]
    """What they should be."""


def find_mistyping(config: Config, root: RootKey) -> Mistyping | None:
    """The one digit, or the two swapped neighbours, that make a key wrong for a repository.

    About a thousand tries, each an HKDF and an HMAC, against the config's check value: that a
    second one fits does not happen.
    """
    typed = root.to_digits().replace(" ", "")
    for digits in _neighbours(typed):
        if config.belongs_to(RootKey(bytes.fromhex(digits))):
            return _mistyping(typed, digits)
    return None


def _neighbours(typed: str) -> Iterator[str]:
    for place in range(DIGIT_COUNT - 1):
        if typed[place] != typed[place + 1]:
            yield typed[:place] + typed[place + 1] + typed[place] + typed[place + 2 :]
    for place in range(DIGIT_COUNT):
        for digit in _DIGITS:
            if digit != typed[place]:
                yield typed[:place] + digit + typed[place + 1 :]


def _mistyping(typed: str, right: str) -> Mistyping:
    wrong = [
        at
        for at in range(0, DIGIT_COUNT, GROUP_LEN)
        if typed[at : at + GROUP_LEN] != right[at : at + GROUP_LEN]
    ]
    return Mistyping(
        tuple(at // GROUP_LEN + 1 for at in wrong),
        tuple(right[at : at + GROUP_LEN] for at in wrong),
    )
