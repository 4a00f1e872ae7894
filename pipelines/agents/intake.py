"""Between the consumer and the fold: a mailbox of bounded size, and lanes that are paused.

The consumer hands out all topics through one queue and one batch at a time. Emptied at once into
the mailbox, it never holds a complaint behind viewers; a lane that has enough is not read on,
the others are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from faust.types import TP

from pipelines.agents.rollup import RollupStage
from pipelines.agents.store import Event
from pipelines.core.mailbox import Lane, Mailbox
from pipelines.instruments import Instruments
from schemas.telemetry import SampleType

# Partials carry complaints on to the wider flags, and there are few of them.
RANKS = {
    SampleType.COMPLAINTS.topic: 0,
    RollupStage.topics[0]: 0,
    SampleType.ORDERS.topic: 1,
    SampleType.REVIEWS.topic: 1,
    SampleType.VIEWERS.topic: 2,
}
LEAST_LANE_BYTES = 1_500_000
"""A lane may always hold one record of the greatest size."""


def lane_of(topic: str, partition: int) -> Lane:
    return Lane(RANKS[topic], topic, partition)


class Intake:
    """The mailbox of a worker. `max_bytes` is shared by the lanes that it has."""

    def __init__(self, app: Any, instruments: Instruments, max_bytes: int) -> None:
        self._app = app
        self._instruments = instruments
        self._max_bytes = max_bytes
        self._lane_bytes = LEAST_LANE_BYTES
        self._mailbox: Mailbox[Event] = Mailbox()
        self._arrived = asyncio.Event()
        self._received = 0
        self.paused: set[Lane] = set()

    # -- in and out ---------------------------------------------------------------------------

    def offer(self, event: Event) -> None:
        """A record from the consumer."""
        message = event.message
        lane = lane_of(message.topic, message.partition)
        size = len(message.value or b"")
        self._mailbox.put(lane, event, size, round((message.timestamp or 0) * 1000))
        self._arrived.set()
        self._received += 1
        if self._mailbox.size(lane) > self._lane_bytes:
            self._pause(lane)

    def take(self, may: Callable[[Lane, Event], bool]) -> Event | None:
        """The record to fold next; None when there is none that may be folded now."""
        taken = self._mailbox.take(may)
        if taken is None:
            return None
        lane, event = taken
        if lane in self.paused and self._mailbox.size(lane) <= self._lane_bytes // 2:
            self._resume(lane)
        return event

    async def arrival(self, seconds: float) -> None:
        """Return when a record has come since the last call, or after so many seconds."""
        try:
            await asyncio.wait_for(self._arrived.wait(), seconds)
        except TimeoutError:
            return
        self._arrived.clear()

    async def quiet(self, turns: int) -> None:
        """Let the event loop turn until no record has come for so many turns."""
        left, received = turns, self._received
        while left > 0:
            await asyncio.sleep(0)
            left, received = (left - 1 if received == self._received else turns), self._received

    # -- forgetting ---------------------------------------------------------------------------

    def keep_generation(self, generation: int) -> None:
        """Records of an older generation of the group are somebody else's, or come again."""
        self._mailbox.drop(lambda _, event: event.message.generation_id != generation)
        lanes = [tp for tp in self._app.consumer.assignment() if tp.topic in RANKS]
        self._lane_bytes = max(LEAST_LANE_BYTES, self._max_bytes // max(1, len(lanes)))
        self._resume_lighter()

    def clear(self, lane: Lane) -> None:
        """Forget a lane that is about to be read again."""
        self._mailbox.drop(lambda other, _: other == lane)
        self._resume_lighter()

    # -- pausing ------------------------------------------------------------------------------

    def _pause(self, lane: Lane) -> None:
        # The consumer's own way for full buffers: what it has fetched already it still hands
        # out, where its `pause_partitions` would leave a hole. Said again with each record,
        # since the consumer itself takes it back when its queue empties.
        self._app.consumer.on_buffer_full(TP(lane.topic, lane.partition))
        if lane not in self.paused:
            self.paused.add(lane)
            self._instruments.pauses.labels(lane.topic).inc()

    def _resume(self, lane: Lane) -> None:
        self.paused.discard(lane)
        tp = TP(lane.topic, lane.partition)
        # While state is restored the consumer reads changelogs only, and then starts all by itself.
        if not self._app.in_recovery and tp in self._app.consumer.assignment():
            self._app.consumer.on_buffer_drop(tp)

    def _resume_lighter(self) -> None:
        for lane in list(self.paused):
            if self._mailbox.size(lane) <= self._lane_bytes // 2:
                self._resume(lane)

    def measure(self) -> None:
        """Set the gauges of every lane of this worker."""
        for tp in self._app.consumer.assignment():
            if tp.topic in RANKS:
                lane = lane_of(tp.topic, tp.partition)
                count = self._mailbox.count(lane)
                self._instruments.mailbox_records.labels(*tp).set(count)
                self._instruments.paused.labels(*tp).set(lane in self.paused)
        self._instruments.mailbox_bytes.set(self._mailbox.bytes)
