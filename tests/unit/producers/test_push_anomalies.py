"""Injected anomalies: what the ground truth says is what the rows show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from producers.errors import UsageError
from producers.simulate.anomalies import Anomaly, Injection, read_truth, write_truth
from producers.simulate.complaints import EXCESS_PHI
from producers.simulate.config import SimConfig
from producers.simulate.model import Population, Simulation
from producers.simulate.plan import Planner
from producers.simulate.requests import Request, SpikeRule, others, read_plan, spikes
from schemas.telemetry import SampleType

NOON = 1_763_956_800_000
MINUTE = 60_000


def simulation(
    *requests: Request, seed: int = 7, sessions: int = 400, speed: float | None = 60.0
) -> Simulation:
    config = SimConfig(seed, sessions, 3, 4, NOON, None, 30_000, speed)

    def plan(population: Population) -> Sequence[Injection]:
        return Planner(population).plan(requests)

    return Simulation(config, plan)


def table(sim: Simulation, minutes: int, sample: SampleType) -> pa.Table:
    end = sim.now_ms + minutes * MINUTE
    found = []
    while sim.now_ms < end:
        found += [s.rows for s in sim.tick().shards if s.sample is sample]
    return pa.Table.from_batches(found)


def measure(
    rows: pa.Table, name: str, anomaly: Anomaly, column: str = "session_id", *, inside: bool = True
) -> list[int]:
    """Values of a measure at the entity, within the anomaly's window or before it."""
    times = rows.column("event_time").cast(pa.int64()).to_numpy()
    ids = np.array(rows.column(column).to_pylist())
    within = (times >= anomaly.start_ms) & (times < anomaly.end_ms)
    keep = (ids == anomaly.entity_id) & (within if inside else times < anomaly.start_ms)
    values: list[int] = rows.column(name).to_numpy()[keep].tolist()
    return values


