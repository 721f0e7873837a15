"""What is signed names all that it is bound to, as docs/VAULT.md, 3, says."""

from __future__ import annotations

from hashlib import sha256

from strongroom.vault.messages import Opened, OwnerOrder, RegisterFinish
from strongroom.vault.statements import (
    statement_confirm,
    statement_order,
    statement_recover,
    statement_register,
)

VAULT, USER, RECORD = b"v" * 16, b"u" * 32, b"r" * 16


def test_a_proof_names_all_that_is_registered() -> None:
    opened = Opened(VAULT, USER, RECORD, b"s" * 32, b"k" * 32, b"n" * 32)
    finish = RegisterFinish(RECORD, b"U" * 192, b"W" * 80, b"o" * 32, b"t" * 32, bytes(64))
    assert statement_register(opened, finish) == (
        b"strongroom/1 vault register\0"
        + (VAULT + USER + RECORD + b"s" * 32 + b"k" * 32 + b"n" * 32)
        + sha256(b"U" * 192).digest()
        + sha256(b"W" * 80).digest()
        + (b"o" * 32 + b"t" * 32)
    )


def test_a_confirmation_names_record_guess_and_nonce() -> None:
    assert statement_confirm(VAULT, RECORD, b"h" * 32, b"n" * 32) == (
        b"strongroom/1 vault confirm\0" + VAULT + RECORD + b"h" * 32 + b"n" * 32
    )


def test_a_success_names_record_attempt_guess_and_nonce() -> None:
    assert statement_recover(VAULT, RECORD, b"a" * 16, b"h" * 32, b"n" * 32) == (
        b"strongroom/1 vault recover\0" + VAULT + RECORD + b"a" * 16 + b"h" * 32 + b"n" * 32
    )


def test_an_order_names_verb_user_record_and_sequence() -> None:
    order = OwnerOrder(RECORD, 258, bytes(64))
    for verb in (b"destroy", b"revoke"):
        assert statement_order(verb, VAULT, USER, order) == (
            b"strongroom/1 vault " + verb + b"\0" + VAULT + USER + RECORD + bytes(6) + b"\x01\x02"
        )
