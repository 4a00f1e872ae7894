"""What the simulator says of shipping, vouchers, answers and reviews (contract 1.1)."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from producers.simulate.anomalies import Injection
from producers.simulate.city import CERTIFIED
from producers.simulate.config import SimConfig
from producers.simulate.model import Population, Simulation
from producers.simulate.plan import Planner
from producers.simulate.requests import Request
from schemas.telemetry import SampleType

NOON = 1_763_956_800_000
MINUTES = 6


def spike(population: Population) -> list[Injection]:
    return Planner(population).plan([Request("F01", 0, MINUTES * 60_000, "platform", excess=300.0)])


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    config = SimConfig(3, 1_500, 3, 4, NOON, None, 10_000, None)
    return Simulation(config, spike)


@pytest.fixture(scope="module")
def tables(simulation: Simulation) -> dict[SampleType, pa.Table]:
    parts: dict[SampleType, list[pa.RecordBatch]] = {t: [] for t in SampleType}
    while simulation.now_ms < NOON + MINUTES * 60_000:
        for shard in simulation.tick().shards:
            parts[shard.sample].append(shard.rows)
    return {t: pa.Table.from_batches(some).unify_dictionaries() for t, some in parts.items()}


def total(table: pa.Table, name: str) -> int:
    return pc.sum(table[name]).as_py() or 0


def test_the_ground_truth_is_what_was_sent(
    simulation: Simulation, tables: dict[SampleType, pa.Table]
) -> None:
    truth = simulation.care.truth
    orders, complaints = tables[SampleType.ORDERS], tables[SampleType.COMPLAINTS]
    for name in ("due_48h", "shipped_48h", "vouchers_redeemed"):
        assert truth[name] == total(orders, name) > 0
    for name in ("responded", "resolved", "closed"):
        assert truth[name] == total(complaints, name) > 0
    reviews = tables[SampleType.REVIEWS]
    assert truth["reviews"] == total(reviews, "reviews") > 0
    outcomes = Counter(reviews["outcome"].to_pylist())
    assert {k: truth[f"review_rows_{k}"] for k in outcomes} == outcomes
    within = orders.filter(pc.less(pc.fill_null(orders["cohort_days"], 0), 7))
    assert truth["refunds_within_7d"] == total(within, "refunds")
    both = truth["refunds_within_7d"] + truth["refunds_later"]
    assert both == total(orders, "refunds") > truth["refunds_within_7d"] > 0


def test_what_makes_no_sense_is_null_and_parts_are_no_more_than_their_whole(
    tables: dict[SampleType, pa.Table],
) -> None:
    orders, complaints = tables[SampleType.ORDERS], tables[SampleType.COMPLAINTS]
    refunded = pc.greater(orders["refunds"], 0)
    assert pc.all(pc.equal(refunded, pc.is_valid(orders["cohort_days"]))).as_py()
    services = pc.equal(orders["category"].cast(pa.utf8()), "life_services")
    assert pc.all(pc.equal(services, pc.is_valid(orders["vouchers_redeemed"]))).as_py()
    assert pc.all(pc.equal(services, pc.is_null(orders["due_48h"]))).as_py()
    assert pc.all(pc.less_equal(orders["shipped_48h"], orders["due_48h"])).as_py()
    assert pc.all(pc.less_equal(complaints["resolved"], complaints["closed"])).as_py()
    answered = pc.greater(complaints["responded"], 0)
    assert pc.all(pc.equal(answered, pc.is_valid(complaints["response_minutes"]))).as_py()


def test_shares_are_plausible(tables: dict[SampleType, pa.Table]) -> None:
    orders, viewers = tables[SampleType.ORDERS], tables[SampleType.VIEWERS]
    assert 0.88 < total(orders, "shipped_48h") / total(orders, "due_48h") < 0.995
    sessions = viewers.group_by(["session_id", "streamer_certified"]).aggregate([])
    share = np.mean(sessions["streamer_certified"].to_pylist())
    assert abs(share - CERTIFIED) < 0.05
    reviews = tables[SampleType.REVIEWS]
    live = set(viewers.filter(pc.greater(viewers["viewers"], 0))["session_id"].to_pylist())
    reviewed = set(reviews["session_id"].to_pylist())
    assert reviewed <= live
    assert 0.9 < len(reviewed) / len(live) < 1
    rows_per_minute = reviews.num_rows / MINUTES / len(live)
    assert 0.7 < rows_per_minute < 1
    assert 300 < float(np.median(reviews["latency_ms"].to_numpy())) < 1_200
