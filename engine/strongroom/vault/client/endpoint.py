"""Speaking to a vault: one message, one answer; where none comes, again if that is harmless."""

from __future__ import annotations

import http.client
import ssl
from typing import Final, NoReturn, TypeVar

from strongroom.errors import (
    SourceError,
    UnreachableError,
    UsageError,
    VaultRefusedError,
)
from strongroom.vault.client.address import Address, Addresses
from strongroom.vault.client.answer import read_answer
from strongroom.vault.client.words import refusal
from strongroom.vault.fields import Fields
from strongroom.vault.messages import Refused
from strongroom.vault.wire import Code

_T = TypeVar("_T", bound=Fields)

_CONNECT_S: Final = 5
_TRIES: Final = 3
_LOST: Final = (OSError, http.client.HTTPException)


class CodeError(VaultRefusedError):
    """The vault refused, in so many words."""

    def __init__(self, message: str, *, hint: str | None, code: Code, seconds: int) -> None:
        super().__init__(message, hint=hint)
        self.code, self.seconds = code, seconds


class _UnsentError(Exception):
    """Nothing of the message went out."""


class Endpoint:
    """One account at one vault. The token goes to its addresses and nowhere else."""

    def __init__(self, address: Addresses, token: str, *, certificate: str | None) -> None:
        """token: <account>:<secret>. certificate: PEM; if given, the only one that is trusted.
        Raises UsageError."""
        self.account, colon, _ = token.rpartition(":")
        if not colon or not self.account or not token.isascii() or not token.isprintable():
            raise UsageError("what was given as a vault's token is none: <account>:<64 digits>")
        self.address = address
        self.certificate = certificate
        self._token = token
        self._at = 0

    def call(self, verb: str, message: Fields, answer: type[_T], *, again: bool = True) -> _T:
        """The answer. again: asking twice is the same as once.

        Raises CodeError, UnreachableError.
        """
        body = self.call_raw(verb, message, again=again)
        try:
            return answer.unpack(body)
        except ValueError:
            self._nonsense()

    def call_raw(self, verb: str, message: Fields, *, again: bool = True) -> bytes:
        """The answer's bytes, from the address that answered last or the one after it. Raises
        CodeError, UnreachableError."""
        body, each = message.pack(), self.address.each
        status, answer, failed = 0, b"", ""
        for left in reversed(range(max(_TRIES, len(each)))):
            here = each[self._at % len(each)]
            try:
                status, answer = self._post(here, verb, body)
                more = again and status == http.client.SERVICE_UNAVAILABLE
            except _UnsentError as error:
                status, failed = 0, f"{here.url}: {error}"
                more = again or len(each) > 1
            except _LOST as error:
                status, failed, more = 0, f"{here.url}: {error}", again
            if not more or left == 0:
                break
            self._at += 1
        if status == http.client.OK:
            return answer
        if status == 0:
            raise UnreachableError(f"asking the vault {failed}", hint=_hint(failed))
        raise self._refused(status, answer)

    def _refused(self, status: int, body: bytes) -> CodeError:
        try:
            refused = Refused.unpack(body)
            code = Code(refused.code)
        except ValueError:
            if status == http.client.SERVICE_UNAVAILABLE:
                raise UnreachableError(
                    f"asking the vault {self.address.url}: it is unavailable, or a proxy before it",
                    hint="try again later",
                ) from None
            self._nonsense()
        words, hint = refusal(code, refused.seconds)
        message = f"asking the vault {self.address.url}: {words}"
        return CodeError(message, hint=hint, code=code, seconds=refused.seconds)

    def _post(self, address: Address, verb: str, body: bytes) -> tuple[int, bytes]:
        connection = self._connection(address)
        try:
            try:
                connection.connect()
            except OSError as error:
                raise _UnsentError(error) from None
            headers = {
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/octet-stream",
            }
            connection.request("POST", f"/v1/{verb}", body, headers)
            return read_answer(connection.sock)
        finally:
            connection.close()

    def _connection(self, address: Address) -> http.client.HTTPConnection:
        host, port = address.host, address.port
        if address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_CONNECT_S)
        return http.client.HTTPSConnection(
            host, port, timeout=_CONNECT_S, context=_context(self.certificate)
        )

    def _nonsense(self) -> NoReturn:
        raise UnreachableError(f"asking the vault {self.address.url}: what answers is no vault")


def _hint(failed: str) -> str | None:
    if "CERTIFICATE_VERIFY_FAILED" not in failed:
        return None
    return (
        "if its operator gave you its certificate, pass --vault-cert FILE; nothing was told to it"
    )


def _context(certificate: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=certificate)
        except (ssl.SSLError, TypeError, ValueError) as error:
            raise SourceError(f"reading the vault's certificate: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
