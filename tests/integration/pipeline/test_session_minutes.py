"""Panels by base and scenario say what the whole rows of the sessions' minutes say, whatever came.

The minutes are read of a narrow copy. Held against it: the same figures of v_indicators_session,
each minute joined to its session's tag, as the panels had them before the copy.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.operations import erasures
from deploy.operations.erasures import Request
from grafana.dashboards import sessions_sql, sql
from grafana.screen import macros
from grafana.screen.timerange import TimeRange
from pipelines.warehouse.migrate import load, plan, run
from tests.integration.pipeline.kept_city import rest

NUMBER = 28
NOW = 32  # panels read hours, too, where they are kept
END = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
HOURS = 30  # over two midnights: partitions are days
SESSIONS = 60
BASES = [f"b{n}" for n in range(10)]  # more than a panel has lines
SCENARIOS = ["night_food", "first_launch", "poverty_relief"]
ALL = dict.fromkeys(("platform", "category", "district", "base", "scenario"), macros.ALL)
CHOICES = (
    ALL | {"platform": "p1"},
    ALL | {"category": "food", "district": "310101"},
    ALL | {"base": "b3", "scenario": "night_food"},
)
Row = tuple[Any, ...]

TABLE = """SELECT tag, uniqExact(i.session_id), max(viewers_1m), sum(orders_1m) AS orders,
    sum(paid_fen_1m) / 100 AS yuan, sum(complaints_1m) AS n, 10000 * (n + 1) / (orders + 1000)
{joined} GROUP BY tag ORDER BY yuan DESC, tag LIMIT 40"""
BARS = """SELECT tag AS name, sum(paid_fen_1m) / 100 AS value
{joined} GROUP BY tag HAVING value > 0 ORDER BY value DESC, tag LIMIT 12"""
LINES = """SELECT time, tag AS name, avg(v) FROM (
    SELECT $__timeInterval(minute) AS time, minute, tag, sum({figure}) AS v
    {joined} GROUP BY minute, time, tag
) WHERE tag IN (
    SELECT tag {joined} GROUP BY tag ORDER BY sum({figure}) DESC, tag LIMIT 8
) GROUP BY time, name ORDER BY time, name"""
CHOSEN_SESSIONS = """SELECT session_id FROM v_indicators_session WHERE $__timeFilter(minute)
GROUP BY session_id
ORDER BY max(complaints_60m) DESC, max(viewers_1m) DESC, session_id LIMIT 60"""


def minutes(rng: random.Random) -> list[Row]:
    """(minute, platform, category, district, session, figures, version), the oldest first."""
    rows = []
    for number in range(SESSIONS):
        last = rng.randrange(HOURS * 60)
        for ago in range(last, max(last - rng.randrange(1, 200), -1), -1):
            figures = [rng.randrange(900), rng.randrange(9), rng.randrange(99999), rng.randrange(3)]
            # Two platforms may have given one id to two sessions.
            session = f"s{number % (SESSIONS - 2)}"
            rows.append(
                (END - timedelta(minutes=ago), f"p{number % 3}", ("food", "apparel")[number % 2],
                 ("310101", "310115")[number % 4 // 2], session, *figures, rng.randrange(9), 5)
            )  # fmt: skip
    return sorted(rows)


def rewritten(row: Row, rng: random.Random, version: int) -> Row:
    """As after a crash or a replay: the same minute with other figures."""
    return (*row[:5], *(rng.randrange(99) for _ in range(5)), version)


def put(db: Any, rows: list[Row]) -> None:
    db.execute(
        "INSERT INTO indicators_session (minute, platform_id, category, district, session_id, "
        "viewers_1m, orders_1m, paid_fen_1m, complaints_1m, complaints_60m, version) "
        "SETTINGS insert_deduplicate = 0 VALUES",
        rows,
    )


def tag(db: Any, numbers: range, rng: random.Random, version: int) -> None:
    """What is last told of these sessions; some are in no base, or have no scenario."""
    columns = "session_id, platform_id, base_id, scenario, first_seen, version"
    db.execute(
        f"INSERT INTO sessions ({columns}) VALUES",
        [
            (f"s{n % (SESSIONS - 2)}", f"p{n % 3}", rng.choice(["", *BASES]),
             rng.choice(["", *SCENARIOS]), END - timedelta(hours=HOURS), version)
            for n in numbers
        ],
    )  # fmt: skip


@pytest.fixture
def db(clickhouse: Any, database: str) -> Iterator[Any]:
    """Half of the minutes came before the migration; a third of the tags is not there yet."""
    rng = random.Random(5)
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, NUMBER - 1))
        client.rows = minutes(rng)
        half = len(client.rows) // 2
        put(client, client.rows[:half])
        put(client, [rewritten(row, rng, 6) for row in client.rows[:half:7]])
        run(client, database, plan(load(), NUMBER - 1, NUMBER))
        run(client, database, plan(load(), NUMBER, NOW))
        put(client, client.rows[half:])
        tag(client, range(SESSIONS * 2 // 3), rng, 1)
        client.rng = rng
        yield client


def contexts() -> Iterator[macros.Context]:
    """Whole and broken hours, several steps, each choice."""
    day, part = (TimeRange(END - timedelta(hours=h), END) for h in (HOURS, 5.25))
    yield macros.Context(day, 60, ALL)
    yield macros.Context(part, 60, ALL)
    yield from (macros.Context(day, 300, values) for values in CHOICES)


def hours_contexts() -> Iterator[macros.Context]:
    """The same where points are hours."""
    day, part = (TimeRange(END - timedelta(hours=h), END) for h in (HOURS, 5.25))
    yield macros.Context(day, 3600, ALL)
    yield macros.Context(part, 7200, CHOICES[0])


def assert_the_same(db: Any, some: Callable[[], Iterator[macros.Context]] = contexts) -> None:
    compared = 0
    for context in some():
        for panel, before in pairs():
            found, expected = (db.execute(macros.expand(q, context)) for q in (panel, before))
            assert found == expected
            compared += bool(expected)
    assert compared > 8 * len(list(some()))


def joined_to(tag: str, chosen: str) -> str:
    return f"""FROM v_indicators_session AS i
