"""Who looked at what on the screen, in the same record as the accesses of the API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from aiokafka.errors import KafkaError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grafana.screen.errors import not_recorded
from pipelines.api.audit import Access, Audit, UnauditedError
from pipelines.core.ledger.roles import Actor

#: A page asks every two seconds; that somebody looks at it is said once a minute.
_AGAIN_MS: Final = 60_000
_MOST: Final = 10_000
_PLAIN: Final = re.compile(r"[a-z/-]{1,80}")


class Records:
    """Puts accesses on record in Kafka, once `run` has found it."""

    def __init__(self, audit: Audit, now_ms: Callable[[], int]) -> None:
        self._audit, self._now_ms = audit, now_ms
        self._told: dict[tuple[str, str, str, int], int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self._audit.start()
                    break
                except KafkaError:
                    await asyncio.sleep(1)
            await asyncio.Event().wait()
        finally:
            await self._audit.stop()

    def begun(self, request: Request, actor: Actor | None) -> Access:
        """The record of a request: which dashboard, and nothing else of what was asked."""
        path, dashboard = request.url.path, request.query_params.get("dashboard", "")
        where = f"{path.rstrip('/')}/{dashboard}".rstrip("/") or "/"
        route = f"screen:{where if _PLAIN.fullmatch(where) else 'other'}"
        client = request.client.host if request.client else "local"
        via = "password" if request.url.path == "/login" else "session"
        access = Access(self._now_ms(), request.method, client, route, via=via)
        if actor is not None:
            access.account, access.account_role = actor.account, actor.role.value
            access.bound_to = actor.platform_id or actor.district
        return access

    async def around(
        self, app: ASGIApp, access: Access, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answers once the access is on record; not on record, no answer."""

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                access.http_status = message["status"]
                await self._record(access)
            await send(message)

        try:
            await app(scope, receive, told)
        except UnauditedError:
            answer = JSONResponse({"error": not_recorded().body()}, 503, {"retry-after": "2"})
            await answer(scope, receive, send)

    async def _record(self, access: Access) -> None:
        if access.http_status == HTTPStatus.TOO_MANY_REQUESTS:
            return  # whoever guesses must not fill the record
        key = (access.account, access.client, access.route, access.http_status)
        now = self._now_ms()
        if access.method == "GET" and now < self._told.get(key, 0):
            return
        await self._audit.record(access)
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[key] = now + _AGAIN_MS
