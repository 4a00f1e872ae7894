"""One simulation run: paced, batched, written down, sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from producers.batcher import Batcher, SealPolicy
from producers.clock import EventClock
from producers.errors import TransportError
from producers.ledger import Ledger
from producers.pacing import Pacer, finish, wall_ms
from producers.progress import Progress
from producers.pump import Pump
from producers.simulate.anomalies import write_truth
from producers.simulate.model import Simulation
from producers.simulate.plan import source_id
from producers.transport import Sink

FLUSH_PATIENCE_S = 30.0


@dataclass(frozen=True)
class RunOptions:
    """Where a run writes, and how it ends.

    `close_ahead_ms`: a finished run promises that nothing before its end plus this will
    come, so that everything downstream closes at once. A run that is stopped by hand does
    not promise it, since its platform may come back.
    """

    out: Path
    seal: SealPolicy
    close_ahead_ms: int = 3_600_000
    overwrite: bool = False


class SimulateRun:
    """Drives one simulation to its end, or until `stop` is set."""

    def __init__(
        self, simulation: Simulation, options: RunOptions, sink: Sink, stop: threading.Event
    ) -> None:
        self._sim, self._options, self._stop = simulation, options, stop
        config = simulation.config
        self._started = time.monotonic()
        self._truth = options.out / "truth.jsonl"
        clock = EventClock(config.start_ms, wall_ms(), config.speed)
        ledger = Ledger(options.out / "ledger.jsonl", clock, overwrite=options.overwrite)
        write_truth(self._truth, [i.anomaly for i in simulation.injections])
        self._pump = Pump(ledger, sink)
        epoch = wall_ms()
        self._batchers = [
            Batcher(
                platform, source_id(i), epoch, config.partitions, options.seal,
                watermark_ms=config.start_ms,
            )
            for i, platform in enumerate(simulation.city.platforms)
        ]  # fmt: skip
        self._pacer = Pacer(clock, self._batchers, self._pump, stop)

    def run(self, show: Callable[[Progress], None] = lambda _: None) -> dict[str, Any]:
        """Run and return the summary. Raises TransportError when batches could not be sent."""
        end = self._sim.config.end_ms
        while not self._stop.is_set() and (end is None or self._sim.now_ms < end):
            self._tick()
            show(self._progress())
        complete = end is not None and self._sim.now_ms >= end
        ahead = self._options.close_ahead_ms if complete else 0
        for batcher in self._batchers:
            self._pump.push(batcher.close(wall_ms(), self._sim.now_ms + ahead))
        sent = finish(self._pump, self._stop, FLUSH_PATIENCE_S, lambda: show(self._progress()))
        self._pump.ledger.close()
        if not sent:
            raise TransportError("stopped with batches that Kafka has not acknowledged")
        return self._summary(complete)

    def _tick(self) -> None:
        ticked = self._sim.tick()
        self._pacer.wait(ticked.end_ms)
        now = wall_ms()
        self._silence(ticked.start_ms, now)
        for shard in ticked.shards:
            batcher = self._batchers[shard.platform]
            self._pump.push(batcher.add(shard.sample, shard.partition, shard.rows, now))
        for batcher in self._batchers:
            batcher.advance(ticked.end_ms)
        self._pacer.poll()

    def _silence(self, event_ms: int, now_ms: int) -> None:
        """A gap: the source says nothing at all, not even that it is alive."""
        gaps = [i for i in self._sim.injections if i.anomaly.mode == "gap"]
        if not gaps:
            return
        dark = {i.target.platform for i in gaps if i.anomaly.active(event_ms)}
        for number, batcher in enumerate(self._batchers):
            if batcher.silent != (number in dark):
                self._pump.push(batcher.silence(number in dark, now_ms))

    def _progress(self) -> Progress:
        rows = self._pump.rows.total()
        in_flight = getattr(self._pump.sink, "in_flight", 0)
        behind = self._pacer.behind_s
        return Progress(self._sim.now_ms, rows, self._sim.live, behind, in_flight)

    def _summary(self, complete: bool) -> dict[str, Any]:
        config, pump = self._sim.config, self._pump
        anomalies = [i.anomaly for i in self._sim.injections]
        return {
            "complete": complete,
            "rows": dict(pump.rows),
            "batches": pump.batches,
            "heartbeats": pump.heartbeats,
            "spikes": sum(a.kind == "F01" for a in anomalies),
            "anomalies": len(anomalies),
            "injected_complaints": dict(self._sim.complaints.injected),
            "sources": [f"{b.platform_id}/{b.source}/{b.epoch}" for b in self._batchers],
            "event_start_ms": config.start_ms,
            "event_end_ms": self._sim.now_ms,
            "behind_max_s": round(self._pacer.worst_s, 3),
            "resent_batches": getattr(pump.sink, "resent", 0),
            "wall_s": round(time.monotonic() - self._started, 3),
            "ledger": str(pump.ledger.path),
            "truth": str(self._truth),
        }
