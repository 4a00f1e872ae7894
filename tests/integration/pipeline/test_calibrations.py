"""`livewatch calibrate` on closed minutes of the warehouse, on the real engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from pipelines.backtest.calibrate import calibrate_on
from pipelines.backtest.history import from_warehouse
from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.detect.season import Season
from pipelines.warehouse.calibrations import store
from pipelines.warehouse.migrate import load, plan, run

FIRST = 1_790_000_000 // 300
BINS = 24
MERCHANTS = 3


def fill(client: Any) -> np.ndarray[Any, Any]:
    """Two hours of three merchants of p1, all heard but in bin 7; complaints [minute, merchant]."""
    rng = np.random.default_rng(2)
    complaints = rng.poisson(0.4, (BINS * 5, MERCHANTS))
    rows = [
        (
            datetime.fromtimestamp(FIRST * 300 + 60 * minute, UTC),
            *("p1", "food", "310101", f"s{m}", f"m{m}"),
            *(1, int(complaints[minute, m]), 100, 1, 1),
        )
        for minute in range(BINS * 5)
        for m in range(MERCHANTS)
        if minute // 5 != 7
    ]
    client.execute(
        "INSERT INTO indicators_session (minute, platform_id, category, district, session_id,"
        " merchant_pid, closed, complaints_1m, orders_1m, seen_1m, version) VALUES",
        rows,
    )
    return complaints


def test_minutes_become_bins_and_thresholds_are_kept(clickhouse: Any, database: str) -> None:
    with clickhouse.client(user="admin") as admin:
        run(admin, database, plan(load(), 0, None))
    with clickhouse.client(user="admin", database=database) as client:
        complaints = fill(client)
        history = from_warehouse(client, FIRST, FIRST + BINS)
        bins = list(history.bins)
        assert history.names == ["p1/m0", "p1/m1", "p1/m2"]
        assert np.isnan(bins[7].counts).all()
        assert np.isnan(bins[7].exposure).all()
        for b in (0, 8, BINS - 1):
            mine = complaints[5 * b : 5 * b + 5]
            np.testing.assert_array_equal(bins[b].counts, mine.sum(axis=0))
            two = bins[b].looks[1]
            np.testing.assert_array_equal(two.counts, mine[:2].sum(axis=0)[two.slots])
            assert bins[b].exposure == pytest.approx([500.0] * MERCHANTS, rel=0.1)
        swing = Season({"p1/food": np.full(168, 2.0)})
        in_season = list(from_warehouse(client, FIRST, FIRST + BINS, swing).bins)
        np.testing.assert_allclose(in_season[9].exposure, 2 * bins[9].exposure)
        made = calibrate_on(history, DEFAULT_POLICY, 12, bins)
        assert made.first == datetime.fromtimestamp((FIRST + 12) * 300, UTC).isoformat()
        store(client, made, datetime.now(UTC))
        stored = client.execute(
            "SELECT grade, threshold, budget_per_day, series FROM v_calibrations ORDER BY grade"
        )
        assert stored == [
            (name, one.threshold, one.budget_per_day, MERCHANTS)
            for name, one in sorted(made.grades.items())
        ]
