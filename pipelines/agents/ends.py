"""How far there is to read, asked of Kafka itself and not of the consumer's last fetch."""

from __future__ import annotations

from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

UNKNOWN = 1 << 62


class Ends:
    """Newest offsets of this worker's topic-partitions.

    What the consumer knows is as old as its last fetch: one that hangs, or that was paused,
    would always seem to have read everything.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._asked: dict[TP, int] = {}
        self.answered_at: float | None = None

    async def ask(self, now: float) -> None:
        """Ask Kafka for the ends of what is assigned; `now` is kept as the time of the answer."""
        tps = self._app.consumer.assignment()
        try:
            self._asked = dict(await self._app.consumer.highwaters(*tps)) if tps else {}
        except KafkaError:
            return
        self.answered_at = now

    def forget(self) -> None:
        """Another generation: topic-partitions, and even topics, may be others."""
        self._asked = {}

    def of(self, tp: TP) -> int | None:
        """Offset that the next record will have; None where nobody knows yet."""
        cached = None
        if tp in self._app.consumer.assignment():
            cached = self._app.consumer.highwater(tp)
        known = [end for end in (cached, self._asked.get(tp)) if end is not None]
        return max(known, default=None)

    def or_far(self, tp: TP) -> int:
        """As `of`; far away where nobody knows, so that nobody is taken as caught up."""
        end = self.of(tp)
        return UNKNOWN if end is None else end