@pytest.mark.parametrize("level", ["session", "merchant", "category", "platform"])
def test_the_realised_excess_agrees_with_the_expected_one(level: str) -> None:
    """A z-test over seeds; counts are over-dispersed by EXCESS_PHI."""
    expected = realised = 0.0
    for seed in range(25):
        request = Request("F01", 2 * MINUTE, 20 * MINUTE, level, excess=25.0)
        sim = simulation(request, seed=seed, sessions=200, speed=None)
        for _ in range(25 * MINUTE // sim.config.tick_ms):
            sim.tick()
        expected += sim.injections[0].anomaly.expected_excess
        realised += sim.complaints.injected["a01"]
    assert expected == 25 * 25
    assert abs(realised - expected) / np.sqrt(EXCESS_PHI * expected) < 3.5


def test_a_spike_is_seen_in_the_complaint_rows_of_its_session() -> None:
    sim = simulation(Request("F01", 5 * MINUTE, 20 * MINUTE, excess=40.0))
    anomaly = sim.injections[0].anomaly
    rows = table(sim, 27, SampleType.COMPLAINTS)
    inside = sum(measure(rows, "complaints", anomaly))
    assert inside >= 20
    assert sum(measure(rows, "complaints", anomaly, inside=False)) <= 2
    codes = Counter(rows.column("code").to_pylist())
    assert codes.most_common(1)[0][0] == anomaly.code


def test_expected_excess_counts_the_first_hour_only() -> None:
    sim = simulation(Request("F01", MINUTE, 120 * MINUTE, excess=40.0))
    assert sim.injections[0].anomaly.expected_excess == 20.0


def test_a_factor_is_on_the_usual_rate() -> None:
    sim = simulation(Request("F01", MINUTE, 60 * MINUTE, "platform", factor=5.0), sessions=3000)
    anomaly = sim.injections[0].anomaly
    assert anomaly.expected_baseline > 0
    assert anomaly.expected_excess == pytest.approx(4 * anomaly.expected_baseline, rel=1e-3)


def test_a_session_that_is_hit_lives_through_it() -> None:
    sim = simulation(Request("F01", 600 * MINUTE, 30 * MINUTE))
    slot = sim.injections[0].target.slot
    assert sim.sessions.slots.end[slot] > sim.injections[0].anomaly.end_ms


@pytest.mark.parametrize(("kind", "code"), [("F02", "C06"), ("F08", "L02")])
def test_clusters_are_of_one_code_at_one_merchant(kind: str, code: str) -> None:
    sim = simulation(Request(kind, MINUTE, 20 * MINUTE, excess=20.0))
    anomaly = sim.injections[0].anomaly
    rows = table(sim, 24, SampleType.COMPLAINTS)
    rows = rows.filter(pa.compute.equal(rows.column("code"), code))
    assert sum(measure(rows, "complaints", anomaly, "merchant_pid")) >= 8


def test_viewers_jump_without_interactions() -> None:
    sim = simulation(Request("F04", 10 * MINUTE, 10 * MINUTE, factor=20.0))
    anomaly = sim.injections[0].anomaly
    rows = table(sim, 20, SampleType.VIEWERS)
    before = np.mean(measure(rows, "viewers", anomaly, inside=False))
    assert np.mean(measure(rows, "viewers", anomaly)) / before == pytest.approx(20, rel=0.5)
    liked = np.mean(measure(rows, "interactions", anomaly, inside=False))
    assert np.mean(measure(rows, "interactions", anomaly)) < 2 * liked + 1


@pytest.mark.parametrize(
    ("kind", "name", "column"),
    [("F03", "orders", "session_id"), ("F05", "refunds", "merchant_pid")],
)
def test_orders_and_refunds_surge(kind: str, name: str, column: str) -> None:
    request = Request(kind, 40 * MINUTE, 40 * MINUTE, factor=10.0)
    sim = simulation(request, sessions=1500)
    anomaly = sim.injections[0].anomaly
    rows = table(sim, 80, SampleType.ORDERS)
    before = sum(measure(rows, name, anomaly, column, inside=False))
    assert sum(measure(rows, name, anomaly, column)) > 3 * max(before, 1)


def test_orders_go_on_without_viewers() -> None:
    sim = simulation(Request("F07", 5 * MINUTE, 30 * MINUTE, factor=30.0), sessions=1500)
    anomaly = sim.injections[0].anomaly
    end = sim.now_ms + 36 * MINUTE
    viewers, orders = [], 0
    while sim.now_ms < end:
        for shard in sim.tick().shards:
            rows = pa.Table.from_batches([shard.rows])
            if shard.sample is SampleType.VIEWERS:
                viewers += measure(rows, "viewers", anomaly)
            elif shard.sample is SampleType.ORDERS:
                orders += sum(measure(rows, "orders", anomaly))
    assert set(viewers) == {0}
    assert orders > 0


def test_values_freeze() -> None:
    sim = simulation(Request("F11", 5 * MINUTE, 20 * MINUTE, mode="frozen"))
    anomaly = sim.injections[0].anomaly
    rows = table(sim, 25, SampleType.VIEWERS)
    assert len(set(measure(rows, "viewers", anomaly))) == 1
    assert len(measure(rows, "viewers", anomaly)) > 30


def test_a_category_shifts_on_one_platform() -> None:
    sim = simulation(Request("F06", 0, 10 * MINUTE, platform="p01", category="food"))
    anomaly = sim.injections[0].anomaly
    assert (anomaly.platform, anomaly.category, anomaly.entity_id) == ("p01", "food", "food")


def test_automatic_spikes_are_spread_over_sessions_and_merchants() -> None:
    rule = SpikeRule(6)
    asked = spikes(rule, 120 * MINUTE, np.random.default_rng(1))
    sim = simulation(*asked, sessions=5000)
    truth = [i.anomaly for i in sim.injections]
    assert {a.entity_type for a in truth} == {"session", "merchant"}
    assert len({a.merchant_pid for a in truth}) == 6
    assert len({(a.platform, a.category) for a in truth}) == 6
    for a in truth:
        assert a.start_ms >= NOON + 30 * MINUTE
        assert a.end_ms <= NOON + 120 * MINUTE
        assert 20 * MINUTE <= a.end_ms - a.start_ms <= 30 * MINUTE
        assert 20 <= a.expected_excess <= 40


def test_spikes_need_a_long_enough_run() -> None:
    with pytest.raises(UsageError, match="at least 60m"):
        spikes(SpikeRule(1), 20 * MINUTE, np.random.default_rng(1))


def test_one_of_every_kind_can_be_injected() -> None:
    kinds = ["F01", "F02", "F03", "F04", "F05", "F06", "F07", "F08", "F09", "F10"]
    kinds += ["F11:gap", "F11:frozen", "F12"]
    sim = simulation(*others(kinds, 0, 60 * MINUTE), sessions=2000)
    repeated = ["F02", "F08", "F01"]
    assert [i.anomaly.kind for i in sim.injections] == [k[:3] for k in kinds] + repeated
    gap = sim.injections[10].anomaly
    assert (gap.entity_type, gap.entity_id, gap.mode) == ("source", "sim-3", "gap")
    for _ in range(60):
        sim.tick()


def test_the_truth_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    truth = [i.anomaly for i in simulation(Request("F01", 0, MINUTE)).injections]
    write_truth(path, truth)
    assert list(read_truth(path)) == truth
    path.write_text("{}\n")
    with pytest.raises(UsageError, match="line 1 is not an anomaly"):
        list(read_truth(path))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "is not JSON"),
        ("{}", "must be a list"),
        ('[{"kind": "F13"}]', "entry 1: kind must be one of"),
        ('[{"kind": "F01", "x": 1}]', "entry 1: 'x' is not one of"),
        ('[{"kind": "F01", "start": "5m"}]', "duration must be a duration"),
        ('[{"kind": "F01", "start": "5m", "duration": "5m", "excess": -1}]', "above 0"),
    ],
)
def test_a_wrong_plan_is_told_what_is_wrong(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=error):
        read_plan(path)


def test_a_plan_can_name_its_entities(tmp_path: Path) -> None:
    known = simulation().city.merchant_pid[0].decode()
    path = tmp_path / "plan.json"
    path.write_text(
        '[{"kind": "F01", "entity_type": "category", "category": "food", "platform": "p01",'
        ' "start": "5m", "duration": "10m", "factor": 4},'
        ' {"kind": "F11", "entity_type": "source", "platform": "p02", "start": "1m",'
        ' "duration": "2m"}]'
    )
    first, second = (i.anomaly for i in simulation(*read_plan(path)).injections)
    assert (first.entity_id, first.platform, first.factor) == ("food", "p01", 4)
    assert (second.entity_id, second.mode) == ("sim-2", "gap")
    with pytest.raises(UsageError, match="no live session"):
        simulation(Request("F01", 0, MINUTE, "merchant", entity_id="f" * 32))
    assert len(known) == 32
