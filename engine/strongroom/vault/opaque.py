"""OPAQUE (RFC 9807) as the vault uses it: the one module that knows the package behind it.

ristretto255, 3DH with SHA-512, Argon2id of 19 MiB; all messages are bytes of fixed length.
"""

from __future__ import annotations

from typing import Final

from opaque_snake import (
    AuthenticationError,
    CredentialRequest,
    CredentialResponse,
    OpaqueClient,
    OpaqueError,
    OpaqueServer,
    PasswordFile,
    RegistrationRequest,
    RegistrationResponse,
    RegistrationUpload,
)

SETUP_LEN: Final = 128
SERVER_KEY_LEN: Final = 32
REQUEST_LEN: Final = 32
RESPONSE_LEN: Final = 64
UPLOAD_LEN: Final = 192
PASSWORD_FILE_LEN: Final = 192
KE1_LEN: Final = 96
KE2_LEN: Final = 320
EXPORT_KEY_LEN: Final = 64


class MalformedError(ValueError):
    """A message is none of the protocol's."""


class WrongPasswordError(Exception):
    """What came back fits another password, or was altered: the two look alike."""


def new_setup() -> bytes:
    """A server's secrets, SETUP_LEN bytes; the vault makes one for each record."""
    return OpaqueServer().export_setup()


def server_key_of(setup: bytes) -> bytes:
    """The public key that belongs to a setup, SERVER_KEY_LEN bytes."""
    request, _ = OpaqueClient().start_registration("")
    return registration_response(setup, "", request.to_bytes())[-SERVER_KEY_LEN:]


def registration_response(setup: bytes, identifier: str, request: bytes) -> bytes:
    """The answer to a registration's request: the same each time. Raises MalformedError."""
    try:
        server = OpaqueServer(setup)
        parsed = RegistrationRequest.from_bytes(request)
        return server.create_registration_response(parsed, identifier).to_bytes()
    except OpaqueError as error:
        raise MalformedError(str(error)) from None


def password_file_of(upload: bytes) -> bytes:
    """What a server keeps of an upload. Raises MalformedError."""
    try:
        parsed = RegistrationUpload.from_bytes(upload)
        return OpaqueServer().finish_registration(parsed).to_bytes()
    except OpaqueError as error:
        raise MalformedError(str(error)) from None


def check_ke1(ke1: bytes) -> None:
    """Raise MalformedError unless ke1 can be answered."""
    try:
        CredentialRequest.from_bytes(ke1)
    except OpaqueError as error:
        raise MalformedError(str(error)) from None


def credential_response(setup: bytes, identifier: str, password_file: bytes, ke1: bytes) -> bytes:
    """KE2. Whoever has it knows whether the password was right. Raises MalformedError."""
    try:
        stored = PasswordFile.from_bytes(password_file)
        request = CredentialRequest.from_bytes(ke1)
        response, _ = OpaqueServer(setup).create_credential_response(request, identifier, stored)
        return response.to_bytes()
    except OpaqueError as error:
        raise MalformedError(str(error)) from None


class Registration:
    """The client's half of one registration."""

    def __init__(self, password: str) -> None:
        self._password = password
        request, self._state = OpaqueClient().start_registration(password)
        self.request: Final = request.to_bytes()

    def finish(self, response: bytes) -> tuple[bytes, bytes, bytes]:
        """(upload, export key, server key). Once. Raises MalformedError."""
        try:
            parsed = RegistrationResponse.from_bytes(response)
            done = OpaqueClient().finish_registration(parsed, self._state, self._password)
        except OpaqueError as error:
            raise MalformedError(str(error)) from None
        return done.upload.to_bytes(), done.export_key, done.server_s_pk


class Login:
    """The client's half of one login."""

    def __init__(self, password: str) -> None:
        self._password = password
        request, self._state = OpaqueClient().start_login(password)
        self.ke1: Final = request.to_bytes()

    def finish(self, ke2: bytes) -> bytes:
        """The export key. Once. Raises WrongPasswordError, MalformedError."""
        try:
            parsed = CredentialResponse.from_bytes(ke2)
            done = OpaqueClient().finish_login(parsed, self._state, self._password)
        except AuthenticationError:
            raise WrongPasswordError from None
        except OpaqueError as error:
            raise MalformedError(str(error)) from None
        if done.session_keys.export_key is None:
            raise MalformedError("no export key")
        return done.session_keys.export_key
