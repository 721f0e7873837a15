"""Several processes serve one vault: what was begun at one goes on at another."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey
from strongroom.errors import UnreachableError
from strongroom.vault.client.address import parse_address
from strongroom.vault.client.endpoint import Endpoint
from strongroom.vault.messages import Answered, Nothing, Offer, Owned, RecoverAttempt, RecoverBegin
from strongroom.vault.opaque import Login
from strongroom.vault.wire import NO_ID
from vault.machines import Home, make_home, registered
from vault.service import Service, make_service

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    first = make_service(tmp_path / "vault")
    both = first, Service(first.folder)
    for service in both:
        service.start()
    yield both
    for service in both:
        if service.process is not None:
            service.stop()


@pytest.fixture
def home(program: Program, key: RootKey, pair: tuple[Service, Service]) -> Home:
    """Registered with both."""
    first, second = pair
    both = Service(first.folder, f"{first.url},{second.url}")
    return registered(make_home(program, key, both, "anna"))


def endpoint_of(home: Home, url: str) -> Endpoint:
    token = home.token_file.read_text().strip()
    return Endpoint(parse_address(url)[0], token, certificate=None)


def test_a_process_that_dies_between_two_steps_of_a_guess_is_not_missed(
    home: Home, pair: tuple[Service, Service]
) -> None:
    endpoint = endpoint_of(home, home.service.url)
    offer = endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer)
    asked = RecoverAttempt(offer.record_id, offer.token, Login("wrong").ke1)
    pair[0].stop(signal.SIGKILL)
    first = endpoint.call("recover/attempt", asked, Answered)
    # Asked for again, as who did not get the answer does.
    assert endpoint.call("recover/attempt", asked, Answered).attempt == first.attempt
    assert endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer).left == offer.left - 1
    pair[1].stop(signal.SIGKILL)
    with pytest.raises(UnreachableError):
        endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer)


def test_what_may_not_be_asked_twice_goes_on_only_if_it_was_not_sent(home: Home) -> None:
    endpoint = endpoint_of(home, f"{NOBODY},{home.service.url}")
    assert endpoint.call("owner/state", Nothing(), Owned, again=False).active != NO_ID
    alone = endpoint_of(home, NOBODY)
    with pytest.raises(UnreachableError):
        alone.call("owner/state", Nothing(), Owned, again=False)


def test_from_the_command_line_one_process_is_enough(
    home: Home, pair: tuple[Service, Service]
) -> None:
    first, second = pair
    first.stop(signal.SIGKILL)
    home.machine("snapshots", *home.ask)
    new = home.machine.another("new")
    new("snapshots", *home.ask, "--vault", home.service.url)
    alone = home.machine.another("alone")
    alone("snapshots", *home.ask, "--vault", second.url)
    # It trusts the address it was given, and not the other that the repository names.
    second.stop(signal.SIGKILL)
    run = alone("snapshots", *home.ask, code=17)
    assert first.url not in run.err


def test_an_address_that_the_repository_does_not_name_is_told_nothing(home: Home) -> None:
    run = home.machine.another("new")(
        *("snapshots", *home.ask, "--vault", f"{home.service.url},{NOBODY}"), code=13
    )
    assert "neither was told anything" in run.err
