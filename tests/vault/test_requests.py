"""Requests to the vault that no client makes: bad tokens, messages, HTTP."""

from __future__ import annotations

import contextlib
import functools
import re
import socket
import time
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from program import Program
from strongroom.vault import wire
from strongroom.vault.messages import Refused
from strongroom.vault.server.accounts import TokenFile
from strongroom.vault.server.app import VERBS
from strongroom.vault.wire import Code
from vault.service import BEGIN, Service, code_of, connect, make_service

# --- tokens ---


def test_every_bad_token_gets_the_same_answer_to_every_message(service: Service) -> None:
    token = service.token("carl")
    bad = [
        "",
        "carl",
        token[:-1],
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        token.replace("carl", "nobody"),
        "nobody:" + "0" * 64,
        "x" * 3000,
        "\xe9:\xe9",
    ]
    answers = {
        service.post(verb, body, each)
        for each in bad
        for verb, body in (("register/begin", BEGIN), ("recover/begin", b"junk"), ("none", b""))
    }
    assert answers == {(401, Refused(Code.TOKEN, 0).pack())}
    assert service.post("register/begin", BEGIN, token)[0] == 200


def test_the_operator_makes_accounts(program: Program, tmp_path: Path) -> None:
    config = make_service(tmp_path / "vault").config
    program("vault", "add-account", "--config", config, "anna", "--token-out", "t", "--days", 1)
    token = (tmp_path / "t").read_text().strip()
    assert (tmp_path / "t").stat().st_mode & 0o777 == 0o600
    accounts = TokenFile(tmp_path / "vault/vault.accounts")
    now = int(time.time())
    assert accounts.account_of(token, now) == "anna"
    assert accounts.account_of(token, now + 2 * 24 * 3600) is None
    program("vault", "add-account", "--config", config, "anna", "--token-out", "t", code=2)
    assert accounts.account_of(token, now) == "anna"
    program("vault", "add-account", "--config", config, "a b", "--token-out", "u", code=2)
    assert not (tmp_path / "u").exists()


def test_an_expired_or_replaced_token_gets_that_answer_too(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    path.touch()
    accounts = TokenFile(path)
    token = accounts.add("anna", expires=1000)
    assert accounts.account_of(token, 999) == "anna"
    assert accounts.account_of(token, 1000) is None
    renewed = accounts.add("anna")
    assert accounts.account_of(token, 0) is None
    assert accounts.account_of(renewed, 10**12) == "anna"
    assert token.split(":")[1] not in path.read_text()


def test_another_scheme_than_bearer_is_a_bad_token(service: Service) -> None:
    token = service.token("dora")
    answer = service.post("register/begin", BEGIN, "", Authorization=f"Basic {token}")
    assert code_of(answer) == Code.TOKEN


# --- messages ---


def test_what_is_too_long_is_refused_without_being_read(service: Service) -> None:
    token = service.token("emil")
    assert code_of(service.post("recover/attempt", bytes(4097), token)) == Code.MALFORMED
    place = urllib.parse.urlsplit(service.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as raw:
        head = f"POST /v1/recover/begin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        raw.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode() + bytes(5000))
        assert b"400" in raw.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize("verb", VERBS)
def test_truncated_and_extended_messages_are_refused(service: Service, verb: str) -> None:
    token = service.token("fred")
    length = VERBS[verb].message.LAYOUT.size
    for other in {length - 1, length + 1, 2 * length + 1, 4096} - {-1, length}:
        assert code_of(service.post(verb, bytes(other), token)) == Code.MALFORMED
    assert service.post(verb, bytes(length), token)[0] in {200, 400, 403, 404, 409}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    verb=st.one_of(st.sampled_from(sorted(VERBS)), st.text("abc/.%-", max_size=12)),
    body=st.binary(max_size=5000),
)
def test_no_message_is_answered_with_an_internal_error(
    service: Service, verb: str, body: bytes
) -> None:
    token = fuzzed_account(service)
    status, answer = service.post(verb, body, token)
    assert status in {200, 400, 401, 403, 404, 409, 410, 423, 429}
    assert len(answer) <= wire.ANSWER_MAX


@functools.cache
def fuzzed_account(service: Service) -> str:
    return service.token("gus")


HEAD = b"POST /v1/owner/state HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("said", "statuses"),
    [
        (HEAD + b"Content-Length: -1\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 0\r\nContent-Length: 1\r\n\r\n", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n" + bytes(9000), b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 5000, b"400"),
        (HEAD + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", b"400"),
        (HEAD + b"X: y\r\n" * 200_000 + b"\r\n", b"400"),
        ((HEAD + b"Content-Length: 0\r\n\r\n") * 5, b"401"),
        (b"PUT" + HEAD[4:] + b"Content-Length: 0\r\n\r\n", b"405"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"404"),
        (bytes(100) + b"\r\n\r\n", b"400"),
    ],
)
def test_http_that_no_client_speaks_is_refused(
    service: Service, said: bytes, statuses: bytes
) -> None:
    with connect(service) as raw:
        with contextlib.suppress(OSError):  # it may be cut off before it has said all
            raw.sendall(said)
        answer, cut = b"", False
        try:
            while piece := raw.recv(65536):
                answer += piece
        except ConnectionResetError:  # what was not read yet may take the answer with it
            cut = True
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) in ([statuses], [] if cut else [statuses])
