"""Root keys: lenient to read, precise about what is wrong, hard to give away by accident."""

from __future__ import annotations

import copy
import pickle

import pytest

from strongroom import InvalidKeyError, RootKey, WrongKeyError

DIGITS = "00112233445566778899aabbccddeeff" * 2
SECRET = bytes.fromhex(DIGITS)


def test_digits_come_in_16_groups_of_4() -> None:
    digits = RootKey(SECRET).to_digits()
    assert digits.replace(" ", "") == DIGITS
    assert [len(group) for group in digits.split(" ")] == [4] * 16


@pytest.mark.parametrize(
    "written",
    [
        DIGITS,
        DIGITS.upper(),
        RootKey(SECRET).to_digits(),
        RootKey(SECRET).to_digits().replace(" ", "-"),
        RootKey(SECRET).to_digits().replace(" ", "\N{EN DASH}"),
        RootKey(SECRET).to_digits().replace(" ", "\N{EM DASH}"),
        RootKey(SECRET).to_digits().replace(" ", "\N{NO-BREAK SPACE}"),
        f"  {DIGITS[:20]}\r\n\t{DIGITS[20:]}\n\n",
    ],
)
def test_digits_are_read_however_they_are_written(written: str) -> None:
    assert RootKey.from_digits(written) == RootKey(SECRET)


@pytest.mark.parametrize("count", [0, 1, 63, 65, 128])
def test_a_wrong_number_of_digits_is_counted(count: int) -> None:
    with pytest.raises(InvalidKeyError, match=f"a key has 64 digits, this has {count}$"):
        RootKey.from_digits((DIGITS * 2)[:count])


@pytest.mark.parametrize(("place", "group"), [(1, 1), (4, 1), (5, 2), (33, 9), (61, 16), (64, 16)])
@pytest.mark.parametrize("wrong", ["g", "O", "\N{FULLWIDTH DIGIT ONE}", "\0", "é"])
def test_a_wrong_digit_is_located(place: int, group: int, wrong: str) -> None:
    written = DIGITS[: place - 1] + wrong + DIGITS[place:]
    spaced = " ".join(written[i : i + 4] for i in range(0, 64, 4))
    for digits in (written, spaced):
        with pytest.raises(InvalidKeyError, match=rf"^digit {place} of the key \(group {group}\)"):
            RootKey.from_digits(digits)


def test_the_message_about_a_wrong_key_does_not_repeat_it() -> None:
    with pytest.raises(InvalidKeyError) as caught:
        RootKey.from_digits(DIGITS[:-1] + "x")
    assert "0011" not in str(caught.value)
    assert "x" not in str(caught.value).split("digit")[1].split("of")[0]
    assert "64 hexadecimal digits" in (caught.value.hint or "")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(InvalidKeyError, match=f"32 bytes, not {length}"):
        RootKey(bytes(length))


def test_an_invalid_key_is_a_wrong_key_to_scripts() -> None:
    assert issubclass(InvalidKeyError, WrongKeyError)
    assert InvalidKeyError("x").exit_code == 12


def test_generated_keys_differ() -> None:
    keys = {RootKey.generate().to_bytes() for _ in range(50)}
    assert len(keys) == 50
    assert all(len(key) == 32 for key in keys)


def test_a_key_does_not_follow_the_buffer_it_came_from() -> None:
    buffer = bytearray(SECRET)
    key = RootKey(buffer)
    buffer[0] ^= 1
    assert key.to_bytes() == SECRET


def test_repr_and_str_hide_the_key() -> None:
    key = RootKey(SECRET)
    assert repr(key) == str(key) == f"{key}" == "RootKey(hidden)"


def test_a_key_is_not_pickled_copied_or_hashed() -> None:
    key = RootKey(SECRET)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(key)
    with pytest.raises(TypeError, match="unhashable"):
        hash(key)


def test_keys_are_equal_when_their_bytes_are() -> None:
    assert RootKey(SECRET) == RootKey(SECRET)
    assert RootKey(SECRET) != RootKey(bytes(32))
    assert RootKey(SECRET) != SECRET
    assert RootKey(SECRET) != DIGITS
