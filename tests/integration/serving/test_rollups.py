"""Roll-ups on the real engine: re-sent rows, late rows and corrections, against plain Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_driver import Client

from pipelines.agents.fold import FoldStage
from pipelines.core.columns import TableColumns, concat
from pipelines.core.fold.clock import ClockPolicy, TopicClock
from pipelines.core.metrics import LAG_EDGES_MS
from pipelines.instruments import Instruments
from pipelines.warehouse import rollup_sql, rollups
from pipelines.warehouse.client import insert
from pipelines.warehouse.migrate import load, plan, run
from schemas.identity import Supersedes
from schemas.telemetry import SampleType
from tests.integration.pipeline.harness import PARTITIONS
from tests.integration.pipeline.test_settled import (
    CITY,
    MINUTE,
    START,
    C,
    Entry,
    Log,
    O,
    V,
    settled,
    write_log,
)

Tables = dict[str, list[TableColumns]]
HOUR = 60 * MINUTE
HOURS = [START, START + HOUR]
GONE = CITY[3]  # everything of it is withdrawn at the end


def fold(log: Log, into: dict[int, Tables], phase: Any) -> None:
    """What a worker stores of each record, by the phase that its record belongs to."""
    stage = FoldStage(0, PARTITIONS, Instruments(), ClockPolicy(idle_ms=10**12))
    stage.load(None, {}, 1 << 40)
    for entry in log.entries:
        work = stage.fold(entry.record)
        for rows in (work.raw, work.also):
            if rows is not None:
                into[phase(entry)][rows[0]].append(rows[1])
        clocks = {t.topic: TopicClock(entry.record.broker_ms, True) for t in SampleType}
        for minute in stage.ready(clocks):
            for table, columns in stage.close(minute, entry.record.broker_ms, {}).tables:
                into[0][table].append(columns)


def store(db: Client, tables: Tables) -> None:
    for table, parts in tables.items():
        insert(db, table, {name: concat([p[name] for p in parts]) for name in parts[0]})


def close_cells(db: Client) -> None:
    """The second stage: a cell is the sum of its sessions."""
    names = ["active_1m", "orders_1m", "paid_fen_1m", "complaints_1m", "viewer_milliminutes_1m"]
    names += ["seen_1m", "expected_1m"]
    sums = ", ".join(f"sum({n})" for n in names)
    db.execute(
        f"INSERT INTO indicators_cell (minute, platform_id, category, district, closed, "
        f"{', '.join(names)}, version) "
        f"SELECT minute, platform_id, category, district, 1, {sums}, 1 "
        "FROM indicators_session FINAL GROUP BY minute, platform_id, category, district"
    )
    # Two hours, whole: nothing else is sent after the log's 70 minutes.
    end = datetime.fromtimestamp((START + 2 * HOUR) / 1000 - 60, UTC)
    db.execute(
        "INSERT INTO indicators_cell (minute, platform_id, category, district, closed, version) "
        "VALUES",
        [(end, "p-none", "other", "999999", 1, 1)],
    )


@pytest.fixture(scope="module")
def log() -> Log:
    made = write_log()[0]
    everything = {"session_id": GONE.id, "from_ms": 0, "to_ms": 1 << 45}
    for sample in (V, O, C):
        made.send(sample, [], START + 71 * MINUTE, supersedes=Supersedes(**everything))
    made.broker_ms = START + 80 * MINUTE
    for sample in SampleType:  # a minute closes when no topic holds it open
        for platform in ("p-one", "p-two"):
            made.send(sample, [], START + 80 * MINUTE, platform)
    return made


@pytest.fixture(scope="module")
def db(clickhouse: Any, log: Log) -> Iterator[Client]:
    """Rolled up, then sent again, corrected, and rolled up again."""
    name = "test_rollups"
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"CREATE DATABASE {name}")
        run(admin, name, plan(load(), 0, None))
    phases: dict[int, Tables] = {n: defaultdict(list) for n in (0, 1)}
    fold(log, phases, lambda e: int(e.supersedes is not None or is_late(e)))
    with clickhouse.client(name) as client:
        store(client, phases[0])
        close_cells(client)
        client.first = rollups.run(client)  # type: ignore[attr-defined]
        client.seen = client.execute("SELECT * FROM v_hour_cell ORDER BY ALL")
        client.keys = client.execute("SELECT DISTINCT session_id FROM v_settled_hour_session")
        store(client, phases[0])
        store(client, phases[1])
        client.second = rollups.run(client)  # type: ignore[attr-defined]
        yield client
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"DROP DATABASE {name} SYNC")


def is_late(entry: Entry) -> bool:
    """Sent over five minutes after what it is about: its minutes had closed."""
    newest = max((row["event_time"] for row in entry.rows), default=1 << 60)
    return entry.record.broker_ms - newest > 5 * MINUTE


def sums(rows: list[tuple[Entry, dict[str, Any]]]) -> dict[tuple[Any, ...], Counter[str]]:
    """By hour and session, as plain Python adds up."""
    out: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    gauges: dict[tuple[str, int], list[int]] = defaultdict(list)
    for entry, row in rows:
        if entry.sample is SampleType.REVIEWS:
            continue  # roll-ups add up viewers, orders and complaints
        at = row["event_time"]
        one = out[at // HOUR * HOUR, row["session_id"]]
        one["rows"] += 1
        one["lag", sum(entry.record.broker_ms - at > e for e in LAG_EDGES_MS)] += 1  # type: ignore[index]
        for name in ("orders", "paid_fen", "refunds", "refunded_fen", "complaints"):
            one[name] += row.get(name, 0)
        for name in ("clicks", "interactions"):
            one[name] += row.get(name) or 0
        if entry.sample is V and row["viewers"] is not None:
            gauges[row["session_id"], at // MINUTE].append(row["viewers"])
    for (session, minute), values in gauges.items():
        one = out[minute * MINUTE // HOUR * HOUR, session]
        one["viewer_milliminutes"] += 1000 * sum(values) // len(values)
        one["session_minutes"] += 1
    return out


NAMES = [n for n in rollup_sql.SUMS if n != "late_rows"]


def told(db: Client, view: str, key: str) -> dict[tuple[Any, ...], dict[Any, int]]:
    rows = db.execute(f"SELECT {key}, {', '.join(NAMES)}, lag FROM {view}")
    n = len(key.split(","))
    out = {}
    for row in rows:
        figures = dict(zip(NAMES, row[n:], strict=False))
        figures |= {("lag", i): count for i, count in enumerate(row[-1])}
        out[row[:n]] = {k: v for k, v in figures.items() if v}
    return {k: v for k, v in out.items() if v}


def plain(counted: dict[tuple[Any, ...], Counter[str]]) -> dict[tuple[Any, ...], dict[Any, int]]:
    return {k: {n: v for n, v in c.items() if v} for k, c in counted.items() if any(c.values())}


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def test_settled_hours_by_session_are_those_of_the_log(db: Client, log: Log) -> None:
    expected = {(moment(h), s): v for (h, s), v in plain(sums(settled(log))).items()}
    found = told(db, "v_settled_hour_session", "hour, session_id")
    assert {(k[0].replace(tzinfo=UTC), k[1]): v for k, v in found.items()} == expected
    assert len({h for h, _ in expected}) == 2
    assert (GONE.id,) in db.keys
    assert not any(s == GONE.id for _, s in expected)


def test_a_shanghai_day_is_the_sum_of_its_hours(db: Client, log: Log) -> None:
    by_session = sums(settled(log))
    platform = {s.id: s.platform for s in CITY} | {
        row["session_id"]: e.platform for e, row in settled(log)
    }
    days: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for (hour, session), figures in by_session.items():
        day = (moment(hour) + timedelta(hours=8)).date()
        days[day, platform[session]].update(figures)
    assert told(db, "v_settled_day_cell", "day, platform_id") == plain(days)


def test_provisional_hours_stay_as_they_were(db: Client, log: Log) -> None:
    on_time = [
        (e, row) for e in log.entries[: first_correction(log)] if not is_late(e) for row in e.rows
    ]
    by_session = sums(on_time)
    cells: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    platform = {row["session_id"]: e.platform for e, row in on_time}
    for (hour, session), figures in by_session.items():
        cells[hour, platform[session]].update(figures)
    expected = {(moment(h), p): v for (h, p), v in plain(cells).items()}
    found = told(db, "v_hour_cell", "hour, platform_id")
    assert {(k[0].replace(tzinfo=UTC), k[1]): v for k, v in found.items()} == expected
    assert db.execute("SELECT * FROM v_hour_cell ORDER BY ALL") == db.seen


def first_correction(log: Log) -> int:
    return next(i for i, e in enumerate(log.entries) if e.supersedes)


def test_only_what_changed_is_computed_again(db: Client) -> None:
    assert db.first.hours == [moment(h) for h in HOURS]
    assert db.second.hours == [moment(h) for h in HOURS]
    before = db.execute("SELECT max(started_at) FROM rollup_runs")
    db.execute("INSERT INTO rollup_runs SELECT now64(3) + 3600, closed_through, 0 FROM rollup_runs")
    assert rollups.run(db).hours == []
    assert db.execute("SELECT max(started_at) FROM rollup_runs") != before


def test_runs_that_go_on_end_orderly_when_asked(clickhouse: Any, db: Client) -> None:
    where = {
        "LIVEWATCH_BOOTSTRAP": "127.0.0.1:1",
        "LIVEWATCH_CLICKHOUSE_HOST": clickhouse.host,
        "LIVEWATCH_CLICKHOUSE_PORT": str(clickhouse.tcp_port),
        "LIVEWATCH_CLICKHOUSE_USER": "admin",
        "LIVEWATCH_CLICKHOUSE_PASSWORD_FILE": str(clickhouse.password_file("admin")),
        "LIVEWATCH_CLICKHOUSE_DATABASE": "test_rollups",
    }
    argv = [sys.executable, "-m", "deploy.cli", "ops", "rollup", "--every", "600"]
    with subprocess.Popen(argv, env=os.environ | where, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"closed through" in process.stdout.readline()
        process.terminate()
        assert process.wait(20) == 0


def test_what_has_lost_its_raw_rows_is_left_alone(db: Client) -> None:
    with pytest.raises(ValueError, match="raw rows are whole from"):
        rollups.run(db, since=moment(START) - timedelta(days=40))
