"""Runs equal queries once: for panels that share SQL, and for several open pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from grafana.screen.frames import Frame

_MOST: Final = 512


class QueryCache:
    """One run of a query serves everyone who asks within `ttl_s`; failures are not kept."""

    def __init__(self, run: Callable[[str], Awaitable[Frame]], ttl_s: float) -> None:
        self._run = run
        self._ttl_s = ttl_s
        self._entries: dict[str, tuple[float, asyncio.Future[Frame]]] = {}

    async def query(self, sql: str) -> Frame:
        now = time.monotonic()
        entry = self._entries.get(sql)
        if entry is None or (entry[1].done() and (now > entry[0] or entry[1].exception())):
            self._forget_old(now)
            entry = (now + self._ttl_s, asyncio.ensure_future(self._run(sql)))
            self._entries[sql] = entry
        # Shielded: a reader who goes away must not cancel the query of the others.
        return await asyncio.shield(entry[1])

    def _forget_old(self, now: float) -> None:
        old = [k for k, (until, run) in self._entries.items() if run.done() and now > until]
        for key in old:
            _, run = self._entries.pop(key)
            run.exception()  # looked at, so that asyncio does not log it as never retrieved
        if len(self._entries) > _MOST:
            self._entries.clear()
