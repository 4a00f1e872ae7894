"""A simulated platform that can be killed at any moment: `python -m deploy.chaos.source`.

It makes the same rows as every other start with the same arguments, so a start after a kill
passes over what its book has already, sends again what Kafka has not acknowledged (the same
identity at a new offset), and goes on under a new epoch. When behind, it catches up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.chaos.book import Book
from deploy.chaos.calls import Options
from deploy.chaos.sender import BookedSink
from producers.batcher import Batcher, SealedBatch, SealPolicy
from producers.clock import EventClock
from producers.connect import connect
from producers.pacing import wall_ms
from producers.shell import set_up_logs, stop_on_signals
from producers.simulate.anomalies import Injection, write_truth
from producers.simulate.config import SimConfig
from producers.simulate.model import Population, Simulation
from producers.simulate.plan import Planner
from producers.simulate.requests import SpikeRule, spikes

_TICKS = 10  # of a tenth of a second each: what is accepted at once
_MINUTE = 60_000


@dataclass(frozen=True)
class SourceOptions(Options):
    """One process, one platform (`name`).

    Event time starts at `start_ms` when the clock shows `start_wall_ms`.
    """

    bootstrap: str
    out: Path
    name: str
    seed: int
    sessions: int
    speed: float
    start_ms: int
    start_wall_ms: int
    end_ms: int
    sample_every_ms: int
    spikes: int


class Source:
    """One start of the process."""

    def __init__(self, options: SourceOptions, stop: threading.Event) -> None:
        self._options, self._stop = options, stop
        self._book = Book(options.out / "book.sqlite")
        partitions = connect(options.bootstrap, 120, stop.is_set)
        self._sink = BookedSink(options.bootstrap, self._book, stop)
        config = SimConfig(
            options.seed, options.sessions, 1, partitions, options.start_ms, options.end_ms,
            options.sample_every_ms, options.speed,
        )  # fmt: skip
        self._simulation = Simulation(config, self._inject)
        self._clock = EventClock(options.start_ms, options.start_wall_ms, options.speed)
        policy = SealPolicy(max_rows=1_000, linger_ms=1, heartbeat_ms=1_000)
        resume = self._book.event_ms or options.start_ms
        self._batcher = Batcher(
            options.name, "sim", wall_ms(), partitions, policy, watermark_ms=resume
        )
        self._resume = resume
        # The city is one platform, whose name is ours to give.
        truth = [replace(i.anomaly, platform=options.name) for i in self._simulation.injections]
        write_truth(options.out / "truth.jsonl", truth)

    def run(self) -> None:
        """To the end of event time, or until a stop; what waits is sent first."""
        for booked in self._book.waiting():
            self._sink.send_booked(booked.id, booked.sealed())
        if self._book.finished():
            return
        while self._simulation.now_ms < self._resume:
            list(self._simulation.tick().shards)
        while self._simulation.now_ms < self._options.end_ms and not self._stop.is_set():
            self._stretch()
        if not self._stop.is_set():
            self._goodbye()
        self._drain()

    def _stretch(self) -> None:
        """Some ticks of event time: accepted as one, then sent."""
        sealed: list[SealedBatch] = []
        for _ in range(_TICKS):
            ticked = self._simulation.tick()
            for shard in ticked.shards:
                sealed += self._batcher.add(shard.sample, shard.partition, shard.rows, 0)
            if ticked.end_ms >= self._options.end_ms:
                break
        end = self._simulation.now_ms
        self._await_due(end)
        self._batcher.advance(end)
        sealed += self._batcher.poll(wall_ms())
        self._accept(sealed, end)

    def _await_due(self, event_ms: int) -> None:
        due = self._clock.due_ms(event_ms) or 0
        self._stop.wait(max(0.0, (due - wall_ms()) / 1000))

    def _accept(self, sealed: list[SealedBatch], event_ms: int) -> None:
        for number, batch in self._book.accept(sealed, event_ms):
            self._sink.send_booked(number, batch)
        self._sink.tell_book()

    def _goodbye(self) -> None:
        end = self._simulation.now_ms
        self._accept(self._batcher.close(wall_ms(), end, final=True), end)

    def _drain(self) -> None:
        """Until everything is acknowledged; a stop waits for a few seconds only."""
        done = False
        while not done:
            done = self._sink.flush(1.0 if not self._stop.is_set() else 5.0) or self._stop.is_set()
            self._sink.tell_book()
        self._sink.close()
        self._book.close()

    def _inject(self, population: Population) -> Sequence[Injection]:
        options, config = self._options, population.config
        rule = SpikeRule(options.spikes, 8 * _MINUTE, 12 * _MINUTE, 12 * _MINUTE, (40.0, 60.0))
        run_ms = (config.end_ms or 0) - config.start_ms
        return Planner(population).plan(spikes(rule, run_ms, population.rng))


def main() -> None:
    set_up_logs()
    options = SourceOptions.parse()
    with stop_on_signals() as stop:
        Source(options, stop).run()


if __name__ == "__main__":
    main()
