"""Another OPAQUE, over the same group and hashes, speaks to the vault."""

from __future__ import annotations

import opaque_ke_py as other

from strongroom.vault.messages import RegisterBegin, RegisterRequest
from strongroom.vault.opaque import (
    Login,
    Registration,
    credential_response,
    new_setup,
    password_file_of,
    registration_response,
    server_key_of,
)
from strongroom.vault.server import register
from strongroom.vault.wire import SUITE, identifier
from vault.parties import House, Person, Registering

PASSWORD = "ab" * 32


class OtherRegistration:
    """What Registration is, by the other package."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        begun = other.client_registration_start(self._password)
        self._state, self.request = bytes(begun.get_state()), bytes(begun.get_message())

    def finish(self, response: bytes) -> tuple[bytes, bytes]:
        done = other.client_registration_finish(self._password, self._state, response)
        return bytes(done.get_message()), bytes(done.get_export_key())


def test_a_registration_made_by_the_other_package_logs_in_here() -> None:
    setup, name = new_setup(), identifier(bytes(16), bytes(16))
    made = OtherRegistration(PASSWORD)
    response = registration_response(setup, name, made.request)
    assert response[32:] == server_key_of(setup)
    upload, export_key = made.finish(response)
    login = Login(PASSWORD)
    ke2 = credential_response(setup, name, password_file_of(upload), login.ke1)
    assert login.finish(ke2) == export_key


def test_a_registration_made_here_logs_in_with_the_other_package() -> None:
    setup, name = new_setup(), identifier(bytes(16), bytes(16))
    made = Registration(PASSWORD)
    upload, export_key, _ = made.finish(registration_response(setup, name, made.request))
    begun = other.client_login_start(PASSWORD.encode())
    ke2 = credential_response(setup, name, password_file_of(upload), bytes(begun.get_message()))
    done = other.client_login_finish(PASSWORD.encode(), bytes(begun.get_state()), ke2)
    assert bytes(done.get_export_key()) == export_key


def test_the_vault_takes_the_others_registration_and_counts_its_guesses(house: House) -> None:
    anna = Person(house.core)
    opened = register.begin(house.core, anna.ref, RegisterBegin(SUITE, 64 * 1024, 3, 4, False))
    made = Registering(anna, opened, PASSWORD)
    by_other = OtherRegistration(PASSWORD)
    response = register.request(
        house.core, anna.ref, RegisterRequest(opened.record_id, by_other.request)
    )
    upload, made.export_key = by_other.finish(response)
    made.send(upload)
    made.confirm()
    anna.guess("wrong")
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    assert guess.release() == anna.wrapped
