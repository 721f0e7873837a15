"""Speaking to etcd: its /v3 JSON gateway, at whichever member answers."""

from __future__ import annotations

import base64
import random
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from strongroom.errors import SourceError
from strongroom.vault.server.access import Access
from strongroom.vault.server.store import StoreFailedError

_TIMEOUT: Final = httpx.Timeout(3.0, connect=1.0)
_ASK_MEMBER: Final = 1.0
_AGAIN_S: Final = 0.1
_WITH_LEADER: Final = {"grpc-metadata-hasleader": "true"}
"""A member without a leader says so at once, instead of waiting for one."""
_ROWS: Final = "kv/"

_COMPACTED: Final = "required revision has been compacted"
_TOKEN: Final = ("invalid auth token", "user name is empty", "revision of auth store is old")
_NOT_DONE: Final = (*_TOKEN, "no leader", "not a leader", "too many requests")
_DENIED: Final = "permission denied"
"""Of its maintenance without a code of its own."""
_HOPELESS: Final = frozenset({3, 7, 8, 9, 12, 16})
"""gRPC's codes of what another member would answer as well."""


class UnknownOutcomeError(StoreFailedError):
    """It was sent, and nobody knows whether it was done."""


class NotDoneError(StoreFailedError):
    """By no member that was asked."""


class CompactedError(StoreFailedError):
    """The revision that was asked for is gone."""


class Gateway:
    """Thread-safe."""

    def __init__(self, access: Access) -> None:
        """Raises SourceError."""
        self._access = access
        self._http = httpx.Client(verify=_context(access), trust_env=False)
        self._lock = threading.Lock()
        self._first = random.randrange(len(access.endpoints))  # noqa: S311
        self._token = ""

    def ask(self, path: str, message: Mapping[str, Any], *, deadline: float) -> dict[str, Any]:
        """The answer of any member to what may be asked twice. deadline: of time.monotonic.

        Raises CompactedError, StoreFailedError.
        """
        while True:
            try:
                return self.order(path, message)
            except (CompactedError, _HopelessError):
                raise
            except StoreFailedError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_AGAIN_S)

    def order(self, path: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to what must not be done twice: it goes on to the next member as long as it
        was surely not done. Raises NotDoneError, UnknownOutcomeError, CompactedError,
        StoreFailedError."""
        failed: StoreFailedError = NotDoneError("etcd: no endpoint")
        for _ in self._access.endpoints:
            endpoint = self._access.endpoints[self._first]
            try:
                return self.ask_one(endpoint, path, message, timeout=_TIMEOUT)
            except (UnknownOutcomeError, NotDoneError) as error:
                self._go_on(endpoint)
                failed = error
                if isinstance(error, UnknownOutcomeError):
                    break
        raise failed

    def ask_one(
        self,
        endpoint: str,
        path: str,
        message: Mapping[str, Any],
        *,
        timeout: float | httpx.Timeout = _ASK_MEMBER,
    ) -> dict[str, Any]:
        """The answer of that member. Raises StoreFailedError."""
        token = self._token
        try:
            return self._post(endpoint, path, message, token, timeout)
        except _TokenError:
            if not self._access.user:
                raise
        self._log_in(endpoint, token)
        return self._post(endpoint, path, message, self._token, timeout)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Those that were configured."""
        return self._access.endpoints

    def close(self) -> None:
        """Once."""
        self._http.close()

    def _post(
        self,
        endpoint: str,
        path: str,
        message: Mapping[str, Any],
        token: str,
        timeout: float | httpx.Timeout,
    ) -> dict[str, Any]:
        headers = dict(_WITH_LEADER) if path.startswith(_ROWS) else {}
        if token:
            headers["authorization"] = token
        try:
            answer = self._http.post(
                f"{endpoint}/v3/{path}", json=message, headers=headers, timeout=timeout
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotDoneError(f"etcd at {endpoint}: {error}") from None
        except httpx.HTTPError as error:
            raise UnknownOutcomeError(f"etcd at {endpoint}: {error}") from None
        try:
            found = answer.json()
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise UnknownOutcomeError(f"etcd at {endpoint}: what answers is no etcd")
        if answer.status_code != httpx.codes.OK:
            raise _failure(endpoint, found)
        return found

    def _log_in(self, endpoint: str, known: str) -> None:
        """Unless another thread did meanwhile."""
        with self._lock:
            if self._token != known:
                return
            message = {"name": self._access.user, "password": _password(self._access)}
            found = self._post(endpoint, "auth/authenticate", message, "", _TIMEOUT)
            self._token = str(found.get("token", ""))

    def _go_on(self, endpoint: str) -> None:
        """To the next, unless another thread did."""
        with self._lock:
            if self._access.endpoints[self._first] == endpoint:
                self._first = (self._first + 1) % len(self._access.endpoints)


def to_text(data: bytes) -> str:
    """As JSON carries bytes."""
    return base64.b64encode(data).decode("ascii")


def to_bytes(text: str) -> bytes:
    """The reverse."""
    return base64.b64decode(text)


class _TokenError(NotDoneError):
    """The token is none any more."""


class _HopelessError(StoreFailedError):
    """Another member would refuse it as well."""


class DeniedError(_HopelessError):
    """The user may not do it."""


def _failure(endpoint: str, found: Mapping[str, Any]) -> StoreFailedError:
    words = str(found.get("message") or found.get("error") or "")
    shown = f"etcd at {endpoint}: {words}"
    if _COMPACTED in words:
        return CompactedError(shown)
    if any(each in words for each in _TOKEN):
        return _TokenError(shown)
    if any(each in words for each in _NOT_DONE):
        return NotDoneError(shown)
    if _DENIED in words:
        return DeniedError(shown)
    if found.get("code") in _HOPELESS:
        return _HopelessError(shown)
    return UnknownOutcomeError(shown)


def _password(access: Access) -> str:
    if access.password_file is None:
        return ""
    try:
        return access.password_file.read_text("utf-8").split("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise StoreFailedError(f"reading {access.password_file}: {error}") from None


def _context(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca)
        if access.certificate is not None:
            context.load_cert_chain(access.certificate, access.key)
    except (OSError, ssl.SSLError) as error:
        raise SourceError(f"reading the certificates for etcd: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
