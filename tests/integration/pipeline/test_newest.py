"""The newest totals of sources, and the newest long windows, are those of all rows of the range.

Held against the panels: the same figures by argMax over every row, as the panels had them before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grafana.dashboards.indicators_sql import newest
from grafana.dashboards.telemetry_sql import SOURCES
from grafana.screen import macros
from grafana.screen.timerange import TimeRange
from pipelines.warehouse.migrate import load, plan, run

NUMBER = 31
END = datetime.now(UTC).replace(minute=32, second=0, microsecond=0) - timedelta(hours=2)
#: Of each source the minutes before END of which there are totals; some are after it.
HEARD = {
    "always": range(-20, 3 * 1440),
    "new": range(20),
    "silent since the hour began": range(33, 400),
    "silent for an hour": range(91, 400),
    "silent for three hours": range(180, 2000),
    "back after the end": [*range(-25, 0), *range(200, 300)],
    "gone": range(1500, 1600),
}
#: The same of the long windows of platforms, by hours before END.
TOLD = {
    "p0": range(-12, 9 * 24),
    "p1": range(90, 200),
    "p2": [*range(-9, 0), *range(30, 40)],
    "p3": range(9 * 24, 9 * 24 + 9),
}
Row = tuple[Any, ...]

PLAIN_SOURCES = """SELECT platform_id, source, sum(b) / nullIf(sum(b) + sum(g), 0), sum(g), sum(r),
    sum(l), sum(f), sum(d), min(w)
FROM (
    SELECT platform_id, source, kafka_partition, sum(b) AS b, sum(g) AS g, sum(r) AS r,
        sum(l) AS l, sum(f) AS f, sum(d) AS d, max(w) AS w
    FROM (
        SELECT platform_id, source, kafka_partition, epoch, argMax(batches, minute) AS b,
            argMax(gaps, minute) AS g, argMax(rows, minute) AS r, argMax(late_rows, minute) AS l,
            argMax(refused, minute) AS f, argMax(duplicates, minute) AS d,
            argMax(watermark, minute) AS w
        FROM v_completeness
        WHERE minute >= $__toTime - INTERVAL 1 DAY AND minute <= $__toTime
            AND $__conditionalAll(platform_id IN (${platform:singlequote}), $platform)
        GROUP BY platform_id, source, kafka_partition, epoch
    ) GROUP BY platform_id, source, kafka_partition
) GROUP BY platform_id, source ORDER BY platform_id, source"""
PLAIN_NEWEST = """SELECT platform_id, indicator, window, argMax((value, n), minute) AS last,
    max(minute)
FROM v_indicator_values
WHERE $__timeFilter(minute) AND scope = 'platform'
    AND $__conditionalAll(platform_id IN (${platform:singlequote}), $platform)
GROUP BY platform_id, indicator, window ORDER BY platform_id, indicator, window"""


def totals(rng: random.Random) -> list[Row]:
    rows = []
    for number, (source, minutes) in enumerate(HEARD.items()):
        for lane in range(3):
            for ago in minutes:
                at = END - timedelta(minutes=ago)
                epoch = 2 if lane and ago < 250 else 1
                counts = [rng.randrange(900) for _ in range(6)]
                rows.append((at, f"p{number % 2}", source, "t", lane, epoch, *counts, at, 1))
    return sorted(rows)


def values(rng: random.Random) -> list[Row]:
    return sorted(
        (END - timedelta(hours=ago), code, window, "platform", platform,
         rng.choice([None, rng.random()]), rng.randrange(99), 1)
        for platform, hours in TOLD.items()
        for code, window in (("I05", "1d"), ("I10", "7d"), ("I10", "30d"))
        for ago in hours
    )  # fmt: skip


def put(db: Any, table: str, columns: str, rows: list[Row]) -> None:
    again = "SETTINGS insert_deduplicate = 0 VALUES"
    db.execute(f"INSERT INTO {table} ({columns}, version) {again}", rows)


def put_all(db: Any, totals: list[Row], values: list[Row]) -> None:
    of_totals = (
        "minute, platform_id, source, topic, kafka_partition, epoch, gaps, batches, rows, "
        "duplicates, late_rows, refused, watermark"
    )
    put(db, "completeness", of_totals, totals)
    of_values = "minute, indicator, window, scope, platform_id, value, n"
    put(db, "indicator_values", of_values, values)


@pytest.fixture
def db(clickhouse: Any, database: str) -> Iterator[Any]:
    """Half came before the migration, the others after it; a part of both again, rewritten."""
    rng = random.Random(3)
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, NUMBER - 1))
        rows, told = totals(rng), values(rng)
        put_all(client, rows[::2], told[::2])
        run(client, database, plan(load(), NUMBER - 1, NUMBER))
        put_all(client, rows[1::2], told[1::2])
        again = [(*r[:6], *(n + 1 for n in r[6:12]), r[12], 7) for r in rng.sample(rows, 900)]
        put_all(client, again, [(*r[:5], 0.5, r[6] + 1, 8) for r in rng.sample(told, 200)])
        yield client


def asked(db: Any, sql: str, end: datetime, hours: int, platform: str) -> list[Row]:
    span = TimeRange(end - timedelta(hours=hours), end)
    context = macros.Context(span, 60, {"platform": platform})
    found: list[Row] = db.execute(macros.expand(sql, context))
    return found


@pytest.mark.parametrize("platform", [macros.ALL, "p0"])
def test_the_newest_totals_of_a_source_are_those_of_a_whole_day(db: Any, platform: str) -> None:
    seen = set()
    for ago in (0, 5, 31, 40, 95, 200, 420, 1440):
        end = END - timedelta(minutes=ago)
        found = asked(db, SOURCES, end, 1, platform)
        plain = asked(db, PLAIN_SOURCES, end, 1, platform)
        assert sorted((*row[:2], *row[3:]) for row in found) == plain
        seen |= {row[1] for row in found}
    assert len(seen) == (len(HEARD) if platform == macros.ALL else 4)


@pytest.mark.parametrize("platform", [macros.ALL, "p1"])
def test_the_newest_long_windows_are_those_of_the_whole_range(db: Any, platform: str) -> None:
    for ago, hours in ((0, 6), (0, 240), (20, 168), (100, 100), (150, 400)):
        end = END - timedelta(hours=ago)
        found = asked(db, newest("en"), end, hours, platform)
        plain = asked(db, PLAIN_NEWEST, end, hours, platform)
        assert [(r[0], r[1], r[4], (r[5], r[7]), r[8]) for r in found] == plain
        assert plain or hours == 6
