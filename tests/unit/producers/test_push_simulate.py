"""The city as the domain page describes it, and its rows as the contract wants them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from producers.batcher import Batcher, SealPolicy
from producers.errors import UsageError
from producers.simulate import calendar
from producers.simulate.city import MAX_PEAK, build_city, peak_viewers
from producers.simulate.complaints import CODES, SHARES
from producers.simulate.config import SimConfig
from producers.simulate.model import Simulation
from producers.simulate.plan import Planner
from producers.simulate.requests import Request
from producers.simulate.sampling import DWELL_MS
from producers.simulate.sessions import hours
from schemas.batch import decode
from schemas.sharding import shard_of
from schemas.telemetry import SampleType

# 2025-11-24 12:00 in Shanghai
NOON = 1_763_956_800_000
HOUR = 3_600_000


def config(**changes: object) -> SimConfig:
    base: dict[str, object] = {
        "seed": 7, "sessions": 400, "platforms": 3, "partitions": 4, "start_ms": NOON,
        "end_ms": None, "sample_every_ms": 10_000, "speed": 60.0,
    }  # fmt: skip
    return SimConfig(**(base | changes))  # type: ignore[arg-type]


def run(simulation: Simulation, ticks: int) -> list[pa.RecordBatch]:
    return [s.rows for _ in range(ticks) for s in simulation.tick().shards]


def totals(simulation: Simulation, ticks: int) -> Counter[str]:
    """Sums of all measures, and rows per sample type."""
    found: Counter[str] = Counter()
    for _ in range(ticks):
        for shard in simulation.tick().shards:
            found[f"{shard.sample.value} rows"] += shard.rows.num_rows
            for name in ("orders", "refunds", "complaints", "viewers"):
                if name in shard.rows.schema.names:
                    found[name] += int(shard.rows.column(name).to_numpy().sum())
    return found


def test_the_same_seed_gives_the_same_rows() -> None:
    one, two = (run(Simulation(config()), 60) for _ in range(2))
    assert len(one) == len(two) > 60
    assert all(a.equals(b) for a, b in zip(one, two, strict=True))


def test_another_seed_or_start_gives_other_sessions() -> None:
    first = run(Simulation(config()), 1)[0].column("session_id").to_pylist()
    for changed in (config(seed=8), config(start_ms=NOON + 1)):
        assert run(Simulation(changed), 1)[0].column("session_id").to_pylist() != first


def test_merchants_are_the_same_in_every_run_of_a_seed() -> None:
    one, two = Simulation(config()), Simulation(config(start_ms=NOON + HOUR))
    assert (one.city.merchant_pid == two.city.merchant_pid).all()


def test_every_batch_follows_the_contract() -> None:
    spike = Request("F01", 0, 600_000, "platform", excess=200.0)
    simulation = Simulation(config(sessions=1500), lambda p: Planner(p).plan([spike]))
    policy = SealPolicy(max_rows=500)
    batchers = [Batcher(p, f"sim-{p}", 1, 4, policy) for p in simulation.city.platforms]
    samples: Counter[SampleType] = Counter()
    for _ in range(100):
        ticked = simulation.tick()
        sealed = []
        for shard in ticked.shards:
            sealed += batchers[shard.platform].add(
                shard.sample, shard.partition, shard.rows, ticked.end_ms
            )
        for batcher in batchers:
            batcher.advance(ticked.end_ms)
            sealed += batcher.poll(ticked.end_ms)
        for batch in sealed:
            decoded = decode(batch.value, batch.header, ticked.end_ms)
            assert decoded.refused == []
            samples[batch.header.identity.sample] += decoded.table.num_rows
            ids = [i.encode() for i in decoded.table.column("session_id").to_pylist()]
            assert set(shard_of(ids, 4).tolist()) <= {batch.header.identity.partition}
    assert min(samples[t] for t in SampleType) > 0


def test_event_times_lie_within_their_tick() -> None:
    simulation = Simulation(config())
    for _ in range(30):
        ticked = simulation.tick()
        for shard in ticked.shards:
            times = shard.rows.column(0).cast(pa.int64()).to_numpy()
            assert times.min() >= ticked.start_ms
            assert times.max() < ticked.end_ms


def test_each_session_has_one_viewers_row_a_period() -> None:
    simulation = Simulation(config(sessions=300))
    ids: Counter[str] = Counter()
    live = simulation.live
    for rows in run(simulation, simulation.config.phases):
        if "viewers" in rows.schema.names:
            ids.update(rows.column("session_id").to_pylist())
    assert set(ids.values()) == {1}
    assert len(ids) == pytest.approx(live, rel=0.05)


def test_peak_viewers_follow_a_power_law() -> None:
    peak = peak_viewers(np.random.default_rng(1), 400_000)
    p50, p90, p99 = np.quantile(peak, [0.5, 0.9, 0.99])
    assert p50 == pytest.approx(50, rel=0.03)
    assert p90 == pytest.approx(800, rel=0.05)
    assert p99 == pytest.approx(7_700, rel=0.08)
    assert peak.max() <= MAX_PEAK
    # Pareto tail: P(X > 10x) = 10^-1.2 P(X > x)
    share = (peak > 80_000).sum() / (peak > 8_000).sum()
    assert share == pytest.approx(10**-1.2, rel=0.35)


def test_durations_have_the_median_of_three_hours_and_24_h_rooms() -> None:
    lasting = hours(np.random.default_rng(1), 200_000)
    p50, p90 = np.quantile(lasting, [0.5, 0.9])
    assert p50 == pytest.approx(3, rel=0.05)
    assert p90 == pytest.approx(8, rel=0.06)
    assert (lasting == 24).mean() > 0.009


@pytest.mark.parametrize(
    ("hour", "weight"),
    [(4, 0.2), (12, 1.0), (19, 2.5), (21, 2.5), (23, 2.5), (8, 0.6), (1.5, 1.35)],
)
def test_hour_weights(hour: float, weight: float) -> None:
    assert float(calendar.hour_weight(hour)) == pytest.approx(weight)


def test_hours_are_those_of_shanghai() -> None:
    assert float(calendar.local_hour(NOON)) == 12


@pytest.mark.parametrize(
    ("day", "factor"),
    [("2026-06-18", 5), ("2026-05-02", 2), ("2026-05-25", 3), ("2026-11-11", 5), ("2026-03-01", 1)],
)
def test_festivals(day: str, factor: float) -> None:
    from producers.units import parse_time

    assert calendar.festival_factor(parse_time(f"{day}T12:00+08:00")) == factor


def test_viewers_in_total_follow_the_hour_weights() -> None:
    evening = Simulation(config(sessions=5000, start_ms=NOON + 9 * HOUR))
    noon = Simulation(config(sessions=5000))
    level = [
        s.sessions.audience(s.now_ms) * calendar.concurrency(s.now_ms, s.sessions._survival)
        for s in (noon, evening)
    ]
    assert level[1] / level[0] == pytest.approx(2.5)


def test_a_city_of_50_000_sessions_makes_5_million_orders_a_day() -> None:
    """In expectation, over the stationary population, at the day's mean audience."""
    simulation = Simulation(config(sessions=200_000, speed=None))
    s, live = simulation.sessions.slots, np.concatenate(simulation._phases)
    per_ms = (s.peak[live] * s.conversion[live]).mean() * 0.93 / DWELL_MS
    assert per_ms * 24 * HOUR * 50_000 == pytest.approx(5.5e6, rel=0.15)
    share = s.conversion[live]
    assert share.min() >= 0.005
    assert share.max() <= 0.0501


