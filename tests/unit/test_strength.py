"""Passwords of repositories: long enough, and not what a guesser tries first."""

from __future__ import annotations

import time

import pytest

from strongroom import Password, UsageError
from strongroom.keys.strength import check_strength


@pytest.mark.parametrize("text", ["x7#Qm2!", "a", "🔒" * 7, "e\u0301" * 7])
def test_fewer_than_8_characters_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"a repository's has at least 8"):
        check_strength(Password(text))


@pytest.mark.parametrize(
    "text", ["password", "12345678", "qwertyuiop", "aaaaaaaaaaaaaaaa", "letmein123", "P@ssw0rd1"]
)
def test_what_guessers_try_first_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="too easy to guess") as caught:
        check_strength(Password(text))
    assert "--force" in (caught.value.hint or "")
    assert text not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "text",
    ["correct horse battery", "x7#Qm2!vLp", "größere Möhren kochen", "密码不是这个而是那个哦"],
)
def test_what_takes_long_to_guess_is_taken(text: str) -> None:
    check_strength(Password(text))


def test_a_very_long_password_is_judged_quickly() -> None:
    begun = time.monotonic()
    check_strength(Password("correct horse battery staple " * 2000))
    assert time.monotonic() - begun < 5
