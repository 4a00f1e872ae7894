"""Telling Alertmanager what is open, again and again, and what has ended until it has heard."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import structlog

from pipelines.alerts import metrics
from pipelines.alerts.alertmanager import posted
from pipelines.alerts.outbox import Outbox

log = structlog.get_logger("livewatch.alerts")
ENDED_AGAIN_S = 6 * 3600
"""An end is told for longer than a lag of the pipeline lasts: Alertmanager drops what it mutes,
ends too, and a desk that was told of the beginning would never hear of the end."""
BAD_REQUEST = 400
_BATCH = 200
_RETRY_S = 5.0


class Notifier:
    """Posts to every Alertmanager of a cluster: they agree among themselves on who tells."""

    def __init__(
        self,
        outbox: Outbox,
        addresses: list[str],
        client: httpx.AsyncClient,
        *,
        resend_s: float,
        timeout_s: float,
    ) -> None:
        self.wake = asyncio.Event()
        self._outbox, self._addresses, self._client = outbox, addresses, client
        self._resend_s, self._timeout_s = resend_s, timeout_s
        self._told_at = time.monotonic()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.wake.clear()
            taken = await self.round()
            metrics.UNTOLD.set(time.monotonic() - self._told_at)
            try:
                left = self._resend_s if taken else min(_RETRY_S, self._resend_s)
                await asyncio.wait_for(self.wake.wait(), left)
            except TimeoutError:
                continue

    async def round(self) -> bool:
        """Tell everything; whether at least one Alertmanager took all of it."""
        now_ms = round(time.time() * 1000)
        rows = self._outbox.alerts(now_ms - ENDED_AGAIN_S * 1000)
        metrics.ACTIVE.set(sum(row[5] is None for row in rows))
        body = posted(rows)
        parts = [body[at : at + _BATCH] for at in range(0, len(body), _BATCH)]
        async with asyncio.TaskGroup() as group:
            posts = [group.create_task(self._all(a, parts)) for a in self._addresses]
        if not any(post.result() for post in posts):
            return False
        self._outbox.told_ends([(row[0], row[1]) for row in rows if row[5] is not None])
        self._told_at = time.monotonic()
        return True

    async def _all(self, address: str, parts: list[list[dict[str, Any]]]) -> bool:
        """Whether it took all; one part that it refuses holds up no other."""
        taken = True
        for part in parts:
            status = await self._post(address, part)
            taken = taken and 200 <= status < 300
            if not taken and status != BAD_REQUEST:
                return False
        return taken

    async def _post(self, address: str, alerts: list[dict[str, Any]]) -> int:
        """The status of the answer; 0: none."""
        problem, status = "", 0
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.post(f"{address}/api/v2/alerts", json=alerts)
            status = answer.status_code
            if not answer.is_success:
                problem = f"HTTP {status} {answer.text[:200]}"
        except (httpx.HTTPError, TimeoutError) as error:
            problem = f"{type(error).__name__}: {error}"
        metrics.POSTS.labels("failed" if problem else "taken").inc()
        if problem:
            log.warning("Alertmanager did not take alerts", address=address, why=problem)
        return status
