"""One replay: the rows of a file, paced like the events that they were."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from producers.clock import EventClock
from producers.delivery import Delivery, RunOptions
from producers.pacing import wall_ms
from producers.progress import Progress
from producers.replay.rows import RowMaker, Rows
from producers.replay.series import Series, Survey
from producers.transport import Sink

_STEP_WALL_MS = 100


class ReplayRun:
    """Drives one replay to its end, or until `stop` is set."""

    def __init__(
        self,
        series: Series,
        survey: Survey,
        maker: RowMaker,
        start_ms: int,
        speed: float | None,
        source: tuple[str, str],
        options: RunOptions,
        sink: Sink,
        stop: threading.Event,
    ) -> None:
        """`start_ms` is the event time that the file's first row gets."""
        self._series, self._maker, self._stop = series, maker, stop
        self._shift = start_ms - survey.first_ms
        self._start, self._end = start_ms, survey.last_ms + self._shift
        self._now = start_ms
        self._step = None if speed is None else max(1, round(_STEP_WALL_MS * speed))
        clock = EventClock(start_ms, wall_ms(), speed)
        self._delivery = Delivery([source], maker.partitions, clock, options, sink, stop)

    def run(self, show: Callable[[Progress], None] = lambda _: None) -> dict[str, Any]:
        """Run and return the summary. Raises TransportError when batches could not be sent."""
        complete = True
        for rows in self._series.rows(self._maker, self._shift):
            for part in self._steps(rows):
                self._wait_until(int(part.event_ms[0]), show)
                if self._stop.is_set():
                    complete = False
                    break
                self._emit(part)
            if not complete:
                break
        self._delivery.finish(self._now, complete, lambda: show(self._progress()))
        return {
            "complete": complete,
            **self._delivery.summary(),
            "event_start_ms": self._start,
            "event_end_ms": self._now,
            "shift_ms": self._shift,
        }

    def _steps(self, rows: Rows) -> Iterator[Rows]:
        """The rows of one chunk that are due together: those of a tenth of a wall second."""
        times = rows.event_ms
        steps = np.zeros(len(times)) if self._step is None else (times - self._start) // self._step
        edges = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(times)]
        for first, last in pairwise(edges):
            cut = slice(first, last)
            chunk = rows.rows.slice(first, last - first)
            yield Rows(chunk, times[cut], rows.partition[cut])

    def _wait_until(self, event_ms: int, show: Callable[[Progress], None]) -> None:
        """Let event time pass; the watermark goes along, for silence is information too."""
        while self._step and self._now + self._step < event_ms and not self._stop.is_set():
            self._now += self._step
            self._delivery.pacer.wait(self._now)
            self._delivery.advance(self._now)
            show(self._progress())
        if not self._stop.is_set():
            self._now = max(self._now, event_ms)
            self._delivery.advance(event_ms)

    def _emit(self, part: Rows) -> None:
        last = int(part.event_ms[-1])
        self._delivery.pacer.wait(last)
        for partition in np.unique(part.partition).tolist():
            at = np.flatnonzero(part.partition == partition)
            rows = part.rows.take(pa.array(at))
            self._delivery.emit(0, self._series.mapping.sample, partition, rows)
        self._now = last
        self._delivery.advance(last)

    def _progress(self) -> Progress:
        return self._delivery.progress(self._now, 1)
