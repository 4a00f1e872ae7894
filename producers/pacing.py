"""Keeps emission on its schedule, and the batchers alive while it waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import structlog

from producers import metrics
from producers.batcher import Batcher
from producers.clock import EventClock
from producers.pump import Pump

log = structlog.get_logger("livewatch.push")
_SLICE_S = 0.1
_SAY_BEHIND_S = 5.0


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Pacer:
    """Waits until an event is due; never drops, and says how far behind it is."""

    def __init__(
        self, clock: EventClock, batchers: Iterable[Batcher], pump: Pump, stop: threading.Event
    ) -> None:
        self._clock, self._pump, self._stop = clock, pump, stop
        self._batchers = tuple(batchers)
        self._last_poll = self._last_word = 0.0
        self.behind_s = self.worst_s = 0.0

    def wait(self, event_ms: int) -> None:
        """Return when `event_ms` is due, or at once when it was, or when stopping."""
        due = self._clock.due_ms(event_ms)
        while due is not None and not self._stop.is_set():
            left = (due - wall_ms()) / 1000
            self.poll()
            if left <= 0:
                break
            self._stop.wait(min(left, _SLICE_S))
        self._note(0.0 if due is None else max(0.0, (wall_ms() - due) / 1000), event_ms)

    def poll(self) -> None:
        """Send what has waited long enough; at most every tenth of a second."""
        now = time.monotonic()
        if now - self._last_poll < _SLICE_S:
            return
        self._last_poll = now
        for batcher in self._batchers:
            self._pump.push(batcher.poll(wall_ms()))

    def _note(self, behind_s: float, event_ms: int) -> None:
        self.behind_s, self.worst_s = behind_s, max(self.worst_s, behind_s)
        metrics.BEHIND.set(behind_s)
        metrics.EVENT_TIME.set(event_ms / 1000)
        now = time.monotonic()
        if behind_s > 1 and now - self._last_word > _SAY_BEHIND_S:
            self._last_word = now
            log.warning("behind the schedule; nothing is dropped", seconds=round(behind_s, 1))
