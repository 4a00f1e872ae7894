"""`livewatch seasons` on settled hours of the warehouse, on the real engine: a worker's file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.backtest.learn_season import from_warehouse, learn
from pipelines.core.detect import hour_of_week
from pipelines.season import SeasonFile
from pipelines.warehouse.migrate import load, plan, run

HOUR_S = 3600
FIRST = 496_728  # hours since the epoch: 1 September 2026, away from the festivals
DAYS = 14
MORNING = 9  # Shanghai: people complain of what they bought in the evening


def complaints(hour: int) -> int:
    """Four times as many for the same orders in the morning."""
    return 40 if hour_of_week(hour * HOUR_S * 1000) % 24 == MORNING else 10


def fill(client: Any) -> None:
    rows = [
        (
            datetime.fromtimestamp(hour * HOUR_S, UTC),
            *(settled, "p1", "food", district, 10_000, complaints(hour), 1),
        )
        for hour in range(FIRST, FIRST + 24 * DAYS)
        for district in ("310101", "310104")
        for settled in (0, 1)
    ]
    client.execute(
        "INSERT INTO hour_cell (hour, settled, platform_id, category, district, orders, complaints,"
        " version) VALUES",
        rows,
    )


def test_the_hours_that_people_complain_in_are_learned(clickhouse: Any, database: str) -> None:
    with clickhouse.client(user="admin") as admin:
        run(admin, database, plan(load(), 0, None))
    with clickhouse.client(user="admin", database=database) as client:
        fill(client)
        rows = from_warehouse(client, FIRST, FIRST + 24 * DAYS)
    assert len(rows) == 24 * DAYS  # districts together, and nothing provisional
    assert {r[3] for r in rows} == {20, 80}
    made = SeasonFile.from_json(learn(rows).to_json())
    week = made.hours["p1/food"]
    mornings = [week[24 * day + MORNING] for day in range(7)]
    others = [week[24 * day + hour] for day in range(7) for hour in range(24) if hour != MORNING]
    assert min(mornings) / max(others) == pytest.approx(4.0, rel=0.15)
