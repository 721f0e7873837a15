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
from strongroom.vault.client.address import Address
from strongroom.vault.client.words import refusal
from strongroom.vault.fields import Fields
from strongroom.vault.messages import Refused
from strongroom.vault.wire import ANSWER_MAX, Code

_T = TypeVar("_T", bound=Fields)

_TIMEOUT_S: Final = 30
_TRIES: Final = 3
_LOST: Final = (OSError, http.client.HTTPException)


class CodeError(VaultRefusedError):
    """The vault refused, in so many words."""

    def __init__(self, message: str, *, hint: str | None, code: Code, seconds: int) -> None:
        super().__init__(message, hint=hint)
        self.code, self.seconds = code, seconds


class Endpoint:
    """One account at one vault. The token goes to that address and nowhere else."""

    def __init__(self, address: Address, token: str, *, certificate: str | None) -> None:
        """token: <account>:<secret>. certificate: PEM; if given, the only one that is trusted.
        Raises UsageError."""
        self.account, colon, _ = token.rpartition(":")
        if not colon or not self.account or not token.isascii() or not token.isprintable():
            raise UsageError("what was given as a vault's token is none: <account>:<64 digits>")
        self.address = address
        self.certificate = certificate
        self._token = token

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
        """The answer's bytes. Raises CodeError, UnreachableError."""
        for left in reversed(range(_TRIES if again else 1)):
            try:
                status, body = self._post(verb, message.pack())
            except _LOST as error:
                if left == 0 or isinstance(error, ssl.SSLError):
                    raise UnreachableError(
                        f"asking the vault {self.address.url}: {error}"
                    ) from None
                continue
            if status != http.client.SERVICE_UNAVAILABLE or left == 0:
                break
        if status == http.client.OK:
            return body
        raise self._refused(status, body)

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

    def _post(self, verb: str, body: bytes) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            headers = {
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/octet-stream",
            }
            connection.request("POST", f"/v1/{verb}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(ANSWER_MAX)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self.address.host, self.address.port
        if self.address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        return http.client.HTTPSConnection(
            host, port, timeout=_TIMEOUT_S, context=_context(self.certificate)
        )

    def _nonsense(self) -> NoReturn:
        raise UnreachableError(f"asking the vault {self.address.url}: what answers is no vault")


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
