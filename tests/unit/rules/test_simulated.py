"""Rules on the simulator's rows, held against the truth that it wrote down: F05 and F06.

minutes    0         90      130 140     170 180
injected              |=F05===|   |==F06==|       everything else is as usual
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from pipelines.core.detect import Grade
from pipelines.core.rules import RuleBoard, RuleEvent
from pipelines.core.rules.boards import merchant_board, platform_board
from pipelines.core.rules.episodes import Change
from producers.simulate.anomalies import Anomaly, Injection
from producers.simulate.config import SimConfig
from producers.simulate.model import Population, Simulation, Ticked
from producers.simulate.plan import Planner
from producers.simulate.requests import others
from schemas.telemetry import SampleType

NOON, MINUTE = 1_763_956_800_000, 60_000
MINUTES, SESSIONS, PLATFORMS = 180, 1_000, 3
Told = tuple[str, int, Grade, int]
"""(rule, series, highest grade of the episode, minute of the run in which that was reached)."""


class Day:
    """A run of the simulator through the boards of merchants and platforms."""

    def __init__(self, kinds: Sequence[str], seed: int) -> None:
        def plan(population: Population) -> Sequence[Injection]:
            return Planner(population).plan(others(kinds, 90 * MINUTE, MINUTES * MINUTE))

        self.sim = Simulation(
            SimConfig(seed, SESSIONS, PLATFORMS, 4, NOON, None, MINUTE, None), plan
        )
        city = self.sim.city
        self.pids = [pid.decode() for pid in city.merchant_pid.tolist()]
        self._place = {pid: i for i, pid in enumerate(self.pids)}
        self._goods = city.merchant_category
        self._group = city.merchant_platform.astype(np.int64) * 12 + self._goods
        self._live = np.zeros(len(self.pids), bool)
        self._boards = merchant_board(), platform_board()
        self.told: dict[tuple[str, int, int], Told] = {}
        for minute in range(MINUTES):
            self._take(minute, self.sim.tick())

    def _take(self, minute: int, ticked: Ticked) -> None:
        orders, refunds = (np.zeros(len(self.pids), np.int64) for _ in range(2))
        mix = np.zeros((PLATFORMS, 12), np.int64)
        for shard in ticked.shards:
            if shard.sample is not SampleType.ORDERS:
                continue
            rows = pa.Table.from_batches([shard.rows]).select(["merchant_pid", "orders", "refunds"])
            sums = rows.group_by("merchant_pid").aggregate([("orders", "sum"), ("refunds", "sum")])
            at = np.array([self._place[pid] for pid in sums.column("merchant_pid").to_pylist()])
            sold = sums.column("orders_sum").to_numpy().astype(np.int64)
            np.add.at(orders, at, sold)
            np.add.at(refunds, at, sums.column("refunds_sum").to_numpy().astype(np.int64))
            np.add.at(mix[shard.platform], self._goods[at], sold)
            self._live[at] = True
        shops, platforms = self._boards
        self._close(shops, minute, {"orders": orders, "refunds": refunds}, self._group)
        sales = {"orders": mix.sum(axis=1), "mix": mix}
        self._close(platforms, minute, sales, np.zeros(PLATFORMS, np.int64))

    def _close(
        self, board: RuleBoard, minute: int, columns: dict[str, np.ndarray], group: np.ndarray
    ) -> None:
        known = np.ones(len(group), bool)
        live = self._live if len(group) == len(self._live) else known
        for event in board.close_minute(NOON // MINUTE + minute, columns, known, live, group):
            self._note(minute, event)

    def _note(self, minute: int, event: RuleEvent) -> None:
        if event.change in (Change.OPENED, Change.ESCALATED):
            key = (event.rule.id, event.slot, event.onset)
            self.told[key] = (event.rule.id, event.slot, event.grade, minute)

    def flags(self, least: Grade) -> list[Told]:
        """Episodes that reached ``least``."""
        return [one for one in self.told.values() if one[2] >= least]

    def series(self, anomaly: Anomaly) -> int:
        """Number of the merchant or the platform that was hit."""
        if anomaly.entity_type == "merchant":
            return self.pids.index(anomaly.entity_id)
        return list(self.sim.city.platforms).index(anomaly.platform)


@pytest.fixture(scope="module")
def day() -> Day:
    return Day(["F05", "F06"], 28)


@pytest.mark.parametrize("kind", ["F05", "F06"])
def test_it_is_found_on_what_was_hit_within_its_time(day: Day, kind: str) -> None:
    anomaly = next(i.anomaly for i in day.sim.injections if i.anomaly.kind == kind)
    first, last = ((ms - NOON) // MINUTE for ms in (anomaly.start_ms, anomaly.end_ms))
    found = [one for one in day.flags(Grade.RAISED) if one[:2] == (kind, day.series(anomaly))]
    assert len(found) == 1
    assert first < found[0][3] <= last


def test_nothing_else_is_raised(day: Day) -> None:
    hit = {(i.anomaly.kind, day.series(i.anomaly)) for i in day.sim.injections}
    assert {one[:2] for one in day.flags(Grade.RAISED)} == hit


def test_a_clean_stretch_stays_quiet() -> None:
    assert Day([], 25).flags(Grade.RAISED) == []
