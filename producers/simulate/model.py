"""The simulation: ticks of event time in, rows out. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from producers.arrays import I64
from producers.simulate.anomalies import Injection
from producers.simulate.care import Care
from producers.simulate.city import City, build_city
from producers.simulate.complaints import Complaints
from producers.simulate.config import SimConfig
from producers.simulate.effects import Effects
from producers.simulate.rows import RowMaker, Shard
from producers.simulate.sampling import Sampler
from producers.simulate.sessions import Sessions

Planner = Callable[["Population"], Sequence[Injection]]


@dataclass(frozen=True)
class Population:
    """What is known at the start, from which anomalies choose what they hit."""

    config: SimConfig
    city: City
    sessions: Sessions
    live: I64
    rng: np.random.Generator


@dataclass(frozen=True)
class Ticked:
    """Everything that happened in the event time [start_ms, end_ms)."""

    start_ms: int
    end_ms: int
    shards: Iterator[Shard]


class Simulation:
    """A city from one seed: the same configuration and plan give the same rows."""

    def __init__(self, config: SimConfig, planner: Planner = lambda _: ()) -> None:
        self.config = config
        seeds = np.random.SeedSequence(config.seed).spawn(2)
        city_rng, plan_rng = (np.random.default_rng(s) for s in seeds)
        # Sessions differ from run to run, merchants do not: the start is part of their seed.
        run = np.random.SeedSequence([config.seed, config.start_ms]).spawn(4)
        session_rng, sample_rng, complaint_rng, care_rng = (np.random.default_rng(s) for s in run)
        self.city = build_city(city_rng, config.sessions, config.platforms)
        self.sessions = Sessions(self.city, config, session_rng)
        self._rng = session_rng
        live = self.sessions.initial(config.start_ms)
        sampler = Sampler(self.city, self.sessions, sample_rng)
        sampler.settle(live, config.start_ms, config.sample_every_ms)
        self._sampler = sampler
        population = Population(config, self.city, self.sessions, live, plan_rng)
        self.injections = tuple(planner(population))
        slots = self.sessions.slots
        self.effects = Effects(self.city, self.sessions, self.injections)
        self.complaints = Complaints(self.city, slots, self.injections, complaint_rng)
        self.care = Care(self.city, slots, config.start_ms, care_rng)
        self._rows = RowMaker(self.city, slots, self.care, config.partitions)
        self._phases: list[I64] = [np.empty(0, np.int64) for _ in range(config.phases)]
        self._join(live)
        self.now_ms = config.start_ms
        self._tick = 0

    @property
    def live(self) -> int:
        """Sessions on air."""
        return sum(len(p) for p in self._phases)

    def tick(self) -> Ticked:
        """Advance by one tick. The shards must be consumed before the next call."""
        start, end = self.now_ms, self.now_ms + self.config.tick_ms
        phase = self._tick % self.config.phases
        slots = self._phases[phase]
        self.effects.update(start)
        sample = self._sampler.sample(slots, start, self.effects)
        complaints = self.complaints.draw(sample, start, end)
        shards = list(self._rows.shards(sample, complaints, self.effects)) if len(slots) else []
        ended = self.sessions.slots.end[slots] <= sample.event_ms
        self._phases[phase] = slots[~ended]
        self.sessions.release(slots[ended])
        new = self.sessions.arrivals(start, end)
        self.effects.arrived(new)
        self._join(new)
        self.now_ms, self._tick = end, self._tick + 1
        return Ticked(start, end, iter(shards))

    def _join(self, slots: I64) -> None:
        """Spread sessions over the phases, each kept sorted by platform and partition."""
        keys = self.sessions.slots.key
        turn = self._rng.integers(0, self.config.phases, len(slots))
        for phase in np.unique(turn).tolist():
            new = slots[turn == phase]
            new = new[np.argsort(keys[new], kind="stable")]
            old = self._phases[phase]
            where = np.searchsorted(keys[old], keys[new])
            self._phases[phase] = np.insert(old, where, new)
