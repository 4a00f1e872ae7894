"""Hours, days and the life of a session, across restarts at any minute."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.core.life import Life
from pipelines.core.partials import Rows
from pipelines.core.quantiles import EDGES, bucket, quantile
from pipelines.core.rollup.values import is_night
from pipelines.core.spans import Spans, pack, unpack

DAY = 1_440
MIDNIGHT = 20_000 * DAY - 480
"""A minute at which a day begins in Shanghai."""
FOOD, AGENCY = ("category", "p", "food"), ("mcn", "p", "a")


def rows(food: int, agency: int = 0) -> Rows:
    sums = np.array([food, agency])
    return Rows([FOOD, AGENCY], {"complaints": sums * 0, "orders": sums, "paid_fen": 100 * sums})


def paid(spans: Spans, minute: int, first: int, last: int) -> list[int]:
    sums: list[int] = spans.days.window(minute, first, last)[2].tolist()
    return sums


def test_days_are_those_of_shanghai() -> None:
    """...|--yesterday--|midnight|--today--|"""
    spans = Spans(5)
    spans.add_minute(MIDNIGHT - 1, rows(3, 1))
    spans.add_minute(MIDNIGHT + 4, rows(5))
    assert paid(spans, MIDNIGHT + 4, 0, 0) == [500, 0]
    assert paid(spans, MIDNIGHT + 4, 0, 6) == [800, 100]
    assert paid(spans, MIDNIGHT + 4, 1, 28) == [300, 100]
    assert paid(spans, MIDNIGHT + 7 * DAY, 0, 6) == [0, 0]
    assert spans.hours.window(MIDNIGHT + 4, 0, 23)[2].tolist() == [800]


def test_a_ring_that_comes_round_forgets_what_stood_there() -> None:
    spans = Spans(5)
    for day in range(80):
        spans.add_minute(MIDNIGHT + day * DAY + 4, rows(1))
    assert paid(spans, MIDNIGHT + 79 * DAY + 4, 0, 29)[0] == 3_000


@pytest.mark.parametrize("stop", [3, 5, 8, 10])
def test_a_restart_counts_every_minute_once(stop: int) -> None:
    whole, before = Spans(5), Spans(5)
    kept = before.to_arrays()
    for i in range(12):
        whole.add_minute(MIDNIGHT + i, rows(i, 1))
    for i in range(stop):
        before.add_minute(MIDNIGHT + i, rows(i, 1))
        if (MIDNIGHT + i + 1) % 5 == 0:
            kept = before.to_arrays()
    after = Spans(5)
    after.restore({name: values.copy() for name, values in kept.items()})
    for i in range(stop // 5 * 5, 12):
        after.add_minute(MIDNIGHT + i, unpack(pack(rows(i, 1))))
    assert paid(after, MIDNIGHT + 11, 0, 0) == paid(whole, MIDNIGHT + 11, 0, 0)


def columns(peak: int, unique: int, orders: int) -> dict[str, np.ndarray]:
    return {"peak": np.array([peak]), "unique": np.array([unique]), "orders": np.array([orders])}


@pytest.mark.parametrize("stop", [2, 5, 7])
def test_the_life_of_a_session(stop: int) -> None:
    minutes = [columns(p, u, 1) for p, u in [(5, 9), (80, 0), (3, 40), (0, 0), (9, 60)] * 2]
    before, kept = Life(5), {}
    for i, one in enumerate(minutes[:stop]):
        before.add_minute(i, one)
        if (i + 1) % 5 == 0:
            kept = before.to_arrays()
    after = Life(5)
    after.restore(kept)
    for i in range(stop // 5 * 5, 10):
        after.add_minute(i, minutes[i])
    assert [int(after.figure(n)[0]) for n in ("peak", "unique", "orders")] == [80, 60, 10]
    after.reset(np.array([0]))
    assert int(after.figure("peak")[0]) == 0


def test_the_night_goes_over_midnight() -> None:
    nights = [is_night(MIDNIGHT + 60 * hour) for hour in range(24)]
    assert [h for h, night in enumerate(nights) if night] == [0, 1, 18, 19, 20, 21, 22, 23]


@pytest.mark.parametrize("indicator", EDGES)
def test_a_quantile_is_the_edge_above_it_and_parts_add_up(indicator: str) -> None:
    rng = np.random.default_rng(1)
    edges = np.array(EDGES[indicator])
    values = rng.lognormal(1, 2, 501)
    counts = np.bincount(bucket(indicator, values), minlength=len(edges) + 1)
    exact = float(np.sort(values)[250])
    assert quantile(indicator, counts, 0.5) == edges[edges >= exact][0]
    halves = [
        np.bincount(bucket(indicator, v), minlength=len(edges) + 1)
        for v in (values[:99], values[99:])
    ]
    assert (halves[0] + halves[1] == counts).all()
    assert np.isnan(quantile(indicator, counts * 0, 0.5))
    top = np.bincount(bucket(indicator, np.array([1e12])), minlength=len(edges) + 1)
    assert quantile(indicator, top, 0.5) == edges[-1]
