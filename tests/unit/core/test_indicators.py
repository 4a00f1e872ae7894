"""The formulas of DOMAIN section 5, by hand, and what is unknown."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.core import indicators as ind
from pipelines.core.metrics import LAG_EDGES_MS, LAG_NAMES, lag_bucket


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_order_value_is_yuan_and_unknown_without_orders() -> None:
    value = ind.order_value_yuan(ints(18_000, 0), ints(2, 0))
    assert value[0] == 90.0
    assert math.isnan(value[1])


def test_orders_per_1000_viewer_minutes() -> None:
    # 3 orders over 1,500 viewer-minutes: 2 per 1,000
    assert ind.orders_per_1000_viewer_minutes(ints(3), ints(1_500_000))[0] == 2.0
    assert math.isnan(ind.orders_per_1000_viewer_minutes(ints(3), ints(0))[0])


def test_complaints_are_shrunk() -> None:
    # one complaint on one order is not 10,000 per 10,000
    assert ind.complaints_per_10000(ints(1), ints(1))[0] == pytest.approx(19.98, abs=0.01)
    assert ind.complaints_per_10000(ints(99), ints(99_000))[0] == 10.0


def test_completeness_is_unknown_where_nothing_was_due() -> None:
    value = ind.completeness(ints(9, 0), ints(10, 0))
    assert value[0] == 0.9
    assert math.isnan(value[1])


def test_lag_quantile_is_the_upper_edge_of_its_bucket() -> None:
    lags = ints(*([100] * 94), *([3_000] * 6))
    buckets = lag_bucket(lags)
    histogram = [ints(int((buckets == i).sum())) for i in range(len(LAG_NAMES))]
    assert ind.lag_p95_ms(histogram)[0] == 5_000
    assert math.isnan(ind.lag_p95_ms([ints(0) for _ in LAG_NAMES])[0])


def test_every_lag_has_a_bucket() -> None:
    buckets = lag_bucket(ints(-5, 0, 250, 251, LAG_EDGES_MS[-1], LAG_EDGES_MS[-1] + 1, 2**40))
    assert buckets.tolist() == [0, 0, 0, 1, 10, 11, 11]
