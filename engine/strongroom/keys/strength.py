"""How long a password would withstand guessing: zxcvbn (Wheeler, USENIX Security 2016)."""

from __future__ import annotations

from typing import Final

from zxcvbn import zxcvbn

from strongroom.errors import UsageError
from strongroom.keys.password import Password

LENGTH_MIN: Final = 8
SCORE_MIN: Final = 3
"""Of 0 to 4: more than 10^8 guesses, each of which Argon2id makes cost half a second."""

# zxcvbn takes time that grows faster than the length, and looks at no more than this.
_JUDGED = 72


def check_strength(password: Password) -> None:
    """Raise UsageError for a password too short or too easy to guess for a repository, whose
    slots can be attacked offline."""
    text = password.to_text()
    if len(text) < LENGTH_MIN:
        raise UsageError(
            f"the password has {len(text)} characters; a repository's has at least {LENGTH_MIN}",
            hint="four random words are easy to keep in mind and hard to guess",
        )
    verdict = zxcvbn(text[:_JUDGED])
    if verdict["score"] < SCORE_MIN:
        feedback = verdict["feedback"]
        advice = [feedback["warning"].rstrip("."), *feedback["suggestions"]]
        said = "; ".join(words.rstrip(".").lower() for words in advice if words)
        raise UsageError(
            "the password is too easy to guess" + (f": {said}" if said else ""),
            hint="choose four random words or more, or pass --force to use it all the same",
        )
