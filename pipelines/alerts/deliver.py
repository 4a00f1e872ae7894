"""Posting what is owed to one webhook until it takes it."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import httpx
import structlog

from pipelines.alerts import metrics, signature
from pipelines.alerts.backoff import Backoff
from pipelines.alerts.errors import AlertsError
from pipelines.alerts.event import CONTENT_TYPE
from pipelines.alerts.outbox import Delivery, Outbox
from pipelines.alerts.receivers import Receiver

log = structlog.get_logger("livewatch.alerts")
AT_ONCE = 8
GONE = 410
_IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How one telling went. `error` empty: taken."""

    error: str = ""
    retry_after_s: float | None = None
    gone: bool = False


class Deliverer:
    """One receiver's deliveries. A receiver that hangs holds up nobody but itself."""

    def __init__(
        self,
        outbox: Outbox,
        receiver: Receiver,
        client: httpx.AsyncClient,
        backoff: Backoff,
        timeout_s: float,
        rng: random.Random,
    ) -> None:
        self.receiver = receiver
        self.wake = asyncio.Event()
        self._outbox, self._client = outbox, client
        self._backoff, self._timeout_s, self._rng = backoff, timeout_s, rng
        self._keys = receiver.keys()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.wake.clear()
            if not await self.round():
                await self._sleep()

    async def round(self) -> int:
        """Try what is due, a few at a time; returns how many."""
        now_ms = _now_ms()
        longest_ms = round(self._backoff.most_s * 1000)
        due = self._outbox.due(self.receiver.name, now_ms, AT_ONCE, longest_ms)
        self._look_at_secrets()
        async with asyncio.TaskGroup() as group:
            for one in due:
                group.create_task(self._one(one))
        return len(due)

    async def _one(self, one: Delivery) -> None:
        answer = await self._tell(one)
        now_ms, name = _now_ms(), self.receiver.name
        if not answer.error:
            self._outbox.delivered(one, now_ms)
            metrics.ATTEMPTS.labels(name, "delivered").inc()
            return
        age_s = (now_ms - one.since_ms) / 1000
        if answer.gone or self._backoff.gives_up(one.attempts + 1, age_s):
            self._outbox.buried(one, now_ms, answer.error)
            metrics.ATTEMPTS.labels(name, "dead").inc()
            log.error("dead letter", receiver=name, told=one.event_id, why=answer.error)
            return
        delay = self._backoff.delay_s(one.attempts + 1, self._rng, answer.retry_after_s)
        self._outbox.failed(one, now_ms + round(delay * 1000), answer.error)
        metrics.ATTEMPTS.labels(name, "failed").inc()
        log.warning("not taken", receiver=name, told=one.event_id, why=answer.error,
                    again_s=round(delay, 1))  # fmt: skip

    async def _tell(self, one: Delivery) -> Answer:
        stamped = signature.headers(self._keys, one.event_id, round(time.time()), one.body)
        stamped["content-type"] = CONTENT_TYPE
        try:
            # The whole of it: a receiver may trickle bytes for as long as it likes.
            async with asyncio.timeout(self._timeout_s):
                request = self._client.stream(
                    "POST", self.receiver.url, content=one.body, headers=stamped
                )
                async with request as response:
                    return _judge(response)
        except TimeoutError:
            return Answer(f"no answer within {self._timeout_s:g} s")
        except httpx.HTTPError as error:
            return Answer(f"{type(error).__name__}: {error}"[:300])

    def _look_at_secrets(self) -> None:
        """As they are now: a secret is changed without a restart."""
        try:
            self._keys = self.receiver.keys()
        except AlertsError as error:
            log.error("secrets stay as they were", receiver=self.receiver.name, why=str(error))

    async def _sleep(self) -> None:
        at = self._outbox.next_due(self.receiver.name)
        left = _IDLE_S if at is None else min(_IDLE_S, max(0.01, (at - _now_ms()) / 1000))
        try:
            # The outbox is looked at now and then without being told to: others may replay.
            await asyncio.wait_for(self.wake.wait(), left)
        except TimeoutError:
            return


def _judge(response: httpx.Response) -> Answer:
    if response.is_success:
        return Answer()
    asked = response.headers.get("retry-after", "")
    seconds = float(asked) if asked.isascii() and asked.isdigit() else None
    return Answer(f"HTTP {response.status_code}", seconds, response.status_code == GONE)


def _now_ms() -> int:
    return round(time.time() * 1000)
