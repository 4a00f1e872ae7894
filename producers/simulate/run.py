"""One simulation run: paced, batched, written down, sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from producers.clock import EventClock
from producers.delivery import Delivery, RunOptions
from producers.pacing import wall_ms
from producers.progress import Progress
from producers.simulate.anomalies import write_truth
from producers.simulate.model import Simulation
from producers.simulate.plan import source_id
from producers.transport import Sink


class SimulateRun:
    """Drives one simulation to its end, or until `stop` is set."""

    def __init__(
        self, simulation: Simulation, options: RunOptions, sink: Sink, stop: threading.Event
    ) -> None:
        self._sim, self._options, self._stop = simulation, options, stop
        config = simulation.config
        sources = [(p, source_id(i)) for i, p in enumerate(simulation.city.platforms)]
        clock = EventClock(config.start_ms, wall_ms(), config.speed)
        self._delivery = Delivery(sources, config.partitions, clock, options, sink, stop)
        self._gaps = [i for i in simulation.injections if i.anomaly.mode == "gap"]
        write_truth(options.truth, [i.anomaly for i in simulation.injections])

    def run(self, show: Callable[[Progress], None] = lambda _: None) -> dict[str, Any]:
        """Run and return the summary. Raises TransportError when batches could not be sent."""
        end = self._sim.config.end_ms
        while not self._stop.is_set() and (end is None or self._sim.now_ms < end):
            self._tick()
            show(self._progress())
        complete = end is not None and self._sim.now_ms >= end
        self._delivery.finish(self._sim.now_ms, complete, lambda: show(self._progress()))
        return self._summary(complete)

    def _tick(self) -> None:
        ticked = self._sim.tick()
        self._delivery.pacer.wait(ticked.end_ms)
        dark = {i.target.platform for i in self._gaps if i.anomaly.active(ticked.start_ms)}
        for number in {i.target.platform for i in self._gaps}:
            self._delivery.silence(number or 0, number in dark)
        for shard in ticked.shards:
            self._delivery.emit(shard.platform, shard.sample, shard.partition, shard.rows)
        self._delivery.advance(ticked.end_ms)

    def _progress(self) -> Progress:
        return self._delivery.progress(self._sim.now_ms, self._sim.live)

    def _summary(self, complete: bool) -> dict[str, Any]:
        anomalies = [i.anomaly for i in self._sim.injections]
        return {
            "complete": complete,
            **self._delivery.summary(),
            "event_start_ms": self._sim.config.start_ms,
            "event_end_ms": self._sim.now_ms,
            "spikes": sum(a.kind == "F01" for a in anomalies),
            "anomalies": len(anomalies),
            "injected_complaints": dict(self._sim.complaints.injected),
            "care": dict(self._sim.care.truth),
            "truth": str(self._options.truth),
        }
