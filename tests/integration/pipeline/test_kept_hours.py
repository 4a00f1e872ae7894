"""Points of an hour say what their minutes say, whatever is kept, came late or was cut off."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from typing import Any

import pytest

from grafana.dashboards import sql, telemetry_sql
from grafana.screen import macros
from grafana.screen.timerange import TimeRange
from pipelines.warehouse import hours
from pipelines.warehouse.migrate import load, plan, run
from tests.integration.pipeline.kept_city import (
    END,
    HOURS,
    Row,
    Told,
    minutes,
    put,
    rest,
    rewritten,
)

NUMBER = 32
ALL = dict.fromkeys(("platform", "category", "district"), macros.ALL)
CHOICES: list[tuple[dict[str, str], Callable[[Row], bool]]] = [
    (ALL, lambda _: True),
    (ALL | {"platform": "p1"}, lambda r: r["platform_id"] == "p1"),
    (
        ALL | {"category": "food", "district": "310101"},
        lambda r: (r["category"], r["district"]) == ("food", "310101"),
    ),
]
#: (hours back, hours back of the end, step): whole hours, broken ones, two hours a point, minutes.
Ranges = list[tuple[float, float, int]]
RANGES: Ranges = [(HOURS, 0.0, 1800), (HOURS - 3.3, 2.7, 1800), (HOURS, 0.0, 7200), (6, 0.0, 60)]
VALUES: list[tuple[str, Callable[[Callable[[str], float]], float | None]]] = [
    (sql.mean("active_1m"), lambda mean: mean("active_1m")),
    (sql.mean("orders_known"), lambda mean: mean("orders_1m")),
    (f"{sql.mean('paid_fen_5m')} / 100", lambda mean: mean("paid_fen_5m") / 100),
    (
        sql.COMPLAINT_RATE,
        lambda mean: 10000 * (mean("complaints_60m") + 1) / (mean("orders_60m") + 1000),
    ),
    (
        "sum(paid_fen_60m) / nullIf(sum(orders_60m), 0) / 100",
        lambda mean: mean("paid_fen_60m") / o / 100 if (o := mean("orders_60m")) else None,
    ),
]


@pytest.fixture
def db(clickhouse: Any, database: str) -> Iterator[Any]:
    """Half of the minutes came before the migration."""
    rng = random.Random(7)
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, NUMBER - 1))
        client.rows, client.rng = minutes(rng), rng
        half = len(client.rows) // 2
        put(client, client.rows[:half])
        run(client, database, plan(load(), NUMBER - 1, NUMBER))
        put(client, client.rows[half:])
        yield client


def again(db: Any, rows: list[Row]) -> None:
    put(db, rows)
    db.rows.extend(rows)


def asked(db: Any, text: str, at: tuple[float, float, int], values: dict[str, str]) -> list[Any]:
    first, end = (END - timedelta(hours=h) for h in at[:2])
    found: list[Any] = db.execute(
        macros.expand(text, macros.Context(TimeRange(first, end), at[2], values))
    )
    return found


def told(db: Any, at: tuple[float, float, int]) -> Told:
    return Told(db.rows, *(END - timedelta(hours=h) for h in at[:2]), at[2])


def assert_lines(db: Any, ranges: Ranges, label: str = "platform_id") -> None:
    for at in ranges:
        expected = told(db, at)
        for values, chosen in CHOICES:
            for text, value in VALUES:
                found = {
                    (time.replace(tzinfo=UTC), name): (solid if dashed is None else dashed, solid)
                    for time, name, solid, dashed in asked(db, sql.lines(text, label), at, values)
                }
                of = expected.lines(label, chosen, value)
                assert {k: v for k, (v, _) in found.items()} == {
                    k: None if v is None else pytest.approx(v, rel=1e-9) for k, (v, _) in of.items()
                }
                assert all(solid is None for k, (_, solid) in found.items() if not of[k][1])


def assert_totals(db: Any, ranges: Ranges = RANGES) -> None:
    for at in ranges:
        rows = told(db, at)
        for values, chosen in CHOICES:
            sums: Counter[str] = Counter()
            for row in filter(chosen, rows.rows):
                sums[row["category"]] += row["paid_fen_1m"]
            found = asked(db, sql.ranked("category", "sum(paid_fen_1m)"), at, values)
            assert dict(found) == sums


def assert_quality(db: Any, ranges: Ranges) -> None:
    for at in ranges:
        rows = told(db, at)
        for values, chosen in CHOICES:
            closed = [r for r in rows.rows if chosen(r) and r["closed"]]
            lags = sorted(lag for r in closed if (lag := r["i22_lag_p95_ms_5m"]) is not None)
            share = sum(r["seen_1m"] for r in closed) / sum(r["expected_1m"] for r in closed)
            seen, lag_s = asked(db, telemetry_sql.QUALITY, at, values)[0]
            assert (seen, lag_s) == (
                pytest.approx(share, rel=1e-9), lags[int(0.95 * len(lags))] / 1000,
            )  # fmt: skip
            shut = max(r["minute"] for r in closed)
            latest = max(r["minute"] for r in rows.rows if chosen(r))
            of = asked(db, sql.AS_OF, at, values)[0]
            assert [moment.replace(tzinfo=UTC) for moment in of] == [shut, latest]


def assert_exact(db: Any, ranges: Ranges = RANGES) -> None:
    assert_lines(db, ranges)
    assert_totals(db, ranges)
    assert_quality(db, ranges)


def test_before_a_run_and_after_it(db: Any) -> None:
    assert_exact(db)
    assert hours.run(db) == []  # minutes of just now may not be seen yet
    assert len(rest(db)) == HOURS + 1
    assert_exact(db)
    assert_lines(db, RANGES[1:2], "category")
    assert rest(db) == []


def test_what_is_kept_is_read(db: Any) -> None:
    rest(db)
    query = sql.ranked("category", "sum(paid_fen_1m)")
    kept = asked(db, query, (HOURS, 1, 1800), ALL)
    old = f"minute < toDateTime({round((END - timedelta(hours=3)).timestamp())})"
    lines = sql.lines(sql.mean("viewers_1m"))
    before = asked(db, lines, (HOURS, 1, 1800), ALL)
    db.execute(f"ALTER TABLE indicators_cell DELETE WHERE {old} SETTINGS mutations_sync = 2")
    first = END.minute / 60 + HOURS - 2  # from a whole hour on
    assert asked(db, lines, (first, 1, 1800), ALL)[-20:] == before[-20:]
    assert kept
    assert not asked(db, lines, (first, 20, 60), ALL)


def test_minutes_that_are_rewritten_or_late_count_at_once(db: Any) -> None:
    rest(db)
    for version in (2, 3):
        some = db.rng.sample(db.rows, 30)
        again(db, [rewritten(row, db.rng, version) for row in some])
        assert_exact(db, RANGES[1:2])
        assert rest(db)
        assert_exact(db, RANGES[1:2])
    db.execute("OPTIMIZE TABLE hour_notes FINAL")
    db.execute("OPTIMIZE TABLE cell_hours FINAL")
    assert_exact(db, RANGES[1:2])


def test_a_run_that_is_cut_off_and_another_at_the_same_time_do_no_harm(db: Any) -> None:
    rest(db)
    again(db, [rewritten(row, db.rng, 2) for row in db.rows[:50]])
    columns = ", ".join(("minute", *hours.KEPT["indicators_cell"].key))
    # Rows of a run that never noted them, and of one that was older.
    for clock in ("now64(6)", "now64(6) - INTERVAL 1 DAY"):
        db.execute(
            f"INSERT INTO cell_hours ({columns}, orders_1m, paid_fen_1m, computed) "
            f"SELECT {columns}, 7, 7, {clock} FROM cell_hours"
        )
    assert_exact(db, RANGES[1:2])
    rest(db)
    assert_exact(db, RANGES[1:2])


def test_the_newest_point_is_the_newest_closed_minute(db: Any) -> None:
    for _ in range(2):
        for at in RANGES:
            rows = told(db, at)
            shut = max(r["minute"] for r in rows.rows if r["closed"])
            newest = [r for r in rows.rows if r["minute"] == shut]
            row = next(r for r in reversed(asked(db, sql.figures(), at, ALL)) if r[1] is not None)
            assert row[1] == sum(r["active_1m"] for r in newest)
            assert row[3] == sum(r["viewers_1m"] for r in newest)
            assert row[7] == pytest.approx(sum(r["paid_fen_5m"] for r in newest) / 100)
        rest(db)


def test_back_and_forward_again(db: Any, database: str) -> None:
    rest(db)
    run(db, database, plan(load(), NUMBER, NUMBER - 1))
    run(db, database, plan(load(), NUMBER - 1, NUMBER))
    assert_totals(db)
    assert len(rest(db)) == HOURS + 1
    assert_totals(db)
