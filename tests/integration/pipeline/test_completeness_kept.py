"""Completeness that is kept is what taking all differences anew says, whatever came when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.warehouse import completeness
from pipelines.warehouse.migrate import Step, load, plan, run

NUMBER = 26
END = datetime.now(UTC).replace(minute=32, second=0, microsecond=0) - timedelta(hours=2)
#: Of each lane the minutes before END in which its totals were taken.
LANES = {
    "always": range(3 * 1440),
    "new": range(40),
    "silent for half a day": [*range(100), *range(800, 900)],
    "silent for two days": [*range(30), *range(3000, 3100)],
    "gone": range(500, 600),
    "silent for twenty minutes": [*range(150), *range(170, 400)],
    "started again": range(2000),
}
Row = tuple[Any, ...]


def totals(rng: random.Random) -> list[Row]:
    """Running totals, oldest first; a producer that starts again counts from nothing."""
    rows = []
    for number, (source, minutes) in enumerate(LANES.items()):
        counts = [0] * 5
        for ago in sorted(minutes, reverse=True):
            if source == "started again" and ago == 700:
                counts = [0] * 5
            counts = [t + rng.randrange(50) for t in counts]
            at = END - timedelta(minutes=ago)
            epoch = 2 if source == "started again" and ago <= 700 else 1
            skew = sorted(rng.randrange(-900, 900) for _ in range(3))
            rows.append(
                (at, f"p{number % 2}", source, "t", number % 3, epoch, rng.randrange(4), *counts,
                 skew[1], skew[0], skew[2], at + timedelta(seconds=rng.randrange(60)), 1)
            )  # fmt: skip
    return sorted(rows, key=lambda row: row[0])


def rewritten(row: Row, rng: random.Random, version: int) -> Row:
    """As after a crash: the same minute, closed again, with other totals."""
    counts = [max(t + rng.randrange(-9, 30), 0) for t in row[7:12]]
    return (*row[:6], rng.randrange(4), *counts, *row[12:-1], version)


def put(db: Any, rows: list[Row]) -> None:
    db.execute(
        "INSERT INTO completeness (minute, platform_id, source, topic, kafka_partition, epoch, "
        "gaps, batches, rows, duplicates, late_rows, refused, skew_ms, skew_low_ms, skew_high_ms, "
        "watermark, version) SETTINGS insert_deduplicate = 0 VALUES",
        rows,
    )


def rest(db: Any) -> list[datetime]:
    """Eleven minutes go by, and a run follows. Told as if all so far had been so much earlier."""
    eleven = ", ".join(f"{c} = {c} - INTERVAL 11 MINUTE" for c in ("touched", "computed"))
    db.execute(
        f"ALTER TABLE completeness_hours UPDATE {eleven} WHERE 1 SETTINGS mutations_sync = 2"
    )
    return completeness.run(db)


def since(db: Any) -> datetime:
    found: datetime = db.execute("SELECT since FROM completeness_open")[0][0]
    return found.replace(tzinfo=UTC)


def assert_exact(db: Any) -> None:
    spans = "SELECT * FROM {} ORDER BY span, platform_id, source"
    found = db.execute(spans.format("v_completeness_5m"))
    assert found == db.execute(spans.format("anew"))
    assert {row[2] for row in found} == set(LANES)
    by_source = db.execute(
        "SELECT minute, platform_id, source, sum(c.gaps), min(c.watermark), min(c.skew_low_ms), "
        "max(c.skew_high_ms) FROM v_completeness AS c GROUP BY ALL ORDER BY ALL"
    )
    assert db.execute("SELECT * FROM v_completeness_source ORDER BY ALL") == by_source


@pytest.fixture
def db(clickhouse: Any, database: str) -> Iterator[Any]:
    """Half of the minutes came before the migration. `anew` is the view of before."""
    step = Step(next(m for m in load() if m.number == NUMBER), False)
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, NUMBER - 1))
        rows = totals(random.Random(3))
        half = len(rows) // 2
        put(client, rows[:half])
        run(client, database, plan(load(), NUMBER - 1, NUMBER))
        put(client, rows[half:])
        for statement in step.statements("any"):
            if statement.startswith("CREATE VIEW"):
                client.execute(statement.replace("VIEW v_completeness_5m", "VIEW anew"))
        client.rows = rows
        yield client


def test_what_is_kept_is_exact_before_and_after(db: Any) -> None:
    assert_exact(db)
    assert completeness.run(db) == []  # rows of just now may not be seen yet
    assert len(rest(db)) == 73
    assert since(db).year == 2100
    assert_exact(db)
    assert rest(db) == []


def test_what_is_kept_is_read(db: Any) -> None:
    rest(db)
    db.execute("TRUNCATE TABLE completeness")
    kept = "SELECT count() > 800, sum(rows) FROM v_completeness_5m"
    assert db.execute(kept) == db.execute("SELECT 1, sum(rows) FROM completeness_spans FINAL")


def test_a_rewrite_counts_at_once_and_for_all_later_hours(db: Any) -> None:
    rng = random.Random(5)
    rest(db)
    # One lane's last word before two days of silence: what comes after the silence changes, too.
    quiet = [r for r in db.rows if r[2] == "silent for two days" and r[0] < END - timedelta(days=1)]
    put(db, [rewritten(quiet[-1], rng, 2)])
    assert since(db) == quiet[-1][0].replace(minute=0)
    assert_exact(db)
    rest(db)
    assert since(db).year == 2100
    assert_exact(db)


def test_rows_in_any_order_again_and_newer_stay_exact(db: Any) -> None:
    rng = random.Random(9)
    for turn in range(2, 6):
        some = rng.sample(db.rows, 40) + db.rows[-turn * 30 :]
        put(db, [rewritten(row, rng, turn) if rng.random() < 0.7 else row for row in some])
        assert_exact(db)
        rest(db)
        assert_exact(db)
        db.execute("OPTIMIZE TABLE completeness_spans FINAL")


def test_a_run_that_is_cut_off_and_an_older_one_at_the_same_time_do_no_harm(db: Any) -> None:
    rest(db)
    first = db.rows[0][0].replace(minute=0)
    began = datetime.now(UTC)
    put(db, [rewritten(row, random.Random(1), 2) for row in db.rows[:9]])
    db.execute(
        "INSERT INTO completeness_spans SELECT * EXCEPT version, version + 1 FROM "
        "completeness_spans WHERE span < now() - INTERVAL 2 DAY"
    )
    db.execute("INSERT INTO completeness_hours (hour, computed) VALUES", [(first, began)])
    assert since(db) == first
    assert_exact(db)
    rest(db)
    assert_exact(db)


def test_the_way_back_has_the_view_of_before(db: Any) -> None:
    rest(db)
    before = db.execute("SELECT * FROM v_completeness_5m ORDER BY ALL")
    name = db.execute("SELECT currentDatabase()")[0][0]
    run(db, name, plan(load(), NUMBER, NUMBER - 1))
    assert db.execute("SELECT * FROM v_completeness_5m ORDER BY ALL") == before
    run(db, name, plan(load(), NUMBER - 1, NUMBER))
    assert db.execute("SELECT * FROM v_completeness_5m ORDER BY ALL") == before


def test_it_is_read_from_another_database(db: Any) -> None:
    """As a reader of `livewatch ops access` does, whose own database has views of these."""
    (name,) = db.execute("SELECT currentDatabase()")[0]
    views = ("v_completeness_5m", "v_completeness_source")
    here = [db.execute(f"SELECT count() FROM {view}") for view in views]
    run(db, name, plan(load(), NUMBER, None))
    db.execute("USE default")
    assert [db.execute(f"SELECT count() FROM {name}.{view}") for view in views] == here
    db.execute(f"USE {name}")