def test_complaints_and_refunds_per_order_are_as_in_the_domain() -> None:
    simulation = Simulation(config(sessions=60_000, sample_every_ms=60_000, speed=None))
    found = totals(simulation, 25 * simulation.config.phases)
    assert found["orders"] > 40_000
    assert 5 <= 10_000 * found["complaints"] / found["orders"] <= 20
    assert 0.2 <= found["refunds"] / found["orders"] <= 0.6


def test_complaint_rates_differ_by_category_and_between_merchants() -> None:
    city = build_city(np.random.default_rng(1), 100_000, 3)
    by_category = [1e4 * city.complaint_rate[city.merchant_category == c].mean() for c in range(12)]
    assert min(by_category) > 4.5
    assert max(by_category) < 30
    log_sd = np.log(city.complaint_rate[city.merchant_category == 1]).std()
    assert log_sd == pytest.approx(0.5, abs=0.03)


def test_complaint_codes_have_the_shares_of_the_consumer_association() -> None:
    assert sum(SHARES.values()) == pytest.approx(100)
    assert sum(v for c, v in SHARES.items() if c.startswith("C03")) == pytest.approx(22.69)
    assert set(CODES) >= set(SHARES)


def test_sessions_come_and_go_and_their_number_follows_the_hour() -> None:
    simulation = Simulation(config(sessions=2000, sample_every_ms=60_000, speed=None))
    before = set(simulation.sessions.slots.session_id.tolist())
    for _ in range(4 * 60):
        simulation.tick()
    survival = simulation.sessions._survival
    expected = 2000 * (
        calendar.concurrency(simulation.now_ms, survival) / calendar.concurrency(NOON, survival)
    )
    assert simulation.live == pytest.approx(expected, rel=0.12)
    assert len(set(simulation.sessions.slots.session_id.tolist()) - before) > 500


@pytest.mark.parametrize("changes", [{"sessions": 0}, {"sessions": 1_000_001}, {"platforms": 0}])
def test_what_cannot_be_simulated_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="must be from"):
        config(**changes)


def test_one_session_is_enough() -> None:
    assert sum(r.num_rows for r in run(Simulation(config(sessions=1)), 60)) > 0
