"""The simulator's rows through both real stages, in memory: as Kafka would hand them on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipelines.agents.fold import FoldStage
from pipelines.agents.rollup import RollupStage
from pipelines.agents.stage import Record
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.clock import ClockPolicy, TopicClock
from pipelines.core.partials import CELLS_TOPIC
from pipelines.instruments import Instruments
from producers.simulate.anomalies import Anomaly, Injection
from producers.simulate.config import SimConfig
from producers.simulate.model import Population, Simulation, Ticked
from producers.simulate.plan import Planner, source_id
from producers.simulate.requests import Request
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, to_headers
from schemas.telemetry import ARROW, MAX_ROWS, SampleType

MINUTE = 60_000
NOTHING = {t: pa.RecordBatch.from_pylist([], schema=ARROW[t]) for t in SampleType}


class Stages:
    """The first and the second stage, one partition each; `flags` is all that they told."""

    def __init__(self, fold: FoldStage | None = None, roll: RollupStage | None = None) -> None:
        self.fold = fold or FoldStage(0, 1, Instruments(), ClockPolicy(0, 10**12))
        self.roll = roll or RollupStage(1)
        for stage in (self.fold, self.roll):
            stage.load(None, {}, 1 << 40)
        self.flags: list[FlagEvent] = []
        self._next: dict[tuple[str, str], int] = {}
        self._offset: dict[str, int] = {}

    def take(self, ticked: Ticked, platforms: Sequence[str]) -> None:
        """A tick of the simulator: its rows, heartbeats, looks, and what may close then."""
        for shard in ticked.shards:
            for first in range(0, shard.rows.num_rows, MAX_ROWS):
                rows = shard.rows.slice(first, MAX_ROWS)
                self._send(platforms[shard.platform], shard.platform, shard.sample, rows, ticked)
        for number, platform in enumerate(platforms):
            for sample in SampleType:
                self._send(platform, number, sample, NOTHING[sample], ticked)
        looked = self.fold.tick(ticked.end_ms)
        self._hand_on(looked.messages)
        self.flags += looked.flags + self.roll.tick(ticked.end_ms).flags
        self._close(ticked.end_ms)

    def _send(
        self, platform: str, number: int, sample: SampleType, rows: pa.RecordBatch, ticked: Ticked
    ) -> None:
        """A batch; an empty one is a heartbeat and promises that the tick is complete."""
        key, topic = (platform, sample.topic), sample.topic
        sequence = self._next[key] = self._next.get(key, -1) + 1
        offset = self._offset[topic] = self._offset.get(topic, -1) + 1
        ident = BatchIdentity(platform, source_id(number), 1, topic, 0, sequence)
        watermark = ticked.start_ms if rows.num_rows else ticked.end_ms
        header = BatchHeader(ident, rows.num_rows, ticked.end_ms, watermark)
        body, headers = encode(rows), tuple(to_headers(header))
        work = self.fold.fold(Record(topic, 0, offset, ticked.end_ms + 100, body, headers))
        assert work.dead is None, work.dead

    def _hand_on(self, messages: Sequence[bytes]) -> None:
        for message in messages:
            self.roll.fold(Record(CELLS_TOPIC, 0, 0, 0, message, ()))

    def _close(self, now_ms: int) -> None:
        clocks = {t.topic: TopicClock(now_ms, True) for t in SampleType}
        for minute in self.fold.ready(clocks):
            closed = self.fold.close(minute, now_ms, {})
            self.flags += closed.flags
            self._hand_on(closed.messages)
        for minute in self.roll.ready({CELLS_TOPIC: TopicClock(now_ms, True)}):
            self.flags += self.roll.close(minute, now_ms, {}).flags


class CityDay:
    """A run of the simulator with what is asked for injected, through both stages."""

    def __init__(
        self,
        requests: Sequence[Request],
        seed: int,
        start_ms: int,
        minutes: int,
        sessions: int = 300,
        stages: Stages | None = None,
    ) -> None:
        def plan(population: Population) -> Sequence[Injection]:
            return Planner(population).plan(requests)

        config = SimConfig(seed, sessions, 3, 1, start_ms, None, MINUTE, None)
        self.sim = Simulation(config, plan)
        self.stages = stages or Stages()
        for _ in range(minutes):
            self.stages.take(self.sim.tick(), self.sim.city.platforms)

    @property
    def truth(self) -> list[Anomaly]:
        return [one.anomaly for one in self.sim.injections]

    def told(self, rule: str) -> Iterator[FlagEvent]:
        """Flags of a rule that reached raised or more, at each grade that they reached."""
        for flag in self.stages.flags:
            begins = flag.event in ("opened", "escalated")
            if flag.rule == rule and begins and flag.grade != "watch":
                yield flag
