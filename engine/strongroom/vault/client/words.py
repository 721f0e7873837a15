"""What people read when the vault refuses, and before each guess."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from strongroom.vault.messages import Offer, Owned
from strongroom.vault.wire import NO_ID, Code

_DIGITS: Final = "the 64 digits open the repository all the same: pass --key-file"

_WORDS: Final = {
    Code.MALFORMED: ("it does not understand", "client and vault may be of different versions"),
    Code.TOKEN: (
        "it does not take the token",
        "check --token-file: a token may be mistyped, replaced or expired",
    ),
    Code.LOCKED: ("it is locked until its operator has looked", _DIGITS),
    Code.DESTROYED: ("the record is destroyed: too many wrong guesses, or by its owner", _DIGITS),
    Code.NO_RECORD: ("it holds nothing for this account and repository", _DIGITS),
    Code.STALE: ("somebody else was at it in between", "try again; nothing was charged for this"),
    Code.PROOF: (
        "the account belongs to another root key",
        "a second repository takes a second account",
    ),
    Code.UNAVAILABLE: ("it cannot use its store now", "try again later; tell its operator"),
    Code.CLOCK: ("its clock jumped, and it takes no guesses", "tell its operator"),
    Code.SPENT: ("no attempt is left", _DIGITS),
}


def refusal(code: Code, seconds: int) -> tuple[str, str]:
    """What happened, and what to do."""
    if code == Code.WAIT:
        return (
            f"the next guess is taken in {duration(seconds)}",
            "waiting costs nothing; " + _DIGITS,
        )
    if code == Code.PENDING:
        if seconds:
            return f"the registration may be confirmed in {duration(seconds)}", "come back then"
        return "the registration has expired, or another took its place", "begin again"
    return _WORDS[code]


def before_guess(offer: Offer) -> list[str]:
    """What a person has to know before they type a password."""
    lines = [f"vault: {offer.left} of {offer.most} attempts left"]
    if offer.lifetime_left <= offer.left:
        lines.append(f"vault: {offer.lifetime_left} in this account's lifetime")
    if offer.wait:
        lines.append(f"vault: the next one is taken in {duration(offer.wait)}")
    if min(offer.left, offer.lifetime_left) == 1:
        lines.append(
            "vault: this is the last one: if it is wrong, the vault destroys what it holds for "
            "good; the 64 digits would be the only way left"
        )
    elif offer.delay:
        lines.append(f"vault: after a wrong one, the next is taken {duration(offer.delay)} later")
    return lines


def strangers(state: Owned, records: Collection[bytes]) -> list[str]:
    """What somebody else did with the account, where records are those that the slot names."""
    lines = []
    if state.pending != NO_ID and state.pending not in records:
        lines.append(
            "vault: a registration is pending that this repository does not name; if you did not "
            "begin it, somebody has your token: see key log, stop it with key revoke"
        )
    if state.kept in records and state.active not in records:
        lines.append(
            "vault: somebody with your token replaced your record; it is kept for 30 days: "
            "register anew with the 64 digits (key add-vault), and ask for another token"
        )
    return lines


def after_guess(offer: Offer) -> str:
    """What a wrong guess has left of an offer."""
    left = min(offer.left, offer.lifetime_left) - 1
    if left <= 0:  # below: a vault that says so made no honest offer
        return "and it was the last attempt: the vault destroyed what it held"
    return f"{left} attempt{'s' if left > 1 else ''} left"


def duration(seconds: int) -> str:
    """90 as 2 minutes: never less than it is."""
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = -(-seconds // length)
            return f"{count} {name}" + ("s" if count > 1 else "")
    return f"{seconds} second" + ("s" if seconds != 1 else "")
