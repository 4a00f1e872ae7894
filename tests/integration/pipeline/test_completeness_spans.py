"""The panels' completeness of a range is what the view, which reads all days, says of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from grafana.dashboards.telemetry_sql import SPANS
from grafana.screen.macros import ALL, Context, expand
from grafana.screen.timerange import TimeRange
from pipelines.warehouse.migrate import load, plan, run

END = datetime.now(UTC).replace(minute=32, second=0, microsecond=0) - timedelta(hours=2)
#: Of each lane the minutes before END in which its totals were taken.
#:   days    3        2        1       6 h  range  END
LANES = {
    "always": range(3 * 1440),
    "new in the range": range(40),
    "silent for half a day": [*range(100), *range(800, 900)],
    "silent for two days": [*range(30), *range(3000, 3100)],
    "gone": range(500, 600),
    "silent for twenty minutes": [*range(150), *range(170, 400)],
}
COLUMNS = (
    "span, platform_id, source, topic, batches, rows, duplicates, late_rows, refused, gaps, "
    "gap_share, duplicate_share, late_share"
)


def fill(client: Any) -> None:
    rng = random.Random(3)
    rows = []
    for number, (source, minutes) in enumerate(LANES.items()):
        totals = [0] * 5
        for ago in sorted(minutes, reverse=True):
            totals = [t + rng.randrange(50) for t in totals]
            at = END - timedelta(minutes=ago)
            rows.append((at, "p", source, "t", number % 3, rng.randrange(4), *totals, at, 1))
            if rng.random() < 0.1:  # taken again after a crash
                rows.append((*rows[-1][:-1], 2))
    client.execute(
        "INSERT INTO completeness (minute, platform_id, source, topic, kafka_partition, gaps, "
        "batches, rows, duplicates, late_rows, refused, watermark, version) VALUES",
        rows,
    )


def test_a_range_alone_has_the_figures_of_the_view(clickhouse: Any, database: str) -> None:
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, None))
        fill(client)
        begin = END - timedelta(hours=6)
        context = Context(TimeRange(begin, END), 300, {"platform": ALL})
        query = f"SELECT {COLUMNS} FROM {{}} {{}} ORDER BY span, source"
        first = round(begin.timestamp()) // 300 * 300
        told = client.execute(query.format("v_completeness_5m", f"WHERE span >= {first}"))
        found = client.execute(expand(query.format(SPANS, ""), context))
        assert found == told
        assert {row[2] for row in found} == set(LANES) - {"gone"}
