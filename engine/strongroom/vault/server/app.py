"""The vault over HTTP: one path a verb, fixed binary bodies, one answer to every bad token."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from strongroom.errors import StrongroomError
from strongroom.vault import messages
from strongroom.vault.fields import Fields
from strongroom.vault.messages import Refused
from strongroom.vault.opaque import MalformedError
from strongroom.vault.server import owner, recover, register
from strongroom.vault.server.accounts import Verifier
from strongroom.vault.server.census import Census
from strongroom.vault.server.core import Core
from strongroom.vault.server.eventlog import EventLog
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.server.metrics import render
from strongroom.vault.server.store import StoreFailedError
from strongroom.vault.server.sweeping import sweep
from strongroom.vault.wire import BODY_MAX, STATUS, Code

_SWEEP_S: Final = 60
_REST: Final = 10
"""A pass over many accounts is followed by a rest of so many times its length."""
_METRICS: Final = "text/plain; version=0.0.4"
_OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class _Verb:
    message: type[Fields]
    act: Callable[[Core, bytes, Any], Fields | bytes]


VERBS: Final[Mapping[str, _Verb]] = {
    "register/begin": _Verb(messages.RegisterBegin, register.begin),
    "register/request": _Verb(messages.RegisterRequest, register.request),
    "register/finish": _Verb(messages.RegisterFinish, register.finish),
    "register/confirm-begin": _Verb(messages.ConfirmBegin, register.confirm_begin),
    "register/confirm-finish": _Verb(messages.ConfirmFinish, register.confirm_finish),
    "recover/begin": _Verb(messages.RecoverBegin, recover.begin),
    "recover/attempt": _Verb(messages.RecoverAttempt, recover.attempt),
    "recover/finish": _Verb(messages.RecoverFinish, recover.finish),
    "owner/state": _Verb(messages.Nothing, owner.owned),
    "owner/destroy": _Verb(messages.OwnerOrder, owner.destroy),
    "owner/revoke": _Verb(messages.OwnerOrder, owner.revoke),
    "owner/log": _Verb(messages.LogFrom, owner.log),
}


class _Api:
    """The routes of one vault."""

    def __init__(self, core: Core, verifier: Verifier, events: EventLog) -> None:
        self._core, self._verifier, self._events = core, verifier, events
        self._counts: Counter[tuple[str, int]] = Counter()
        self._census: Census | None = None
        self._counted_at = 0.0
        self._checks = {"keys": core.keeper.check, "store": core.check_revision}

    async def act(self, request: Request) -> Response:
        begun = time.monotonic()
        verb = request.path_params["verb"]
        try:
            body = await _body(request)
            answer = await anyio.to_thread.run_sync(
                self._act, verb, request.headers.get("authorization", ""), body
            )
            status, code = 200, ""
        except RefusalError as refusal:
            status, code = STATUS[refusal.code], refusal.code.name
            answer = Refused(refusal.code, refusal.seconds).pack()
        except ClientDisconnect:
            return Response(status_code=400)
        known = verb if verb in VERBS else "unknown"
        self._counts[known, status] += 1
        self._events.say(
            "request",
            verb=known,
            status=status,
            code=code,
            ms=round(1000 * (time.monotonic() - begun), 1),
        )
        return Response(answer, status, media_type=_OCTETS)

    def _act(self, name: str, authorization: str, body: bytes) -> bytes:
        """Who asks is looked at before what."""
        try:
            ref = self._authenticate(authorization)
            verb = VERBS.get(name)
            if verb is None:
                raise RefusalError(Code.MALFORMED)
            answer = verb.act(self._core, ref, verb.message.unpack(body))
        except (MalformedError, ValueError):
            raise RefusalError(Code.MALFORMED) from None
        except (StoreFailedError, StrongroomError) as error:
            self._events.alarm(str(error), verb=name)
            raise RefusalError(Code.UNAVAILABLE) from None
        except RefusalError as refusal:
            self._alarm_of(refusal)
            raise
        return answer if isinstance(answer, bytes) else answer.pack()

    def _alarm_of(self, refusal: RefusalError) -> None:
        if refusal.code == Code.CLOCK:
            self._events.alarm("the clock jumped; nothing is due until it is looked at")

    def _authenticate(self, authorization: str) -> bytes:
        scheme, _, token = authorization.partition(" ")
        account = self._verifier.account_of(token, self._core.clock.now())
        if account is None or scheme != "Bearer":
            raise RefusalError(Code.TOKEN)
        return self._core.user_ref(account)

    async def health(self, _request: Request) -> Response:
        """200 as long as the keys can be used, the store answers and is not behind its witness."""
        for part, check in self._checks.items():
            try:
                await anyio.to_thread.run_sync(check)
            except (StoreFailedError, StrongroomError) as error:
                self._events.alarm(str(error), verb="healthz")
                return PlainTextResponse(f"{part}\n", 503)
        return PlainTextResponse("ok\n")

    async def metrics(self, _request: Request) -> Response:
        """For Prometheus; nothing of users."""
        text = await anyio.to_thread.run_sync(
            render, self._core, dict(self._counts), self._census, self._counted_at
        )
        return PlainTextResponse(text, media_type=_METRICS)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(self._sweep)
            yield
            group.cancel_scope.cancel()

    async def _sweep(self) -> None:
        """Destroy what is due although nobody asks."""
        while True:
            begun = time.monotonic()
            try:
                found, all_wrong = await anyio.to_thread.run_sync(sweep, self._core)
                self._census, self._counted_at = found, time.time()
                for wrong in all_wrong:
                    self._events.alarm(wrong, verb="sweep")
            except RefusalError as refusal:
                self._alarm_of(refusal)
            except (StoreFailedError, StrongroomError) as error:
                self._events.alarm(str(error), verb="sweep")
            await anyio.sleep(max(_SWEEP_S, _REST * (time.monotonic() - begun)))


def make_app(core: Core, verifier: Verifier, events: EventLog) -> Starlette:
    """The ASGI application."""
    api = _Api(core, verifier, events)
    return Starlette(
        routes=[
            Route("/v1/{verb:path}", api.act, methods=["POST"]),
            Route("/healthz", api.health, methods=["GET"]),
            Route("/metrics", api.metrics, methods=["GET"]),
        ],
        lifespan=api.lifespan,
    )


async def _body(request: Request) -> bytes:
    """All of it. Raises RefusalError once it is too long."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_MAX:
            raise RefusalError(Code.MALFORMED)
    return body