INNER JOIN (
    SELECT session_id, {tag} AS tag FROM v_sessions WHERE {tag} != '' AND {chosen}
) AS s ON i.session_id = s.session_id
WHERE $__timeFilter(minute) AND {sql.WHO}"""


def pairs() -> Iterator[tuple[str, str]]:
    """(SQL of the panel, SQL that says the same of the whole rows)."""
    for name, chosen in (
        ("base_id", sessions_sql.BASE_CHOSEN),
        ("scenario", sessions_sql.SCENARIO_CHOSEN),
    ):
        joined = joined_to(name, chosen)
        yield sessions_sql.tag_table(name), TABLE.format(joined=joined)
        for figure in ("viewers_1m", "orders_1m"):
            # By code: words are another test's.
            lines = sessions_sql.tag_lines(name, figure, "en").replace(
                sessions_sql._words(name, "en"), "tag"
            )
            yield lines, LINES.format(joined=joined, figure=figure)
        bars = sessions_sql.tag_bars(name, "en").replace(sessions_sql._words(name, "en"), "tag")
        yield bars, BARS.format(joined=joined)
    yield sessions_sql.CHOICES, CHOSEN_SESSIONS


def test_what_came_before_the_migration_and_after_it(db: Any) -> None:
    assert_the_same(db)


def test_rows_that_come_again(db: Any) -> None:
    before = db.execute("SELECT * FROM v_session_minutes ORDER BY ALL")
    put(db, db.rows[::3])
    put(db, db.rows[::5] + db.rows[::5])
    assert db.execute("SELECT * FROM v_session_minutes ORDER BY ALL") == before
    assert_the_same(db)


def test_rows_that_are_rewritten_up_and_down_in_any_order(db: Any) -> None:
    for version in (9, 7, 8):
        put(db, [rewritten(row, db.rng, version) for row in db.rows[::version]])
    assert_the_same(db)
    db.execute("OPTIMIZE TABLE session_minutes FINAL")
    assert_the_same(db)


def test_tags_that_come_late_or_change(db: Any) -> None:
    tag(db, range(SESSIONS), db.rng, 2)
    assert_the_same(db)
    tag(db, range(0, SESSIONS, 2), db.rng, 1)  # older news than what is known
    assert_the_same(db)


def test_the_copy_is_what_is_read(db: Any) -> None:
    db.execute("TRUNCATE TABLE indicators_session")
    context = macros.Context(TimeRange(END - timedelta(hours=HOURS), END), 60, ALL)
    assert all(db.execute(macros.expand(panel, context)) for panel, _ in pairs())


def test_hours_that_are_kept(db: Any) -> None:
    assert rest(db)
    assert_the_same(db, hours_contexts)
    kept = db.execute("SELECT count(), uniqExact(computed) FROM v_session_hours")[0]
    assert kept[0] > SESSIONS
    for version in (7, 8):
        put(db, [rewritten(row, db.rng, version) for row in db.rows[::97]])
        assert_the_same(db, hours_contexts)
        assert rest(db)
        assert_the_same(db, hours_contexts)
    assert rest(db) == []


def test_an_erasure_reaches_hours_that_are_kept(db: Any) -> None:
    assert rest(db)
    _, platform, _, _, session, *_ = db.rows[len(db.rows) // 2]
    now = datetime.now(UTC)
    before = END - timedelta(hours=HOURS / 2, minutes=17)  # in the middle of an hour
    for one in (session, ""):
        asked = Request("e", platform, one, before, now, "who", "why", "tool")
        assert erasures._delete_all(db, asked)["session_hours"].after == 0
        assert_the_same(db, hours_contexts)
        rest(db)
        assert_the_same(db, hours_contexts)
    left = "SELECT count() FROM {} WHERE platform_id = %(p)s AND minute < %(b)s"
    bound = {"p": platform, "b": before.replace(minute=0)}
    for table in ("session_hours", "session_minutes"):
        assert db.execute(left.format(table), bound) == [(0,)]


def test_back_and_forward_again(db: Any, database: str) -> None:
    before = db.execute("SELECT * FROM v_session_minutes ORDER BY ALL")
    assert len(before) == db.execute("SELECT count() FROM v_indicators_session")[0][0]
    run(db, database, plan(load(), NOW, NUMBER - 1))
    run(db, database, plan(load(), NUMBER - 1, NOW))
    assert db.execute("SELECT * FROM v_session_minutes ORDER BY ALL") == before
